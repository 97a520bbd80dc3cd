"""What Prometheus learns of notifications and streams."""

import time

from prometheus_client import Counter, Gauge, Histogram

from serving.push.position import Position

SUBSCRIBED = Gauge(
    "heliotrope_push_subscribed", "Workers that receive news of profiles now.", multiprocess_mode="livesum"
)
LOST = Counter("heliotrope_push_subscription_lost", "Times that the subscription was lost or could not be made.")
NOTIFICATIONS = Counter("heliotrope_push_notifications", "Notifications that came from Redis.")
POSITIONS_FAILED = Counter("heliotrope_push_reads_failed", "Reads of positions that Redis did not answer.")
FOREIGN = Counter("heliotrope_push_notifications_foreign", "Messages on the channel that the job did not write.")
STREAMS = Gauge(
    "heliotrope_push_streams", "Open connections that receive news of profiles.", ["kind"], multiprocess_mode="livesum"
)
REFUSED = Counter("heliotrope_push_streams_refused", "Streams refused because there are too many.", ["bound"])
ENDED = Counter("heliotrope_push_streams_ended", "Streams that ended, by reason.", ["reason"])
SENT_SECONDS = Histogram(
    "heliotrope_push_sent_seconds",
    "From a profile's publication to the sending of its notification to one client.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0),
)


def observe_sent(position: Position) -> None:
    """Record how old a profile is whose notification is sent now."""
    SENT_SECONDS.observe(max(0.0, time.time() - position.updated_at_ms / 1_000))
