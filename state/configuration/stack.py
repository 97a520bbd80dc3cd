"""Sections of what the job runs on: Kafka, Redis, Flink, and the stack of `heliotrope up`."""

from typing import Annotated, Literal

from msgspec import Meta

from state.configuration.types import HOUR_MS, MINUTE_MS, Name, Port, PositiveMillis, Section


class Topics(Section, frozen=True):
    """Names of the Kafka topics; a shop has its own."""

    user_interactions: Name = "user_interactions"
    products: Name = "products"
    bundles: Name = "bundles"
    dead_letters: Name = "dead_letters"
    late_events: Name = "late_events"
    decisions: Name = "decisions"
    outcomes: Name = "outcomes"
    audit: Name = "audit"
    popularity: Name = "popularity"
    bandit_model: Name = "bandit_model"
    candidate_lists: Name = "candidate_lists"
    user_lists: Name = "user_lists"
    session_hints: Name = "session_hints"


class Kafka(Section, frozen=True):
    """The broker, and how the job reads and writes it."""

    bootstrap: str = ""
    start: str = "auto"
    topics: Topics = Topics()
    partitions: Annotated[int, Meta(ge=1, le=10_000)] = 8
    replication: Annotated[int, Meta(ge=1, le=10)] = 1
    group: Name = "heliotrope"
    transactional_id_prefix: Name = "heliotrope"
    transaction_timeout_ms: Annotated[int, Meta(ge=10_000, le=15 * MINUTE_MS)] = 15 * MINUTE_MS
    properties: dict[str, str] = {}
    properties_file: str = ""


class Redis(Section, frozen=True):
    """Settings of where profiles are written, and how writes are grouped."""

    url: str = ""
    password_file: str = ""
    prefix: Name = "heliotrope"
    batch: Annotated[int, Meta(ge=1, le=10_000)] = 64
    block_max_ms: Annotated[int, Meta(ge=100, le=120_000)] = 20_000
    socket_timeout_ms: Annotated[int, Meta(ge=10, le=60_000)] = 2_000
    rebuild_per_second: Annotated[int, Meta(ge=1, le=100_000)] = 1_000
    max_bytes: Annotated[int, Meta(ge=1_048_576)] | None = None
    short_ttl_ms: Annotated[int, Meta(ge=1_000, le=365 * 24 * HOUR_MS)] = HOUR_MS


class Flink(Section, frozen=True):
    """Settings of how the job runs."""

    parallelism: Annotated[int, Meta(ge=1, le=1_024)] | None = None
    max_parallelism: Annotated[int, Meta(ge=128, le=32_768)] = 1_024
    checkpoint_interval_ms: Annotated[int, Meta(ge=100, le=HOUR_MS)] = 10_000
    checkpoint_timeout_ms: Annotated[int, Meta(ge=1_000, le=HOUR_MS)] = 5 * MINUTE_MS
    checkpoint_dir: str = ""
    buffer_timeout_ms: Annotated[int, Meta(ge=0, le=1_000)] = 0
    gather_ms: Annotated[int, Meta(ge=1, le=1_000)] = 10
    buckets: Annotated[int, Meta(ge=1, le=4_096)] | None = None
    state_backend: Literal["hashmap", "rocksdb"] = "hashmap"


class Local(Section, frozen=True):
    """The embedded stack of `heliotrope up`; port 0 takes a free one."""

    workdir: str = ".heliotrope"
    task_managers: Annotated[int, Meta(ge=1, le=64)] = 1
    java_home: str = ""
    kafka_port: Port = 0
    redis_port: Port = 0
    flink_port: Port = 0
    metrics_port: Port = 0
    task_manager_memory_mb: Annotated[int, Meta(ge=768, le=262_144)] = 1_600
    job_manager_memory_mb: Annotated[int, Meta(ge=768, le=65_536)] = 1_024
    kafka_memory_mb: Annotated[int, Meta(ge=128, le=65_536)] = 512
    start_timeout_ms: PositiveMillis = 120_000
