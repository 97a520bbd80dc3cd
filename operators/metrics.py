"""The one list of the job's own metrics: what each counts, in which unit, and which alert watches it.

A metric is used by its name in `operators/` or `state/`, and stands here; `tests/operators/test_metrics.py` holds the two together.
`python -m operators.metrics > docs/metrics.md` writes the page.
"""

import enum
import sys
from collections.abc import Iterator
from typing import NamedTuple

from operators.redis.errors import ADVICE, RedisTrouble
from state.events.rejection import Reason


class Kind(enum.StrEnum):
    """Way in which a metric moves."""

    COUNTER = "counter"
    """Only rises; restarts at zero with its operator, so look at its increase."""
    GAUGE = "gauge"
    """The newest value."""
    BUCKETS = "bucket counter"
    """A histogram: one counter for each bound, with the label `le`, each counting all that is not above it."""


class Metric(NamedTuple):
    """A metric: `operator` is the Flink operator that has it, `unit` what one step of it is, `alerts` the alerts that watch it."""

    name: str
    kind: Kind
    operator: str
    unit: str
    meaning: str
    alerts: tuple[str, ...] = ()


def _counters(operator: str, unit: str, *rows: tuple[str, str]) -> Iterator[Metric]:
    """Counters of one operator and unit; a row is a name and a meaning."""
    for name, meaning in rows:
        yield Metric(name, Kind.COUNTER, operator, unit, meaning)


def _gauges(operator: str, unit: str, *rows: tuple[str, str]) -> Iterator[Metric]:
    for name, meaning in rows:
        yield Metric(name, Kind.GAUGE, operator, unit, meaning)


def _dead_letters() -> Iterator[Metric]:
    """One counter for each reason."""
    for reason in Reason:
        what = "refused inputs, sent to the dead-letter topic"
        meaning = f"{what}, with the reason `{reason}`"
        if reason == Reason.NOT_STORED:
            meaning = (
                "refused inputs beyond `events.dead_letters_per_second`: counted under their reason too, but not stored"
            )
        yield Metric(f"dead_letters_{reason}", Kind.COUNTER, "session, directory, user-lists", "inputs", meaning)


def _redis_errors() -> Iterator[Metric]:
    """One counter for each trouble."""
    for trouble in RedisTrouble:
        meaning = f"failed writes to Redis, each tried again: {ADVICE[trouble]}"
        name = f"redis_errors_{trouble}"
        yield Metric(name, Kind.COUNTER, "session, popularity", "attempts", meaning)


