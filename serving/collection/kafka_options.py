"""The configuration of librdkafka's producer: the shop's security, acknowledged by all replicas, bounded in time and memory."""

from collections.abc import Mapping
from typing import Any

from jobs.kafka_security import Security, read_security

LINGER_MS = 2
"""How long a record waits for others: all of it is in each answer's time."""
QUEUE_RECORDS = 200_000
QUEUE_KILOBYTES = 128 * 1024
"""Above what `Producer` lets in, so that a batch is never cut in two by a full queue."""
LARGEST_REQUEST_BYTES = 1_000_000


def producer_options(bootstrap: str, properties: Mapping[str, str], timeout_ms: int) -> dict[str, Any]:
    """Return options of an idempotent producer whose records are delivered or given up within `timeout_ms`.

    Raises:
        ConfigurationError: this client does not have the security that is configured.
    """
    return {
        "bootstrap.servers": bootstrap,
        "client.id": properties.get("client.id", "heliotrope-serving"),
        "acks": "all",
        "enable.idempotence": True,
        "partitioner": "murmur2_random",  # as Java's clients and kafka-python: a session stays in its partition
        "linger.ms": LINGER_MS,
        "compression.type": properties.get("compression.type", "none"),  # what every reader can unpack
        "message.max.bytes": LARGEST_REQUEST_BYTES,
        "message.timeout.ms": timeout_ms,
        "request.timeout.ms": min(timeout_ms, 30_000),
        "socket.connection.setup.timeout.ms": min(max(timeout_ms, 1_000), 10_000),
        "reconnect.backoff.ms": 50,
        "reconnect.backoff.max.ms": 1_000,
        "queue.buffering.max.messages": QUEUE_RECORDS,
        "queue.buffering.max.kbytes": QUEUE_KILOBYTES,
        "allow.auto.create.topics": False,
        "log_level": 2,  # what happens is said by `Producer`, once and not with each attempt
        **security_options(read_security(properties)),
    }


def security_options(security: Security) -> dict[str, Any]:
    """Return login and TLS as librdkafka names them."""
    options: dict[str, Any] = {"security.protocol": security.protocol.lower()}
    if (login := security.login) is not None:
        options |= {"sasl.mechanism": login.mechanism, "sasl.username": login.name, "sasl.password": login.password}
    if (tls := security.tls) is not None:
        options["ssl.endpoint.identification.algorithm"] = "https" if tls.checks_name else "none"
        if tls.trusted is not None:
            options["ssl.ca.pem"] = tls.trusted
        if tls.own is not None:
            options |= {"ssl.certificate.pem": tls.own.decode(), "ssl.key.pem": tls.own.decode()}
            if tls.key_password:
                options["ssl.key.password"] = tls.key_password
    return options
