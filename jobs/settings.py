"""Reads the configuration: defaults, then the YAML file, then `HELIOTROPE_A__B=c`, then `--set a.b=c`; the later is the stronger.

The only module that reads the environment. Every error names the key and what it accepts.
"""

import difflib
import os
import re
import types
import typing
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any

import msgspec
import yaml

from jobs.java_properties import PropertiesError, read_properties
from state.choosing.merchandise import contradiction_in
from state.choosing.variants import variant_of
from state.configuration import NOT_FOR_VARIANTS, Bandit, Popularity, Section, Settings, Variant, key_of
from state.feature_set import DIMENSION
from state.model.disjoint import most_arms
from state.model.river.learner import RiverError, create
from state.model.snapshot_rows import PRODUCTS_LIMIT_BYTES

ENVIRONMENT_PREFIX = "HELIOTROPE_"
# Secrets and the location of things have environment variables of their own that are no configuration keys.
SECRET_VARIABLES = frozenset({"HELIOTROPE_REDIS_PASSWORD", "HELIOTROPE_USER_SALT"})
UNITS_MS = {"ms": 1, "s": 1_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}
PROPERTIES_PROVIDER = "heliotrope"
"""The name under which Kafka's clients know who reads `kafka.properties_file`."""
MOST_SLIDES = 1_440
"""Slides in a window of popularity: each window is summed anew from its slides."""
REDIS_SCHEMES = ("redis", "rediss", "unix")
NEVER_IN_LOGIN = frozenset("@/?#[] ")
MOST_BLOCKED_MS = 150_000
"""A task that waits for Redis cannot be cancelled meanwhile, and Flink ends the process of one that is not after 180 s."""
BUCKETS = 8
"""Of sessions, where the configuration says nothing."""
DURATION = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*(ms|s|min|h|d)\s*$")


class ConfigurationError(Exception):
    """The configuration cannot be used; the message names the key and what it accepts. Correct it and start again."""


class SecretError(Exception):
    """A secret's file cannot be read. Give the file the right path and rights, or set the environment variable."""


def load_settings(
    path: Path | None = None, sets: Iterable[str] = (), environ: Mapping[str, str] | None = None
) -> Settings:
    """Settings from the shipped or the given file, the environment and `KEY=VALUE` overrides.

    Raises:
        ConfigurationError: on an unreadable file, an unknown key, or a value out of range.
    """
    tree = _read_file(path) if path is not None else {}
    for name, text in sorted((os.environ if environ is None else environ).items()):
        if name.startswith(ENVIRONMENT_PREFIX) and "__" in name and name not in SECRET_VARIABLES:
            key = name[len(ENVIRONMENT_PREFIX) :].lower().replace("__", ".")
            _put(tree, key, text, source=f"environment variable {name}")
    for assignment in sets:
        key, equals, text = assignment.partition("=")
        if not equals:
            raise ConfigurationError(f"--set {assignment}: write it as KEY=VALUE, for example --set bandit.epsilon=0.1")
        _put(tree, key.strip(), text, source=f"--set {assignment}")
    return settings_from(tree)


