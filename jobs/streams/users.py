"""Users in Kafka, as SQL tables: their events and lists to what is kept of them, and hints back to their sessions."""

from pyflink.common import Types
from pyflink.datastream import DataStream
from pyflink.table import StreamTableEnvironment

from jobs.flink.sql import METADATA, RECORD_MS, create_plain_sink, interval, options, source_options
from jobs.streams.tables import BYTES, INPUT_TYPE, bucket_of
from operators.names import HINT_PARTITION
from state.configuration import Settings

USER_LIST_RECORD_TYPE = Types.ROW([BYTES, BYTES, Types.INT(), Types.LONG(), Types.LONG()])
"""Row(key, value, partition, offset, record_ms)."""
MESSAGES_TYPE = Types.ROW([Types.STRING(), Types.OBJECT_ARRAY(Types.STRING())])
"""Row(user, messages)."""

_USER = "SPLIT_INDEX(f6, CHR(31), 5)"


def hints_stream(tables: StreamTableEnvironment, settings: Settings) -> DataStream:
    """Hints in the events' form, INPUT_TYPE, told from events by their partition.

    A first job reads from the beginning, which is an hour's at most, so it misses none that it brings about before its source
    has started; another goes on where the last one's checkpoint left off, as what came since belongs to sessions that it knows.
    """
    group_offsets = source_options(settings, settings.kafka.topics.session_hints, "earliest") | {
        "scan.startup.mode": "group-offsets",
        "properties.auto.offset.reset": "earliest",
    }
    tables.execute_sql(
        f"CREATE TEMPORARY TABLE session_hints_in (origin_key BYTES, payload BYTES, {METADATA}) WITH ({options(group_offsets)})"
    )
    hints = tables.sql_query(
        f"""SELECT {bucket_of("session", settings)}, session, payload, origin_key,
  {HINT_PARTITION} - `partition`, `offset`, {RECORD_MS}
FROM (SELECT *, COALESCE(DECODE(origin_key, 'UTF-8'), '') AS session FROM session_hints_in)"""
    )
    return tables.to_append_stream(hints, INPUT_TYPE)


def user_lists_stream(tables: StreamTableEnvironment, settings: Settings) -> DataStream:
    """Records of the users' lists as USER_LIST_RECORD_TYPE, from the beginning: the topic is compacted."""
    source = options(source_options(settings, settings.kafka.topics.user_lists, "earliest"))
    tables.execute_sql(
        f"CREATE TEMPORARY TABLE user_lists (origin_key BYTES, payload BYTES, {METADATA}) WITH ({source})"
    )
    lists = tables.sql_query(f"SELECT origin_key, payload, `partition`, `offset`, {RECORD_MS} FROM user_lists")
    return tables.to_append_stream(lists, USER_LIST_RECORD_TYPE)


def lists_as_messages(tables: StreamTableEnvironment, lists: DataStream) -> DataStream:
    """What became of the lists, USER_LIST_TYPE, as MESSAGES_TYPE; its dead letters are left in the view `user_list_records`."""
    tables.create_temporary_view("user_list_records", lists)
    messages = tables.sql_query("SELECT f0, ARRAY[f1] FROM user_list_records WHERE f0 IS NOT NULL")
    return tables.to_append_stream(messages, MESSAGES_TYPE)


def user_messages_stream(tables: StreamTableEnvironment, settings: Settings) -> DataStream:
    """What the session operator tells of users in the view `records`, as MESSAGES_TYPE.

    Accepted events are gathered by user; who met or is to forget somebody does not wait.
    """
    tables.create_temporary_view(
        "user_events",
        tables.sql_query(
            f"SELECT {_USER} AS user_hash, f6 AS message, arrived FROM records WHERE f6 IS NOT NULL AND {_USER} <> ''"
        ),
    )
    messages = tables.sql_query(
        f"""SELECT user_hash, ARRAY_AGG(message) AS messages
FROM TABLE(TUMBLE(TABLE user_events, DESCRIPTOR(arrived), {interval(settings.users.gather_ms)}))
GROUP BY user_hash, window_start, window_end
UNION ALL SELECT DECODE(f1, 'UTF-8'), ARRAY[DECODE(f2, 'UTF-8')] FROM records WHERE f0 = 'user'"""
    )
    return tables.to_append_stream(messages, MESSAGES_TYPE)


def write_hints(tables: StreamTableEnvironment, settings: Settings, hints: DataStream) -> None:
    """Hints to their topic, at once and outside of transactions: one that comes twice changes nothing."""
    create_plain_sink(tables, settings, "session_hints_out", settings.kafka.topics.session_hints)
    tables.create_temporary_view("hints", hints)
    statements = tables.create_statement_set()
    statements.add_insert_sql("INSERT INTO session_hints_out SELECT f0, f1 FROM hints")
    statements.attach_as_datastream()
