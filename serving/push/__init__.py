"""Notifications of new profiles: one subscription per worker, fanned out to streams, sockets and waiting reads."""
