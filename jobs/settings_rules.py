"""Rules that bind several configuration keys, and values that follow from several.

Every error names the key and what it accepts.
"""

import re
from datetime import datetime

import msgspec

from jobs.errors import ConfigurationError
from operators.redis.cluster.address import SCHEMES as CLUSTER_SCHEMES
from operators.redis.cluster.address import cluster_address
from state.choosing.merchandise import contradiction_in
from state.choosing.variants import variant_of
from state.configuration import Bandit, Popularity, Settings
from state.feature_set import DIMENSION
from state.model.disjoint import most_arms
from state.model.river.learner import RiverError, create
from state.model.snapshot_rows import PRODUCTS_LIMIT_BYTES

MOST_SLIDES = 1_440
"""Slides in a window of popularity: each window is summed anew from its slides."""
REDIS_SCHEMES = ("redis", "rediss", "unix")
NEVER_IN_LOGIN = frozenset("@/?#[] ")
MOST_BLOCKED_MS = 150_000
"""A task that waits for Redis cannot be cancelled meanwhile, and Flink ends the process of one that is not after 180 s."""
BUCKETS = 8
"""Of sessions, where the configuration says nothing."""


def explain(error: msgspec.ValidationError) -> str:
    """Say what is wrong with a value after the key that has it, as far as `error` knows the key."""
    message, _, path = str(error).partition(" - at `$")
    key = path.rstrip("`").lstrip(".")
    if message == "Expected `str`, got `int`":
        message += ": put it in quotes"
    return f"{key}: {message[0].lower()}{message[1:]}" if key else message


def check_together(settings: Settings) -> None:
    """Refuse settings of which one does not go together with another.

    Raises:
        ConfigurationError: names the key to change.
    """
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
    if not separator or scheme not in (*REDIS_SCHEMES, *CLUSTER_SCHEMES):
        raise ConfigurationError(
            "redis.url: write it as redis://host:port/db, rediss://… for TLS, unix://path?db=0, or "
            "redis+cluster://host:port,host:port for a cluster"
        )
    if rest.startswith("/"):
        return
    login, _, address = rest.rpartition("@")
    if set(login) & NEVER_IN_LOGIN:
        raise ConfigurationError(
            "redis.url: its password has characters that must be percent-encoded (@ as %40, / as %2F, # as %23, ? as %3F); or "
            "leave it out there, and give it by redis.password_file or HELIOTROPE_REDIS_PASSWORD"
        )
    if scheme in CLUSTER_SCHEMES:
        _check_cluster(url)
        return
    port = re.split(r"[/?#]", address, maxsplit=1)[0].rpartition("]")[2].partition(":")[2]
    if port and not (port.isdigit() and 0 < int(port) < 65_536):
        raise ConfigurationError("redis.url: the port must be a number of 1..65535; write it as redis://host:port/db")


def _check_cluster(url: str) -> None:
    try:
        cluster_address(url)
    except ValueError as error:
        raise ConfigurationError(f"redis.url: {error}") from None


def local_parallelism(settings: Settings) -> int:
    """Return the job's parallelism on the embedded stack."""
    return settings.flink.parallelism or settings.local.task_managers


def bucket_count(settings: Settings) -> int:
    """Return how many buckets sessions are dealt to."""
    return settings.flink.buckets or BUCKETS


def check_buckets(settings: Settings, parallelism: int) -> None:
    """Refuse more subtasks than there are buckets of sessions.

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
            raise ConfigurationError(f"{where}.{explain(error)}") from None
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
    """Return `auto`, `earliest`, `latest`, or a time in ms since the epoch from `kafka.start`.

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