_METRICS: tuple[Metric, ...] = (
    # --- what happens to events
    *_counters(
        "session",
        "events",
        ("events_applied", "accepted and applied to their session"),
        ("events_duplicate", "seen before: their session counts them and changes nothing else"),
        ("events_dropped", "older than all that a full session holds, or from before a consent"),
        ("events_late", "older than the allowed lateness: sent to the late topic, not applied"),
        (
            "consent_refused",
            "dead letters that were to withdraw or give consent, or to erase: what a visitor wants is not done yet",
        ),
        ("events_without_consent", "of sessions that have refused consent: not used, not kept"),
    ),
    *_counters(
        "session, directory, user-lists",
        "inputs",
        ("dead_letters", "refused inputs, whatever the reason"),
    ),
    *_dead_letters(),
    # --- sessions and their profiles
    *_counters(
        "session",
        "sessions",
        ("sessions_stored", "whose state was written; with `session_bytes_stored` their mean size"),
        ("sessions_ended", "ended after their time to live"),
        ("sessions_forgotten", "cleared by an erasure or a withdrawn consent"),
        (
            "sessions_unreadable",
            "whose state could not be read when their time came; it stays, and is tried again later",
        ),
        ("timers_failed", "whose time could not be seen to by an error of ours; tried again later"),
    ),
    *_counters(
        "session",
        "profiles",
        ("profiles_written", "written to Redis, by its answer"),
        ("profiles_stale", "not written, because what is in Redis is newer"),
        ("profiles_over_foreign", "written over a key that held no profile, of whatever type"),
        ("profiles_short_lived", "written with `redis.short_ttl`, because Redis uses most of `redis.max_bytes`"),
        ("profiles_over_budget", "of sessions of one event, not written, because Redis uses all of `redis.max_bytes`"),
        ("profiles_coalesced", "not published at once, because the last is too recent: a later one holds their events"),
        (
            "profiles_failed",
            "that could not be made by an error of ours; tried again later",
        ),
    ),
    *_counters(
        "session",
        "attempts",
        ("redis_retries", "failed writes to Redis that were tried again"),
        ("redis_redirections", "writes that a node of a cluster sent on to another"),
    ),
    Metric(
        "click_to_redis_ms",
        Kind.BUCKETS,
        "session",
        "ms",
        "from an event's Kafka time until Redis has written its profile and the answer is read (up to 20 ms after it came); an "
        "event whose profile is spaced waits for it. Besides `…_bucket` there is `…_sum`",
    ),
    Metric("call_us", Kind.BUCKETS, "session", "µs", "one call of the operator with a batch of events"),
    *_counters("session", "ms", ("click_to_redis_ms_sum", "the sum of what `click_to_redis_ms` counts")),
    *_counters("session", "µs", ("call_us_sum", "the sum of what `call_us` counts")),
    *_counters(
        "session",
        "events",
        (
            "popular_regions_folded",
            "of a region beyond `popularity.max_regions`, or of no good name: counted in the whole alone",
        ),
        (
            "popular_categories_folded",
            "likewise of a category that the catalogue does not know: `popularity.max_categories`",
        ),
    ),
    *_counters("session", "bytes", ("session_bytes_stored", "of session state written")),
    *_gauges(
        "session",
        "ms since 1970",
        ("last_answer_ms", "when Redis last took a batch of profiles"),
    ),
    *_counters(
        "session",
        "inputs",
        ("inputs_by_python", "that the compiled core left to the Python core"),
        ("core_calls_failed", "calls of the compiled core that failed: their inputs went to the Python core"),
    ),
    *_counters("session", "profiles", ("profiles_by_python", "that the compiled core left to the Python core")),
    *_redis_errors(),
    *_counters(
        "session",
        "buckets",
        ("rebuilds", "whose profiles began to be written anew, because Redis lost its data"),
        ("rebuilds_failed", "whose profiles could not be brought back by an error of ours"),
    ),
    *_counters("session", "profiles", ("profiles_rebuilt", "brought back from state after Redis lost its data")),
    *_gauges("session", "level", ("redis_memory_level", "0 roomy, 1 tight, 2 full, against `redis.max_bytes`")),
    *_gauges(
        "session",
        "bytes",
        ("redis_used_bytes", "that Redis uses in all"),
        ("redis_max_bytes", "that Redis may use by its own `maxmemory`; 0: no bound"),
    ),
    # --- overload
    *_counters("session", "changes", ("overload_entered", "rises of the overload level")),
    *_gauges(
        "session",
        "level",
        ("overload_level", "0 normal, higher while the job works off a backlog"),
    ),
    *_gauges("session", "ms", ("event_lag_ms", "age of the newest event when it is processed")),
    # --- exposures and rewards
    *_counters(
        "session",
        "exposures",
        ("exposures", "items that count as seen"),
        ("exposures_new", "of these, of products that their session had not been shown before"),
        ("exposures_explored", "of these, of items that were chosen to explore"),
        ("exposures_retracted", "implicit ones that turned out wrong"),
        ("exposures_closed_early", "that made room for newer ones before their reward window closed"),
    ),
    *_counters(
        "session",
        "impressions",
        (
            "impressions_of_unknown_decisions",
            "of a slate that is not known (any more), or of the shop's own: nothing is learned from them",
        ),
        ("impressions_of_unknown_products", "of products that their slate does not hold: nothing is learned from them"),
    ),
    *_counters(
        "session",
        "events",
        ("rewards_without_exposure", "that would be rewards, of products that were not seen before"),
    ),
    *_counters(
        "session",
        "reward / 1000",
        ("reward_milli", "rises of exposures' rewards"),
        ("penalty_milli", "falls of exposures' rewards; the mean reward is (reward - penalty) / exposures"),
    ),
    *(
        Metric(f"variant_{name}", Kind.COUNTER, "session", unit, f"as `{name}`, with the label `variant`")
        for name, unit in (
            ("exposures", "exposures"),
            ("exposures_explored", "exposures"),
            ("reward_milli", "reward / 1000"),
            ("penalty_milli", "reward / 1000"),
        )
    ),
    *_counters("session", "bundles", ("bundles_bought", "proposed bundles of which the visitor bought all")),
    # --- the catalogue
    *_counters(
        "session",
        "products",
        ("products_wanted", "asked of the directory, because an event named them"),
        ("products_left_out", "that found no room in the catalogue of the operator"),
        ("products_not_asked_for", "that found no room among those to ask for"),
    ),
    *_gauges("session", "products", ("products_held", "in the operator's catalogue")),
    *_gauges(
        "session",
        "blocks",
        ("python_blocks", "memory blocks held by Python's allocator in the TaskManager: flat under steady load"),
    ),
    *_gauges(
        "session", "‰", ("catalogue_exposed_permille", "share of the catalogue that has been shown at least once")
    ),
    *_counters(
        "directory",
        "products",
        ("products_taken", "new or changed, from the products topic"),
        ("products_unchanged", "that came again as they were"),
        ("products_asked_for", "by session operators"),
    ),
    *_counters(
        "assortment",
        "categories",
        ("categories_published", "whose list of candidates was published"),
        ("categories_incomplete", "whose list lost products and is to be filled up"),
        ("categories_refilled", "filled up from the directory"),
    ),
    # --- learning
    *_counters(
        "learner",
        "examples",
        ("examples_learned", "learned"),
        (
            "examples_refused",
            "not learned, because a number was not finite or out of range",
        ),
    ),
    *_gauges(
        "session",
        "ms since 1970",
        (
            "model_version_ms",
            "when the model that it chooses by was published; 0 before the first",
        ),
    ),
    *_counters("learner", "changes", ("drifts_detected", "changes of the mean reward that ADWIN found")),
    *_counters("learner", "models", ("river_models_too_large", "of river that did not fit a message")),
    *_counters(
        "model",
        "models",
        ("models_published", "snapshots and changes published"),
        (
            "models_incompatible",
            "records refused because their features or settings are others",
        ),
        (
            "models_unreadable",
            "records refused because they could not be read, or hold no sound model",
        ),
        (
            "models_unsound",
            "not published as no reader would take them: import one or roll back",
        ),
        (
            "models_of_base",
            "published as they were rolled back to or imported, while sessions take back more than was learned since",
        ),
        ("examination_changes", "from which on exposures below a last click are learned otherwise than before"),
    ),
    *_counters(
        "model",
        "products",
        ("products_beyond_disjoint", "beyond `bandit.disjoint_products`, without a model of their own"),
    ),
    *_gauges("model", "products", ("exposed_products", "that were exposed at all")),
    *_gauges(
        "model",
        "‰",
        ("exposure_gini_permille", "Gini index of the products' exposures: 0 all alike, 1000 one has all"),
        ("exposure_tail_permille", "share of exposures that all but the fifth exposed most have"),
    ),
    *_gauges(
        "model",
        "0 or 1",
        (
            "examination_cascade",
            "1 where exposures below a last click are not learned, by evidence (`exposure.model: auto`)",
        ),
    ),
    *_gauges(
        "model",
        "log of a ratio",
        (
            "examination_evidence",
            "of the likelihood that visitors do not look at what lies below a last click; 10 is enough",
        ),
    ),
    *_gauges(
        "model",
        "‰",
        (
            "apprentice_share_permille",
            "the model's share of the places of lists (`bandit.start: apprentice`); 1000 once it is sure",
        ),
    ),
    # --- users
    *_counters(
        "session",
        "hints",
        ("hints_taken", "what is known of a user, taken into a session"),
        ("hints_repeated", "that the session had already"),
        ("hints_unwanted", "for a session that is gone or has refused consent"),
        ("hints_forgotten", "that took a user's interests out of a session"),
        ("hints_failed", "that could not be read"),
    ),
    *_counters("users", "hints", ("hints", "sent to sessions of a known user")),
    *_counters(
        "users",
        "users",
        ("users_unknown", "who came with a session and of whom nothing is known"),
        ("users_ended", "of whom everything kept is too old"),
        ("users_forgotten", "erased"),
    ),
    *_counters(
        "users",
        "events",
        ("user_events", "learned for their user"),
        ("user_events_before_erasure", "not learned: the user was erased after them"),
        ("user_events_beyond_most", "not learned: more in one batch than are taken"),
    ),
    *_counters(
        "users",
        "lists",
        ("user_lists", "of another recommender, taken"),
        ("user_lists_before_erasure", "not taken: the user was erased after them"),
    ),
    # --- popularity, and what goes together
    *_counters(
        "popularity",
        "lists",
        ("popular_lists", "of a region that were published"),
        ("popular_lists_ended", "of regions without events"),
    ),
    *_counters(
        "popularity",
        "lists",
        ("popular_written", "of a region, written to Redis"),
        ("popular_stale", "not written: one of a later window is in Redis"),
        ("popular_over_foreign", "written over a key that held no list, of whatever type"),
        ("popular_failed", "not written: Redis took none"),
    ),
    *_counters("popularity", "attempts", ("popular_retries", "failed writes to Redis that were tried again")),
    *_counters("popularity", "moments", ("moments_ended", "of the day or season, no longer counted")),
    *_counters(
        "together",
        "lines",
        ("together_lines_counted", "of accepted events, counted for what is viewed or bought together"),
        ("together_lines_unreadable", "that could not be read"),
    ),
    *_counters("together", "pairs", ("together_pairs_left_out", "of products that found no room")),
    *_counters(
        "together",
        "products",
        ("together_products_left_out", "new ones that found no room, see `together.max_counted`"),
    ),
    *_counters(
        "together",
        "lists",
        ("together_lists_published", "of co-viewed or co-purchased products that were published"),
        ("together_lists_ended", "of products that no other goes together with any more"),
    ),
)