def settings_from(tree: dict[str, Any]) -> Settings:
    """Validates a tree of plain values. Raises ConfigurationError as `load_settings` does."""
    normal = _normalise(tree, Settings, "")
    try:
        settings = msgspec.convert(normal, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigurationError(_explain(error)) from None
    _check_together(settings)
    return settings


def to_tree(settings: Settings) -> dict[str, Any]:
    """The settings as plain values under their configuration keys, times in milliseconds."""
    return typing.cast(dict[str, Any], msgspec.to_builtins(settings))


def redis_password(settings: Settings) -> str | None:
    """The Redis password from `HELIOTROPE_REDIS_PASSWORD` or `redis.password_file`; None where neither is set.

    Raises:
        SecretError: the file cannot be read.
    """
    return _secret("HELIOTROPE_REDIS_PASSWORD", settings.redis.password_file, "redis.password_file")


def user_salt(settings: Settings) -> bytes:
    """The secret that user ids are hashed with, from `HELIOTROPE_USER_SALT` or `events.salt_file`; empty where neither is set.

    Raises:
        SecretError: the file cannot be read.
    """
    return (_secret("HELIOTROPE_USER_SALT", settings.events.salt_file, "events.salt_file") or "").encode()


def kafka_client_properties(settings: Settings) -> dict[str, str]:
    """`kafka.properties` and what `kafka.properties_file` (a file of Java's properties, for secrets) adds.

    Raises:
        SecretError: the file cannot be read or is none of properties.
    """
    return settings.kafka.properties | _properties_in_file(settings)


def kafka_graph_properties(settings: Settings, provider: str) -> dict[str, str]:
    """Likewise for the job's graph: instead of each value of the file a reference, which Kafka's clients follow where they run.

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


def _read_file(path: Path) -> dict[str, Any]:
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"cannot read the configuration {path}: {error.strerror}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigurationError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise ConfigurationError(f"{path} must hold sections such as `kafka:`, not a {type(tree).__name__}")
    return tree


def _put(tree: dict[str, Any], key: str, text: str, source: str) -> None:
    *path, last = key.split(".")
    node = tree
    for part in path:
        child = node.setdefault(part, {})
        if child is None:
            child = node[part] = {}
        if not isinstance(child, dict):
            raise ConfigurationError(f"{source}: {part} is a value, not a section")
        node = child
    try:
        node[last] = yaml.safe_load(text) if text else ""
    except yaml.YAMLError:
        node[last] = text


def _normalise(value: Any, kind: Any, path: str) -> Any:
    """Turns durations into milliseconds and refuses unknown keys with the nearest known one."""
    if path == "bandit.variants" and isinstance(value, dict):
        return {str(name): _normalise_variant(child, f"{path}.{name}") for name, child in value.items()}
    if not (isinstance(kind, type) and issubclass(kind, Section)):
        return value
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ConfigurationError(f"{path or 'the configuration'} must be a section with keys, not {value!r}")
    hints = typing.get_type_hints(kind, include_extras=False)
    attributes = {key_of(name): name for name in hints if name in kind.__struct_fields__}
    normal: dict[str, Any] = {}
    for key, child in value.items():
        where = f"{path}.{key}" if path else str(key)
        if key not in attributes:
            close = difflib.get_close_matches(str(key), attributes, n=1)
            hint = f"did you mean {close[0]}? " if close else ""
            raise ConfigurationError(f"unknown key {where}: {hint}accepted here: {', '.join(sorted(attributes))}")
        name = attributes[key]
        if child is None and not _takes_none(hints[name]):
            continue
        if name.endswith("_ms") and isinstance(child, str):
            child = _milliseconds(child, where)
        elif hints[name] is str and isinstance(child, int | date):
            child = str(child)  # YAML reads 1763769990001 and 2026-11-27T00:00:00Z as more than text
        normal[str(key)] = _normalise(child, hints[name], where)
    return normal


def _normalise_variant(value: Any, path: str) -> Any:
    """What a variant says of itself, under the keys of `bandit` that it may change."""
    normal = _normalise(value, Variant, path)
    for name in sorted(set(normal) & set(map(key_of, NOT_FOR_VARIANTS))):
        raise ConfigurationError(f"{path}.{name}: is the same for all variants: set bandit.{name}")
    if "share" not in normal:
        raise ConfigurationError(f"{path}.share: must say the variant's share of the sessions, 0..1")
    return normal


def _takes_none(kind: Any) -> bool:
    return typing.get_origin(kind) in (types.UnionType, typing.Union) and types.NoneType in typing.get_args(kind)


def _milliseconds(text: str, where: str) -> int:
    if text.strip().isdigit():
        return int(text)
    match = DURATION.match(text)
    if match is None:
        raise ConfigurationError(
            f"{where}: {text!r} is no time; accepted: a number with ms, s, min, h or d, for example 30 min"
        )
    return round(float(match[1]) * UNITS_MS[match[2]])


def _explain(error: msgspec.ValidationError) -> str:
    message, _, path = str(error).partition(" - at `$")
    key = path.rstrip("`").lstrip(".")
    if message == "Expected `str`, got `int`":
        message += ": put it in quotes"
    return f"{key}: {message[0].lower()}{message[1:]}" if key else message


def _check_together(settings: Settings) -> None:
    """Rules that bind several keys."""
    if settings.events.allowed_lateness_ms > settings.session.ttl_ms:
        raise ConfigurationError(
            "events.allowed_lateness: must not exceed session.ttl, or a repeated event could start a session anew"
        )
    _check_redis_url(settings.redis.url)
    if settings.redis.block_max_ms + 2 * settings.redis.socket_timeout_ms > MOST_BLOCKED_MS:
        raise ConfigurationError(
            "redis.block_max: with twice redis.socket_timeout it must not exceed "
            f"{MOST_BLOCKED_MS // 1_000} s, or Flink takes a task that waits for Redis for one that hangs"
        )
    if settings.session.active_after < settings.session.warming_after:
        raise ConfigurationError("session.active_after: must be at least session.warming_after")
    if settings.overload.fewer_candidates_after_ms < settings.overload.spacing_after_ms:
        raise ConfigurationError(
            "overload.fewer_candidates_after: must be at least overload.spacing_after, which comes first"
        )
    if settings.flink.buckets is not None:
        check_buckets(settings, local_parallelism(settings))
    if bucket_count(settings) > settings.flink.max_parallelism:
        raise ConfigurationError("flink.buckets: must not exceed flink.max_parallelism, the number of key groups")
    _check_popularity(settings.popularity)
    start_mode(settings.kafka.start)
    contradiction = contradiction_in(settings.rules, settings.profile.items)
    if contradiction is not None:
        raise ConfigurationError(contradiction)
    if settings.bandit.drift == "shorten" and settings.bandit.drift_least_half_life_ms < settings.reward.window_ms:
        raise ConfigurationError(
            "bandit.drift_least_half_life: must be at least reward.window, as bandit.half_life must"
        )
    _check_bandit(settings.bandit, settings, "bandit")
    _check_variants(settings)


def _check_redis_url(url: str) -> None:
    """Refuses what redis-py would read as another address than is meant. No error holds any of it: it may be the password."""
    scheme, separator, rest = url.partition("://")
    if not url:
        return
    if not separator or scheme not in REDIS_SCHEMES:
        raise ConfigurationError("redis.url: write it as redis://host:port/db, rediss://… for TLS, or unix://path?db=0")
    if rest.startswith("/"):
        return
    login, _, address = rest.rpartition("@")
    if set(login) & NEVER_IN_LOGIN:
        raise ConfigurationError(
            "redis.url: its password has characters that must be percent-encoded (@ as %40, / as %2F, # as %23, ? as %3F); or "
            "leave it out there, and give it by redis.password_file or HELIOTROPE_REDIS_PASSWORD"
        )
    port = re.split(r"[/?#]", address, maxsplit=1)[0].rpartition("]")[2].partition(":")[2]
    if port and not (port.isdigit() and 0 < int(port) < 65_536):
        raise ConfigurationError("redis.url: the port must be a number of 1..65535; write it as redis://host:port/db")


def local_parallelism(settings: Settings) -> int:
    """The job's parallelism on the embedded stack."""
    return settings.flink.parallelism or settings.local.task_managers


def bucket_count(settings: Settings) -> int:
    """How many buckets sessions are dealt to."""
    return settings.flink.buckets or BUCKETS


def check_buckets(settings: Settings, parallelism: int) -> None:
    """Refuses more subtasks than there are buckets of sessions.

    Raises:
        ConfigurationError: some of the subtasks would have no session.
    """
    if parallelism > bucket_count(settings):
        raise ConfigurationError(
            f"flink.buckets: must be at least the parallelism, {parallelism}, or some subtasks have no sessions; "
            "fixed for the life of the state, so allow for growth"
        )


def _check_popularity(popularity: Popularity) -> None:
    slides, rest = divmod(popularity.window_ms, popularity.slide_ms)
    if rest:
        raise ConfigurationError("popularity.window: must be a multiple of popularity.slide")
    if slides > MOST_SLIDES:
        raise ConfigurationError(
            f"popularity.slide: must be at least popularity.window / {MOST_SLIDES}, or each window sums too many parts"
        )
    if popularity.tracked < popularity.top:
        raise ConfigurationError("popularity.tracked: must be at least popularity.top, which is a part of it")


def _check_variants(settings: Settings) -> None:
    bandit, total = settings.bandit, 0.0
    for name in bandit.variants:
        where = f"bandit.variants.{name}"
        if name == bandit.variant:
            raise ConfigurationError(
                f"{where}: is bandit.variant's name, which takes the sessions that are left: choose another"
            )
        try:
            variant = variant_of(bandit, name)
        except msgspec.ValidationError as error:
            raise ConfigurationError(f"{where}.{_explain(error)}") from None
        _check_bandit(variant, settings, where)
        total += variant.share
    if total > 1 + 1e-9:
        raise ConfigurationError(f"bandit.variants: their shares must sum to at most 1, not {total:g}")


def _check_bandit(bandit: Bandit, settings: Settings, where: str) -> None:
    """Rules for one variant, whose keys are found under `where`."""
    if bandit.half_life_ms is not None and bandit.half_life_ms < settings.reward.window_ms:
        raise ConfigurationError(
            f"{where}.half_life: must be at least reward.window, or rewards decay before they are known"
        )
    if bandit.form == "disjoint":
        _check_disjoint(bandit, where)
    if bandit.policy == "river":
        try:
            create(bandit.river, bandit.river_parameters)
        except RiverError as error:
            raise ConfigurationError(f"{where}.river: {error}") from None


def _check_disjoint(bandit: Bandit, where: str) -> None:
    most = most_arms(DIMENSION, PRODUCTS_LIMIT_BYTES)
    if bandit.disjoint_products > most:
        raise ConfigurationError(
            f"{where}.disjoint_products: must be at most {most}, as many models of {DIMENSION} features as a snapshot holds"
        )
    if bandit.policy == "river":
        raise ConfigurationError(f"{where}.form: must be shared for the policy river, whose models are its own")


def start_mode(start: str) -> str | int:
    """`auto`, `earliest`, `latest`, or a time in ms since the epoch from `kafka.start`.

    Raises:
        ConfigurationError: anything else.
    """
    if start in ("auto", "earliest", "latest"):
        return start
    if start.isdigit():
        return int(start)
    try:
        moment = datetime.fromisoformat(start)
    except ValueError:
        raise ConfigurationError(
            f"kafka.start: {start!r}; accepted: earliest, latest, milliseconds since the epoch, "
            "or a time such as 2026-11-27T00:00:00+00:00"
        ) from None
    if moment.tzinfo is None:
        raise ConfigurationError(
            "kafka.start: give the time with its offset from UTC, for example 2026-11-27T00:00:00+00:00"
        )
    return int(moment.timestamp() * 1_000)
