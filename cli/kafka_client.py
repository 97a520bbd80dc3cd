"""Kafka clients made from the configuration; what goes wrong becomes one line that names the fix."""

import logging
from collections.abc import Mapping
from typing import Any

from kafka import KafkaConsumer, KafkaProducer
from kafka.codec import has_lz4
from kafka.errors import KafkaError

from cli.errors import UserError
from cli.kafka_security import security_options
from cli.options import Target
from jobs.secrets import kafka_client_properties

MAX_VALUE_BYTES = 2 * 1024 * 1024  # what topics take, so that an oversized event arrives to become a dead letter
MAX_REQUEST_BYTES = MAX_VALUE_BYTES + 64 * 1024
BOOTSTRAP_TIMEOUT_MS = 8_000
DELIVERY_TIMEOUT_MS = 30_000

# The client logs every failed attempt; a person gets the one line of UserError instead.
logging.getLogger("kafka").setLevel(logging.CRITICAL + 1)


def client_options(properties: Mapping[str, str]) -> dict[str, Any]:
    """Return the configured Java client properties (`security.protocol`, `sasl.jaas.config`, stores …) as options here.

    What this client has no counterpart for is left to the job.

    Raises:
        UserError: this client cannot log in as is configured.
    """
    return security_options(properties)


def open_producer(target: Target, linger_ms: int, **extra: Any) -> Any:
    """Return an idempotent producer (acks=all) for records of up to 2 MiB.

    Raises:
        UserError: the broker does not answer.
    """
    options: dict[str, Any] = {
        "acks": "all",
        "enable_idempotence": True,
        "linger_ms": linger_ms,
        "batch_size": 128 * 1024,
        "max_request_size": MAX_REQUEST_BYTES,
        "compression_type": "lz4" if has_lz4() else None,
        "delivery_timeout_ms": DELIVERY_TIMEOUT_MS,
        "request_timeout_ms": 10_000,
        "max_block_ms": 10_000,
        "allow_auto_create_topics": False,
        "metrics_enabled": False,
    }
    return _open(KafkaProducer, target, {**options, **extra})


def open_consumer(target: Target, **extra: Any) -> Any:
    """Return a consumer of committed records that commits nothing by itself.

    Raises:
        UserError: the broker does not answer.
    """
    options: dict[str, Any] = {
        "enable_auto_commit": False,
        "auto_offset_reset": "earliest",
        "isolation_level": "read_committed",
        "allow_auto_create_topics": False,
        "metrics_enabled": False,
    }
    return _open(KafkaConsumer, target, {**options, **extra})


def _open(kind: Any, target: Target, options: dict[str, Any]) -> Any:
    options |= client_options(kafka_client_properties(target.settings))
    servers = target.endpoints.kafka.split(",")
    try:
        return kind(bootstrap_servers=servers, bootstrap_timeout_ms=BOOTSTRAP_TIMEOUT_MS, **options)
    except (KafkaError, OSError) as error:
        raise unreachable(target, error) from None
    except ValueError as error:
        raise UserError(f"kafka: {error}: correct kafka.bootstrap or kafka.properties") from None


def unreachable(target: Target, error: Exception | None = None) -> UserError:
    """Return the error for a broker that does not answer, or refuse the login.

    A broker closes the connection right after it has refused a login. The client often sees that end alone, and tries again until
    its time is over.
    """
    cause = f" ({type(error).__name__})" if error is not None else ""
    where = target.endpoints.kafka
    if isinstance(error, KafkaError) and not isinstance(error, OSError) and "Authentication" in type(error).__name__:
        return UserError(f"Kafka at {where} refuses the login{cause}: correct kafka.properties_file")
    if "sasl_mechanism" in client_options(kafka_client_properties(target.settings)):
        return UserError(
            f"Kafka at {where} does not answer or refuses the login{cause}: correct kafka.bootstrap or kafka.properties_file"
        )
    return UserError(
        f"Kafka at {where} does not answer{cause}: start it with `heliotrope up`, or correct kafka.bootstrap"
    )
