"""The forms in which what is read reaches the session operator, the learner and the model.

Reading, keys, time and watermarks stay in the JVM: that is two to three times as fast as the same in Python.
"""

from pyflink.common import Types
from pyflink.datastream import DataStream
from pyflink.table import StreamTableEnvironment, Table

from jobs.flink.payloads import by_session, read_event_time
from jobs.flink.sql import RECORD_MS, interval, remainder
from jobs.settings_rules import bucket_count
from jobs.streams.ends import Source
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
from state.choosing.variants import conditions_by_key
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
RECORD_TYPE = Types.ROW([BYTES, BYTES, Types.INT(), Types.LONG(), Types.LONG()])
"""Row(payload, origin key, partition, offset, record_ms)."""
INPUT_TYPE = Types.ROW([Types.INT(), Types.STRING(), BYTES, BYTES, Types.INT(), Types.LONG(), Types.LONG()])
"""Row(bucket, session, payload, origin key, partition, offset, record_ms)."""
REFERENCE_TYPE = Types.ROW([Types.STRING(), BYTES, BYTES, Types.INT(), Types.LONG(), Types.LONG()])
"""Row(kind, key, value, partition, offset, record_ms)."""
EXAMPLE_TYPE = Types.ROW([Types.STRING(), Types.OBJECT_ARRAY(BYTES)])
"""Row(shard, messages)."""

KEYLESS_SPREAD = 1_024
"""Names that events without a session are spread over."""


def events_stream(tables: StreamTableEnvironment, settings: Settings, source: Source) -> DataStream:
    """Return events as INPUT_TYPE, each in the bucket of the JSON's session_id. What has no session is spread over the buckets."""
    records = tables.sql_query(
        f"SELECT payload, origin_key, `partition`, `offset`, {RECORD_MS} AS record_ms FROM {source.events}"
    )
    stream = tables.to_append_stream(records, RECORD_TYPE)
    if source.is_kafka:
        events, delay_ms = settings.events, settings.popularity.allowed_lateness_ms
        read_event_time(stream, "payload", events.max_future_ms, delay_ms, events.idle_timeout_ms)
    return by_session(stream, bucket_count(settings), KEYLESS_SPREAD, INPUT_TYPE)


def bucket_of(session: str, settings: Settings) -> str:
    """Return the number of a session's bucket, as `jobs/flink/SessionKey.java` does. The upper bits of the hash: the lower ones of
    Java's are much alike for ids that are."""
    return f"CAST({remainder(f'HASH_CODE({session}) / 8191', bucket_count(settings))} AS INT)"


def reference_stream(tables: StreamTableEnvironment, source: Source) -> DataStream:
    """Return what is broadcast to the session operators, as REFERENCE_TYPE."""
    parts = (
        (MODEL_RECORD, source.model),
        (BUNDLE_RECORD, source.bundles),
        (CANDIDATES_RECORD, source.candidate_lists),
        (POPULARITY_RECORD, source.popularity),
    )
    queries = [
        f"SELECT '{kind}' AS kind, origin_key, payload, `partition`, `offset`, {RECORD_MS} AS record_ms FROM {table}"
        for kind, table in parts
    ]
    return tables.to_append_stream(tables.sql_query(" UNION ALL ".join(queries)), REFERENCE_TYPE)


def examples_stream(tables: StreamTableEnvironment, settings: Settings, records: Table) -> DataStream:
    """Return the learner's messages of the session operator's records, as EXAMPLE_TYPE: by shard, all of half a publish
    interval."""
    examples = tables.sql_query(f"SELECT shard, examples AS message, arrived FROM {records} WHERE examples IS NOT NULL")
    half = interval(settings.bandit.publish_interval_ms // 2)
    gathered = tables.sql_query(
        f"""SELECT shard, ARRAY_AGG(message) AS messages FROM TABLE(TUMBLE(TABLE {examples}, DESCRIPTOR(arrived), {half}))
GROUP BY shard, window_start, window_end"""
    )
    return tables.to_append_stream(gathered, EXAMPLE_TYPE)


def model_stream(tables: StreamTableEnvironment, settings: Settings, records: Table) -> DataStream:
    """Return snapshots, changes and commands of the model's topic for the model operator, as UPDATE_TYPE."""
    model_of: dict[str, str] = {}
    for name, conditions in conditions_by_key(settings).items():
        live, command = (
            key_of_model(key, conditions.variant, settings.bandit.variant) for key in (MODEL_KEY, COMMAND_KEY)
        )
        model_of |= {key.decode(): name for key in (live, live + CHANGE_SUFFIX, command)}
    keys = ", ".join(f"'{key}'" for key in model_of)
    models = " ".join(f"WHEN '{key}' THEN CAST('{name}' AS STRING)" for key, name in model_of.items())
    # A shard's update comes from the learner alone: a record that looks like one is handed on as bytes that cannot be read.
    is_update = f"SUBSTRING(DECODE(payload, 'ISO-8859-1'), 1, 1) = '{UPDATE_MARK.decode()}'"
    query = f"""SELECT CASE DECODE(origin_key, 'UTF-8') {models} END AS model,
  CASE WHEN {is_update} THEN ENCODE('?', 'UTF-8') ELSE payload END AS payload FROM {records}
WHERE payload IS NOT NULL AND DECODE(origin_key, 'UTF-8') IN ({keys})"""
    return tables.to_append_stream(tables.sql_query(query), UPDATE_TYPE)
