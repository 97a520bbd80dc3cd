"""Events in: `POST /v1/track` and the forms of other trackers."""
