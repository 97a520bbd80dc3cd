"""The job's ends in Kafka, as SQL tables: what is read, in which form it reaches the operators, and what is written.

Reading, keys, time and watermarks stay in the JVM: that is two to three times as fast as the same in Python.
"""

from pyflink.common import Types
from pyflink.datastream import DataStream
from pyflink.table import StreamTableEnvironment

from jobs.flink.sql import (
    METADATA,
    RECORD_MS,
    create_plain_sink,
    interval,
    options,
    remainder,
    sink_options,
    source_options,
)
from jobs.settings import bucket_count, start_mode
from operators.model.learner import UPDATE_TYPE
from operators.names import (
    BUNDLE_RECORD,
    CANDIDATES_RECORD,
    CHANGE_SUFFIX,
    COMMAND_KEY,
    MODEL_KEY,
    MODEL_RECORD,
    POPULARITY_RECORD,
    key_of_model,
)
from state.choosing.variants import terms_by_key
from state.configuration import Settings
from state.model.model_input import UPDATE_MARK

BYTES = Types.PRIMITIVE_ARRAY(Types.BYTE())
BATCH_TYPE = Types.ROW(
    [
        Types.OBJECT_ARRAY(Types.STRING()),
        Types.OBJECT_ARRAY(BYTES),
        Types.OBJECT_ARRAY(BYTES),
        Types.STRING(),
    ]
)
"""Row(sessions, payloads, origin keys, places): inputs in the order of arrival; a place is `partition offset record_ms `."""
KEYED_BATCH_TYPE = Types.ROW([Types.STRING(), BATCH_TYPE])
INPUT_TYPE = Types.ROW([Types.INT(), Types.STRING(), BYTES, BYTES, Types.INT(), Types.LONG(), Types.LONG()])
"""Row(bucket, session, payload, origin key, partition, offset, record_ms)."""
REFERENCE_TYPE = Types.ROW([Types.STRING(), BYTES, BYTES, Types.INT(), Types.LONG(), Types.LONG()])
"""Row(kind, key, value, partition, offset, record_ms)."""
EXAMPLE_TYPE = Types.ROW([Types.STRING(), Types.OBJECT_ARRAY(BYTES)])
"""Row(shard, messages)."""

KEYLESS_SPREAD = 1_024
LOG_LINGER_MS = 200
LOG_BATCH_BYTES = 262_144
"""Log records are seen when a checkpoint commits them: until then they may wait for each other, and cost fewer requests."""
_TEXT = "CAST(payload AS STRING)"
SESSION_KEY = (
    f"COALESCE(JSON_VALUE({_TEXT}, '$.session_id'), CONCAT(CHR(0), CAST(MOD(`offset`, {KEYLESS_SPREAD}) AS STRING)))"
)
_TIMESTAMP = f"TRY_CAST(JSON_VALUE({_TEXT}, '$.timestamp') AS BIGINT)"
_NOW_MS = "UNIX_TIMESTAMP() * 1000"


def events_stream(tables: StreamTableEnvironment, settings: Settings) -> DataStream:
    """Events as INPUT_TYPE, each in the bucket of the JSON's session_id. What has no session is spread over the buckets."""
    create_events_table(tables, settings)
    events = tables.sql_query(
        f"""SELECT {bucket_of("session", settings)}, session, payload, origin_key, `partition`, `offset`, {RECORD_MS}
FROM (SELECT *, {SESSION_KEY} AS session FROM user_interactions)"""
    )
    return tables.to_append_stream(events, INPUT_TYPE)


def create_events_table(tables: StreamTableEnvironment, settings: Settings) -> None:
    """The table `user_interactions`.

    Event time is the event's timestamp, never ahead of the clock; what has no valid one does not move the watermark.
    """
    topics, events = settings.kafka.topics, settings.events
    tables.execute_sql(
        f"""CREATE TEMPORARY TABLE user_interactions (
  origin_key BYTES, payload BYTES, {METADATA},
  rowtime AS TO_TIMESTAMP_LTZ(CASE WHEN {_TIMESTAMP} BETWEEN 1 AND {_NOW_MS} + {events.max_future_ms}
    THEN LEAST({_TIMESTAMP}, {_NOW_MS}) ELSE 0 END, 3),
  WATERMARK FOR rowtime AS rowtime - {interval(settings.popularity.allowed_lateness_ms)}
) WITH ({options(source_options(settings, topics.user_interactions, start_mode(settings.kafka.start)))},
  'scan.watermark.idle-timeout' = '{events.idle_timeout_ms} ms')"""
    )


def bucket_of(session: str, settings: Settings) -> str:
    """The number of a session's bucket. The upper bits of the hash: the lower ones of Java's are much alike for ids that are."""
    return f"CAST({remainder(f'HASH_CODE({session}) / 8191', bucket_count(settings))} AS INT)"


def reference_stream(tables: StreamTableEnvironment, settings: Settings) -> DataStream:
    """What is broadcast to the session operators as REFERENCE_TYPE, always from the beginning: all these topics are compacted."""
    topics = settings.kafka.topics
    parts = []
    for name, topic, kind in (
        ("bandit_model_in", topics.bandit_model, MODEL_RECORD),
        ("bundles", topics.bundles, BUNDLE_RECORD),
        ("candidate_lists_in", topics.candidate_lists, CANDIDATES_RECORD),
        ("popularity_in", topics.popularity, POPULARITY_RECORD),
    ):
        tables.execute_sql(
            f"""CREATE TEMPORARY TABLE {name} (origin_key BYTES, payload BYTES, {METADATA})
WITH ({options(source_options(settings, topic, "earliest"))})"""
        )
        parts.append(
            f"SELECT '{kind}' AS kind, origin_key, payload, `partition`, `offset`, {RECORD_MS} AS record_ms FROM {name}"
        )
    return tables.to_append_stream(tables.sql_query(" UNION ALL ".join(parts)), REFERENCE_TYPE)