ALERTS: dict[str, tuple[str, ...]] = {
    "HeliotropeNoProfiles": (
        "events_applied",
        "profiles_written",
    ),
    "HeliotropeSlowProfiles": ("click_to_redis_ms",),
    "HeliotropeLagging": ("event_lag_ms",),
    "HeliotropeOverloaded": ("overload_level",),
    "HeliotropeRedisRetrying": (
        "popular_failed",
        "redis_retries",
    ),
    "HeliotropeRedisNearlyFull": (
        "redis_max_bytes",
        "redis_memory_level",
        "redis_used_bytes",
    ),
    "HeliotropeDeadLetters": (
        "dead_letters",
        "events_applied",
    ),
    "HeliotropeInternalErrors": (
        "dead_letters_internal_error",
        "hints_failed",
        "profiles_failed",
        "rebuilds_failed",
        "sessions_unreadable",
        "timers_failed",
        "together_lines_unreadable",
    ),
    "HeliotropeConsentRefused": ("consent_refused",),
    "HeliotropeLateEvents": (
        "events_applied",
        "events_late",
    ),
    "HeliotropeLearningStopped": (
        "examples_learned",
        "exposures",
        "models_published",
    ),
    "HeliotropeModelOld": (
        "examples_learned",
        "model_version_ms",
    ),
    "HeliotropeModelRefused": (
        "models_incompatible",
        "models_unreadable",
        "models_unsound",
        "river_models_too_large",
    ),
    "HeliotropeExamplesRefused": ("examples_refused",),
}
"""The metrics that each alert of docker/monitoring/rules.yml looks at."""

