"""What Prometheus learns of notifications and streams."""

from prometheus_client import Counter, Gauge

SUBSCRIBED = Gauge("heliotrope_push_subscribed", "Workers that hear of new profiles now.", multiprocess_mode="livesum")
LOST = Counter("heliotrope_push_subscription_lost", "Times that the subscription was lost or could not be made.")
NOTIFICATIONS = Counter("heliotrope_push_notifications", "Notifications that came from Redis.")
POSITIONS_FAILED = Counter("heliotrope_push_reads_failed", "Reads of positions that Redis did not answer.")
FOREIGN = Counter("heliotrope_push_notifications_foreign", "Messages on the channel that the job did not write.")
