"""Kafka: topics, their partitions and settings, and what the brokers allow."""

from collections.abc import Iterator, Mapping
from typing import Any

from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaError

from cli.doctoring.finding import Finding, error, ok, warning
from cli.options import Target
from cli.stack.topics import TopicSpec, open_admin, wanted_topics
from state.configuration import HOUR_MS, Settings

TIMEOUT_MS = 8_000
TRANSACTION_VERSION = 2
"""Of the brokers' transactions: KIP-890, without which a late marker may end a later transaction of the same producer."""
DAY_MS = 24 * HOUR_MS


def look_at_kafka(target: Target) -> list[Finding]:
    """Return all that can be asked of the brokers."""
    where = target.endpoints.kafka
    try:
        admin = open_admin(target.settings, where, TIMEOUT_MS)
    except (KafkaError, OSError, ValueError) as problem:
        mend = "start it, or correct kafka.bootstrap or kafka.properties"
        return [error("Kafka", f"does not answer at {where} ({type(problem).__name__})", mend)]
    try:
        return list(_look(admin, target.settings))
    except (KafkaError, OSError) as problem:
        return [
            error("Kafka", f"refuses to be asked ({type(problem).__name__})", "allow DESCRIBE and DESCRIBE_CONFIGS")
        ]
    finally:
        admin.close()


def _look(admin: Any, settings: Settings) -> Iterator[Finding]:
    brokers = admin.describe_cluster()["brokers"]
    yield ok("Kafka", f"{len(brokers)} brokers" if len(brokers) > 1 else "one broker")
    first = str(brokers[0].get("node_id", brokers[0].get("broker_id")))
    yield from _broker(_configs(admin, ConfigResourceType.BROKER, [first])[first], settings)
    yield from _transactions(admin.describe_features())
    wanted = wanted_topics(settings)
    present = set(admin.list_topics())
    names = [topic.name for topic in wanted if topic.name in present]
    yield from (
        error(f"topic {topic.name}", "does not exist", _create(topic)) for topic in wanted if topic.name not in present
    )
    if not names:
        return
    described = {topic["name"]: topic for topic in admin.describe_topics(names)}
    configs = _configs(admin, ConfigResourceType.TOPIC, names)
    bad = 0
    for topic in wanted:
        if topic.name in described:
            found = list(_topic(topic, described[topic.name]["partitions"], configs.get(topic.name, {}), len(brokers)))
            bad += bool(found)
            yield from found
    yield ok("topics", f"{len(names) - bad} of {len(wanted)} are as they should be")


def _configs(admin: Any, kind: Any, names: list[str]) -> dict[str, dict[str, str]]:
    answer = admin.describe_configs([ConfigResource(kind, name) for name in names], config_filter="all")
    return {
        str(name): {key: str(entry["value"]) for key, entry in entries.items()}
        for resources in answer.values()
        for name, entries in resources.items()
    }


def _broker(configs: Mapping[str, str], settings: Settings) -> Iterator[Finding]:
    most_ms = int(configs.get("transaction.max.timeout.ms", 0) or 0)
    if most_ms and most_ms < settings.kafka.transaction_timeout_ms:
        found = f"allow transactions of {most_ms} ms, kafka.transaction_timeout is {settings.kafka.transaction_timeout_ms} ms"
        yield error(
            "brokers", found, "raise transaction.max.timeout.ms on the brokers: the job cannot write to its logs"
        )
    elif most_ms:
        yield ok("brokers", f"allow transactions of {most_ms} ms")


def _transactions(features: Mapping[str, Any]) -> Iterator[Finding]:
    """The level of the brokers' transactions; a cluster that was upgraded keeps its old one until it is raised."""
    level = features.get("transaction.version", {}).get("finalized", (0, 0))[1]
    if level >= TRANSACTION_VERSION:
        yield ok("transactions", f"of version {level}")
    else:
        mend = (
            f"kafka-features.sh upgrade --feature transaction.version={TRANSACTION_VERSION}, on brokers of 4.0 or later"
        )
        yield warning("transactions", f"of version {level}: in rare cases a log may lack or repeat records", mend)


def _create(topic: TopicSpec) -> str:
    options = " ".join(f"--config {key}={value}" for key, value in topic.configs.items())
    return f"kafka-topics.sh --create --topic {topic.name} --partitions {topic.partitions} {options}".rstrip()


def _topic(topic: TopicSpec, partitions: list[Any], configs: Mapping[str, str], brokers: int) -> Iterator[Finding]:
    about = f"topic {topic.name}"
    if topic.partitions == 1 and len(partitions) != 1:
        found = f"has {len(partitions)} partitions, and its newest record is not the newest of all"
        yield error(about, found, f"delete it and create it anew: {_create(topic)}")
    wanted_policy = topic.configs.get("cleanup.policy", "delete")
    policy = configs.get("cleanup.policy", "")
    if policy and wanted_policy == "compact" and "compact" not in policy:
        mend = f"kafka-configs.sh --alter --topic {topic.name} --add-config cleanup.policy=compact"
        yield error(about, f"has cleanup.policy={policy}: what it holds is removed by age", mend)
    elif policy and wanted_policy == "delete" and "compact" in policy:
        yield error(
            about, "is compacted: of several records with a key only the last stays", "set cleanup.policy=delete"
        )
    size, least = int(configs.get("max.message.bytes", 0) or 0), int(topic.configs.get("max.message.bytes", 0))
    if size and size < least:
        mend = f"kafka-configs.sh --alter --topic {topic.name} --add-config max.message.bytes={least}"
        yield error(about, f"takes records of {size} bytes, and is to take {least}", mend)
    yield from _retention(about, topic, wanted_policy, int(configs.get("retention.ms", -1) or -1))
    replicas = min(
        (len(partition.get("replica_nodes", partition.get("replicas", ()))) for partition in partitions), default=0
    )
    if replicas == 1 and brokers > 1:
        yield warning(about, "is on one broker alone", "give it three replicas, with min.insync.replicas=2")
    elif 0 < replicas <= int(configs.get("min.insync.replicas", 1) or 1) and replicas > 1:
        yield warning(about, "cannot be written once one broker is away", "lower min.insync.replicas by one")


def _retention(about: str, topic: TopicSpec, policy: str, retention_ms: int) -> Iterator[Finding]:
    """What is removed before anybody had a night to mend what stands still."""
    wanted_ms = int(topic.configs.get("retention.ms", DAY_MS))
    if policy == "delete" and 0 <= retention_ms < wanted_ms:
        found = f"keeps records for {retention_ms / HOUR_MS:g} h: a job that stands still for longer loses them"
        mend = f"kafka-configs.sh --alter --topic {topic.name} --add-config retention.ms={wanted_ms}"
        yield warning(about, found, mend)