METRICS = tuple(m._replace(alerts=tuple(alert for alert, names in ALERTS.items() if m.name in names)) for m in _METRICS)

BESIDE: dict[str, str] = {
    "flink_jobmanager_job_uptime": "ms since the job last began to run",
    "flink_jobmanager_job_runningTime": "ms for which it has been running in all",
    "flink_jobmanager_job_allSubTasksRunningOrFinishedTime": "ms for which all of its parts have been running",
    "flink_jobmanager_job_numRestarts": "restarts since it was submitted",
    "flink_jobmanager_job_lastCheckpointCompletedTimestamp": "when the last checkpoint was complete, ms since 1970",
    "flink_jobmanager_job_lastCheckpointDuration": "ms that it took",
    "flink_jobmanager_job_lastCheckpointFullSize": "its bytes",
    "flink_jobmanager_job_numberOfFailedCheckpoints": "checkpoints that failed",
    "flink_taskmanager_job_task_operator_KafkaSourceReader_KafkaConsumer_records_lag_max": "records that a source has yet to read",
    "heliotrope_process_restarts": "restarts of each process by the supervisor of `heliotrope up`",
    "heliotrope_http_workers": "configured workers of the HTTP service; its metrics are in [serving.md](serving.md#metrics)",
    "heliotrope_http_requests_total": "requests that it has answered, by route, method and status",
    "heliotrope_profile_seconds_count": "profiles that it has given out, by source; see [delivery.md](delivery.md#metrics)",
    "heliotrope_profile_reasons_total": "those that are no fresh profile, by reason",
    "heliotrope_reader_open_breakers": "its workers whose circuit breaker before Redis is open",
    "heliotrope_push_subscribed": "its workers that hear of new profiles; see [push.md](push.md#metrics)",
    "heliotrope_track_refused_total": "batches of events that it has answered 503",
}
"""Metrics of others that alerts and the dashboard use."""

