"""What Prometheus learns of collection."""

from prometheus_client import Counter, Gauge

EVENTS = Counter("heliotrope_track_events", "Events by what became of them.", ["form", "key", "outcome"])
REJECTED = Counter("heliotrope_track_rejected", "Rejected events by reason.", ["reason"])
REFUSED = Counter("heliotrope_track_refused", "Requests of which nothing was accepted, by why.", ["why"])
BROKER_UP = Gauge("heliotrope_track_broker_up", "Workers to which Kafka answers.", multiprocess_mode="livesum")
QUEUED = Gauge("heliotrope_track_queued_bytes", "Bytes on their way to Kafka.", multiprocess_mode="livesum")
UNDELIVERED = Counter("heliotrope_track_undelivered", "Batches that Kafka did not acknowledge, by error.", ["error"])
LIMITED = Counter("heliotrope_track_limited", "Requests over a rate limit, by whose.", ["limit"])
KEYS_FAILED = Counter("heliotrope_track_keys_failed", "Times that the file of write keys could not be read again.")

UNAVAILABLE = REFUSED.labels("unavailable")
"""There from the start: an alert watches its increase, and a counter that appears with its first count has none."""
