"""Secrets, from the environment or from files: they are never printed, and never in the job's visible configuration."""

import os
from pathlib import Path

from jobs.errors import ConfigurationError, SecretError
from jobs.java_properties import PropertiesError, read_properties
from state.configuration import Settings

SECRET_VARIABLES = frozenset({"HELIOTROPE_REDIS_PASSWORD", "HELIOTROPE_USER_SALT"})
"""Variables of the environment that hold secrets, and so are no configuration keys."""
PROPERTIES_PROVIDER = "heliotrope"
"""The name under which Kafka's clients know who reads `kafka.properties_file`."""


def redis_password(settings: Settings) -> str | None:
    """Return the Redis password from `HELIOTROPE_REDIS_PASSWORD` or `redis.password_file`; None where neither is set.

    Raises:
        SecretError: the file cannot be read.
    """
    return _secret("HELIOTROPE_REDIS_PASSWORD", settings.redis.password_file, "redis.password_file")


def user_salt(settings: Settings) -> bytes:
    """Return the secret that user ids are hashed with, from `HELIOTROPE_USER_SALT` or `events.salt_file`; empty where neither is
    set.

    Raises:
        SecretError: the file cannot be read.
    """
    return (_secret("HELIOTROPE_USER_SALT", settings.events.salt_file, "events.salt_file") or "").encode()


def kafka_client_properties(settings: Settings) -> dict[str, str]:
    """Return `kafka.properties` and what `kafka.properties_file` (a file of Java's properties, for secrets) adds.

    Raises:
        SecretError: the file cannot be read or is none of properties.
    """
    return settings.kafka.properties | _properties_in_file(settings)


def kafka_graph_properties(settings: Settings, provider: str) -> dict[str, str]:
    """Return the same for the job's graph: instead of each value of the file a reference, which Kafka's clients follow where they
    run.

    `provider` is the class of Kafka's FileConfigProvider.

    Raises:
        SecretError: the file cannot be read or is none of properties.
        ConfigurationError: its path has a character that a reference cannot hold.
    """
    path = str(Path(settings.kafka.properties_file).expanduser().absolute())
    keys = _properties_in_file(settings)
    if not keys:
        return dict(settings.kafka.properties)
    if set(path) & set(":}\n"):
        raise ConfigurationError("kafka.properties_file: the path must have neither `:` nor `}`")
    own = settings.kafka.properties.get("config.providers", "")
    return {
        **settings.kafka.properties,
        **{key: f"${{{PROPERTIES_PROVIDER}:{path}:{key}}}" for key in keys},
        "config.providers": f"{own},{PROPERTIES_PROVIDER}" if own else PROPERTIES_PROVIDER,
        f"config.providers.{PROPERTIES_PROVIDER}.class": provider,
    }


def _properties_in_file(settings: Settings) -> dict[str, str]:
    if not settings.kafka.properties_file:
        return {}
    try:
        return read_properties(_read_secret(settings.kafka.properties_file, "kafka.properties_file"))
    except PropertiesError as error:
        raise SecretError(f"kafka.properties_file: {error}") from None


def _secret(variable: str, path: str, key: str) -> str | None:
    if variable in os.environ:
        return os.environ[variable]
    return _read_secret(path, key).strip() if path else None


def _read_secret(path: str, key: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise SecretError(f"{key}: cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SecretError(f"{key}: {path} is not UTF-8") from None