BY_NAME = {metric.name: metric for metric in METRICS}


def watched_counters(operator: str) -> list[str]:
    """Return the counters of an operator that an alert looks at: they must be there before they first count, or that count is not
    seen."""
    return [m.name for m in METRICS if m.kind == Kind.COUNTER and m.alerts and operator in m.operator.split(", ")]


PROMETHEUS_PREFIX = "flink_taskmanager_job_task_operator_"
"""Flink's, before the name of every metric of an operator."""


def prometheus_name(metric: Metric) -> str:
    """Return the name under which Prometheus has it."""
    label = "le_" if metric.kind == Kind.BUCKETS else ""
    return f"{PROMETHEUS_PREFIX}{label}{metric.name}"


HEAD = f"""# Metrics

Generated from [operators/metrics.py](../operators/metrics.py) by `python -m operators.metrics > docs/metrics.md`; do not edit.

Prometheus has each name with `{PROMETHEUS_PREFIX}` before it. Counters restart at zero with their operator: use `rate` or
`increase`. Flink's own metrics (checkpoints, restarts, Kafka's lag) come with them, see [operations.md](operations.md).
Alerts link to [runbooks.md](runbooks.md).

| name | kind | operator | unit | meaning | alerts |
|---|---|---|---|---|---|
"""


def table() -> str:
    """Return the list as `docs/metrics.md`."""
    return (
        HEAD
        + "".join(
            f"| `{m.name}` | {m.kind} | {m.operator} | {m.unit} | {m.meaning} | {', '.join(map(_link, m.alerts))} |\n"
            for m in METRICS
        )
        + beside_table()
    )


def beside_table() -> str:
    """Return what others measure, as the second table of the page."""
    rows = "".join(f"| `{name}` | {meaning} |\n" for name, meaning in BESIDE.items())
    return f"\n## Of Flink and others\n\n| name in Prometheus | meaning |\n|---|---|\n{rows}"


def _link(alert: str) -> str:
    return f"[{alert}](runbooks.md#{alert.lower()})"


if __name__ == "__main__":
    sys.stdout.write(table())
