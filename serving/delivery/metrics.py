"""What is counted of profile reads."""

from prometheus_client import Counter, Gauge, Histogram

from serving.reader import Reason, Source

BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.06, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

SECONDS = Histogram(
    "heliotrope_profile_seconds", "Time to a profile's answer, by its source.", ["source"], buckets=BUCKETS
)
REASONS = Counter("heliotrope_profile_reasons", "Answers that are no fresh profile, by the reason.", ["reason"])
NOT_MODIFIED = Counter("heliotrope_profile_not_modified", "Answers of 304: the client has the content already.")
READER = Counter(
    "heliotrope_reader_events", "What the reader of profiles met, by kind; docs/delivery.md has them.", ["event"]
)
OPEN_BREAKERS = Gauge(
    "heliotrope_reader_open_breakers",
    "Workers whose circuit breaker before Redis is open.",
    multiprocess_mode="livesum",
)
KEPT = Gauge("heliotrope_reader_kept_profiles", "Profiles kept for when Redis is away.", multiprocess_mode="livesum")
KEPT_BYTES = Gauge("heliotrope_reader_kept_bytes", "Their bytes.", multiprocess_mode="livesum")

SECONDS_BY_SOURCE = {source: SECONDS.labels(source.value) for source in Source}
BY_REASON = {reason: REASONS.labels(reason.value) for reason in Reason}


def count(name: str, number: int) -> None:
    """Count what a reader says."""
    READER.labels(name).inc(number)
