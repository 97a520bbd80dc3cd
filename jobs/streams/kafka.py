"""The job's ends in Kafka. State is found by the sources' table names, so a name is never changed."""

from pyflink.table import StreamTableEnvironment, Table

from jobs.flink.sql import METADATA, interval, options, sink_options, source_options
from jobs.settings_rules import start_mode
from jobs.streams.ends import Sinks, Source
from state.configuration import Settings

LOG_LINGER_MS = 200
LOG_BATCH_BYTES = 262_144
"""Log records are seen when a checkpoint commits them: until then they may wait for each other, and cost fewer requests."""
_TIMESTAMP = "TRY_CAST(JSON_VALUE(CAST(payload AS STRING), '$.timestamp') AS BIGINT)"
_NOW_MS = "UNIX_TIMESTAMP() * 1000"


def kafka_source(tables: StreamTableEnvironment, settings: Settings) -> Source:
    """Create the tables of all topics that the job reads: the compacted ones always from the beginning."""
    topics = settings.kafka.topics

    def compacted(name: str, topic: str, computed: str = "") -> Table:
        return _source_table(tables, name, source_options(settings, topic, "earliest"), computed)

    return Source(
        events=events_table(tables, settings),
        products=compacted("products", topics.products, ", arrived AS PROCTIME()"),
        bundles=compacted("bundles", topics.bundles),
        user_lists=compacted("user_lists", topics.user_lists),
        model=compacted("bandit_model_in", topics.bandit_model),
        candidate_lists=compacted("candidate_lists_in", topics.candidate_lists),
        popularity=compacted("popularity_in", topics.popularity),
        hints=_hints_table(tables, settings),
        is_kafka=True,
    )


def kafka_sinks(tables: StreamTableEnvironment, settings: Settings) -> Sinks:
    """Create the tables of all topics that the job writes.

    Records of the log are written exactly once, in one transaction per checkpoint. The others are written at once and outside of
    transactions, because one that comes twice changes nothing.
    """
    topics = settings.kafka.topics
    log = (topics.dead_letters, topics.late_events, topics.decisions, topics.outcomes, topics.audit)
    transactions = {
        "sink.delivery-guarantee": "exactly-once",
        "sink.transactional-id-prefix": settings.kafka.transactional_id_prefix,
        "properties.transaction.timeout.ms": str(settings.kafka.transaction_timeout_ms),
        "properties.linger.ms": str(LOG_LINGER_MS),
        "properties.batch.size": str(LOG_BATCH_BYTES),
    }
    written = sink_options(settings, ";".join(log)) | transactions
    tables.execute_sql(
        f"CREATE TEMPORARY TABLE log_topics (topic STRING METADATA, k BYTES, v BYTES) WITH ({options(written)})"
    )
    return Sinks(
        log="log_topics",
        model=_plain_sink(tables, settings, "bandit_model_out", topics.bandit_model),
        candidate_lists=_plain_sink(tables, settings, "candidate_lists_out", topics.candidate_lists),
        hints=_plain_sink(tables, settings, "session_hints_out", topics.session_hints),
        popularity=_plain_sink(tables, settings, "popularity_out", topics.popularity),
    )


def events_table(tables: StreamTableEnvironment, settings: Settings) -> Table:
    """Create the events' table.

    Event time is the event's timestamp, never ahead of the clock. An event without a valid one does not move the watermark. The job
    reads it by `jobs/flink/EventTime.java` instead, which says the same and costs less.
    """
    events = settings.events
    found = source_options(settings, settings.kafka.topics.user_interactions, start_mode(settings.kafka.start))
    event_time = f""",
  rowtime AS TO_TIMESTAMP_LTZ(CASE WHEN {_TIMESTAMP} BETWEEN 1 AND {_NOW_MS} + {events.max_future_ms}
    THEN LEAST({_TIMESTAMP}, {_NOW_MS}) ELSE 0 END, 3),
  WATERMARK FOR rowtime AS rowtime - {interval(settings.popularity.allowed_lateness_ms)}"""
    found |= {"scan.watermark.idle-timeout": f"{events.idle_timeout_ms} ms"}
    return _source_table(tables, "user_interactions", found, event_time)


def _hints_table(tables: StreamTableEnvironment, settings: Settings) -> Table:
    """Create the hints' table.

    A first job reads from the beginning, which is an hour's at most, so it misses none that it brings about before its source
    has started. Another goes on where the last one's checkpoint left off: what came since belongs to sessions that it knows.
    """
    found = source_options(settings, settings.kafka.topics.session_hints, "earliest") | {
        "scan.startup.mode": "group-offsets",
        "properties.auto.offset.reset": "earliest",
    }
    return _source_table(tables, "session_hints_in", found)


def _source_table(tables: StreamTableEnvironment, name: str, found: dict[str, str], computed: str = "") -> Table:
    """Create a table of raw records, with more columns if any are computed, and return it."""
    tables.execute_sql(
        f"CREATE TEMPORARY TABLE {name} (origin_key BYTES, payload BYTES, {METADATA}{computed}) WITH ({options(found)})"
    )
    return tables.from_path(name)


def _plain_sink(tables: StreamTableEnvironment, settings: Settings, name: str, topic: str) -> str:
    """Create a table (k, v) that writes to the topic at least once, and return its path."""
    sink = sink_options(settings, topic) | {"sink.delivery-guarantee": "at-least-once"}
    tables.execute_sql(f"CREATE TEMPORARY TABLE {name} (k BYTES, v BYTES) WITH ({options(sink)})")
    return name
