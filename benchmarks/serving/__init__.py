"""Load on the server: profile reads, tracked events, open streams."""
