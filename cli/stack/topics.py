"""The topics that Heliotrope needs, and their creation where they are missing."""

from typing import Any, NamedTuple

from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError, TopicAlreadyExistsError

from cli.kafka_client import client_options
from cli.stack.brokers import BATCH_MAX_BYTES, MEBIBYTE
from jobs.secrets import kafka_client_properties
from state.configuration import HOUR_MS, Settings

REQUEST_TIMEOUT_MS = 15_000


class TopicSpec(NamedTuple):
    """A topic: its configured name, how many partitions, and its settings at the broker."""

    name: str
    partitions: int
    configs: dict[str, str]


def wanted_topics(settings: Settings) -> list[TopicSpec]:
    """Return all topics of `kafka.topics` with what each needs."""
    names, partitions = settings.kafka.topics, settings.kafka.partitions
    large = {"max.message.bytes": str(BATCH_MAX_BYTES)}
    compacted = {"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.2"}
    # A snapshot of the model comes several times a second: small segments, so that old ones can be compacted away.
    model = {**compacted, "segment.bytes": str(32 * MEBIBYTE), "max.message.bytes": str(2 * MEBIBYTE)}
    return [
        TopicSpec(names.user_interactions, partitions, large),
        TopicSpec(names.dead_letters, partitions, large),
        TopicSpec(names.late_events, partitions, large),
        TopicSpec(names.products, partitions, compacted),
        TopicSpec(names.bundles, partitions, compacted),
        TopicSpec(names.decisions, partitions, {}),
        TopicSpec(names.outcomes, partitions, {}),
        TopicSpec(names.audit, partitions, {}),
        TopicSpec(names.popularity, partitions, {**compacted, "segment.bytes": str(32 * MEBIBYTE)}),
        TopicSpec(names.bandit_model, 1, model),
        # One partition: of a category and its products what was said last is read last.
        TopicSpec(names.candidate_lists, 1, {**compacted, "segment.bytes": str(32 * MEBIBYTE)}),
        TopicSpec(names.user_lists, partitions, compacted),
        TopicSpec(names.session_hints, partitions, {"retention.ms": str(HOUR_MS)}),
    ]


def create_topics(settings: Settings, bootstrap: str) -> list[str]:
    """Create the topics that are missing and return their names; those that exist stay as they are.

    Raises:
        KafkaError: the broker does not answer or refuses.
    """
    admin = open_admin(settings, bootstrap)
    try:
        present = set(admin.list_topics())
        absent = [topic for topic in wanted_topics(settings) if topic.name not in present]
        if absent:
            _create(admin, absent, settings.kafka.replication)
            admin.wait_for_topics([topic.name for topic in absent], timeout_ms=REQUEST_TIMEOUT_MS)
        return [topic.name for topic in absent]
    finally:
        admin.close()


def open_admin(settings: Settings, bootstrap: str, timeout_ms: int = REQUEST_TIMEOUT_MS) -> Any:
    """Return an admin client with the configured security.

    Raises:
        KafkaError: the broker does not answer.
    """
    return KafkaAdminClient(
        bootstrap_servers=bootstrap.split(","),
        bootstrap_timeout_ms=timeout_ms,
        request_timeout_ms=timeout_ms,
        **client_options(kafka_client_properties(settings)),
    )


def broker_answers(settings: Settings, bootstrap: str, timeout_ms: int = 2_000) -> bool:
    """Return whether the broker's admin interface answers."""
    try:
        admin = open_admin(settings, bootstrap, timeout_ms)
    except (KafkaError, OSError, ValueError):
        return False
    try:
        return bool(admin.describe_cluster())
    except (KafkaError, OSError):
        return False
    finally:
        admin.close()


def _create(admin: Any, topics: list[TopicSpec], replication: int) -> None:
    new = {
        topic.name: {"num_partitions": topic.partitions, "replication_factor": replication, "configs": topic.configs}
        for topic in topics
    }
    try:
        admin.create_topics(new, timeout_ms=REQUEST_TIMEOUT_MS)
    except TopicAlreadyExistsError:  # made by somebody else meanwhile
        return