def create_products_table(tables: StreamTableEnvironment, settings: Settings) -> None:
    """The table `products`, always from the beginning, with `arrived` as processing time."""
    tables.execute_sql(
        f"""CREATE TEMPORARY TABLE products (origin_key BYTES, payload BYTES, {METADATA}, arrived AS PROCTIME())
WITH ({options(source_options(settings, settings.kafka.topics.products, "earliest"))})"""
    )


def examples_stream(tables: StreamTableEnvironment, settings: Settings) -> DataStream:
    """The learner's messages out of the view `records`, as EXAMPLE_TYPE: by shard, all of half a publish interval."""
    tables.create_temporary_view(
        "examples", tables.sql_query("SELECT f4 AS shard, f5 AS message, arrived FROM records WHERE f5 IS NOT NULL")
    )
    half = interval(settings.bandit.publish_interval_ms // 2)
    examples = tables.sql_query(
        f"""SELECT shard, ARRAY_AGG(message) AS messages FROM TABLE(TUMBLE(TABLE examples, DESCRIPTOR(arrived), {half}))
GROUP BY shard, window_start, window_end"""
    )
    return tables.to_append_stream(examples, EXAMPLE_TYPE)


def model_stream(tables: StreamTableEnvironment, settings: Settings) -> DataStream:
    """Snapshots, changes and commands of the model's topic for the model operator, as UPDATE_TYPE.

    The table is `reference_stream`'s.
    """
    model_of: dict[str, str] = {}
    for name, terms in terms_by_key(settings).items():
        live, command = (key_of_model(key, terms.variant, settings.bandit.variant) for key in (MODEL_KEY, COMMAND_KEY))
        model_of |= {key.decode(): name for key in (live, live + CHANGE_SUFFIX, command)}
    keys = ", ".join(f"'{key}'" for key in model_of)
    models = " ".join(f"WHEN '{key}' THEN CAST('{name}' AS STRING)" for key, name in model_of.items())
    # A shard's update comes from the learner alone: a record that looks like one is handed on as bytes that cannot be read.
    is_update = f"SUBSTRING(DECODE(payload, 'ISO-8859-1'), 1, 1) = '{UPDATE_MARK.decode()}'"
    query = f"""SELECT CASE DECODE(origin_key, 'UTF-8') {models} END AS model,
  CASE WHEN {is_update} THEN ENCODE('?', 'UTF-8') ELSE payload END AS payload FROM bandit_model_in
WHERE payload IS NOT NULL AND DECODE(origin_key, 'UTF-8') IN ({keys})"""
    return tables.to_append_stream(tables.sql_query(query), UPDATE_TYPE)


def write_records(
    tables: StreamTableEnvironment,
    settings: Settings,
    snapshots: DataStream,
    lists: DataStream,
    companions: DataStream,
) -> None:
    """Records to their topics, exactly once in one transaction per checkpoint; snapshots, lists of candidates and of companions at
    once, outside of transactions."""
    topics = settings.kafka.topics
    names = {
        "dead_letters": topics.dead_letters,
        "late_events": topics.late_events,
        "decisions": topics.decisions,
        "outcomes": topics.outcomes,
        "audit": topics.audit,
    }
    tables.execute_sql(
        f"""CREATE TEMPORARY TABLE log_topics (topic STRING METADATA, k BYTES, v BYTES) WITH ({
            options(
                sink_options(settings, ";".join(names.values()))
                | {
                    "sink.delivery-guarantee": "exactly-once",
                    "sink.transactional-id-prefix": settings.kafka.transactional_id_prefix,
                    "properties.transaction.timeout.ms": str(settings.kafka.transaction_timeout_ms),
                    "properties.linger.ms": str(LOG_LINGER_MS),
                    "properties.batch.size": str(LOG_BATCH_BYTES),
                }
            )
        })"""
    )
    create_plain_sink(tables, settings, "bandit_model_out", topics.bandit_model)
    tables.create_temporary_view("snapshots", snapshots)
    create_plain_sink(tables, settings, "candidate_lists_out", topics.candidate_lists)
    tables.create_temporary_view("candidate_lists", lists)
    tables.create_temporary_view("companions", companions)
    choose_topic = " ".join(f"WHEN '{kind}' THEN '{topic}'" for kind, topic in names.items())
    kinds = ", ".join(f"'{kind}'" for kind in names)
    statements = tables.create_statement_set()
    statements.add_insert_sql(
        f"""INSERT INTO log_topics SELECT CASE f0 {choose_topic} END, f1, f2 FROM records
WHERE f0 IN ({kinds})
UNION ALL SELECT '{topics.outcomes}', f1, ENCODE(line, 'UTF-8')
FROM records CROSS JOIN UNNEST(SPLIT(DECODE(f3, 'UTF-8'), CHR(10))) AS lines (line) WHERE f3 IS NOT NULL
UNION ALL SELECT '{topics.dead_letters}', f3, f4 FROM directory_records WHERE f2 = 'dead_letters'
UNION ALL SELECT '{topics.dead_letters}', f2, f3 FROM user_list_records WHERE f3 IS NOT NULL"""
    )
    statements.add_insert_sql("INSERT INTO bandit_model_out SELECT f0, f1 FROM snapshots")
    statements.add_insert_sql(
        """INSERT INTO candidate_lists_out SELECT f0, f1 FROM candidate_lists UNION ALL SELECT f0, f1 FROM companions
UNION ALL SELECT f3, f4 FROM directory_records WHERE f2 = 'candidate_lists'"""
    )
    statements.attach_as_datastream()
