"""Users: their events and lists to what is kept of them, and hints back to their sessions."""

from pyflink.common import Types
from pyflink.datastream import DataStream
from pyflink.table import StreamTableEnvironment, Table

from jobs.flink.sql import RECORD_MS, interval
from jobs.streams.tables import BYTES, INPUT_TYPE, bucket_of
from operators.names import HINT_PARTITION
from state.configuration import Settings

USER_LIST_RECORD_TYPE = Types.ROW([BYTES, BYTES, Types.INT(), Types.LONG(), Types.LONG()])
"""Row(key, value, partition, offset, record_ms)."""
MESSAGES_TYPE = Types.ROW([Types.STRING(), Types.OBJECT_ARRAY(Types.STRING())])
"""Row(user, messages)."""

_USER = "SPLIT_INDEX(accepted, CHR(31), 5)"


def hints_stream(tables: StreamTableEnvironment, settings: Settings, hints: Table) -> DataStream:
    """Return hints in the events' form, INPUT_TYPE, told from events by their partition."""
    inputs = tables.sql_query(
        f"""SELECT {bucket_of("session", settings)} AS bucket, session, payload, origin_key,
  {HINT_PARTITION} - `partition` AS `partition`, `offset`, {RECORD_MS} AS record_ms
FROM (SELECT *, COALESCE(DECODE(origin_key, 'UTF-8'), '') AS session FROM {hints})"""
    )
    return tables.to_append_stream(inputs, INPUT_TYPE)


def user_lists_stream(tables: StreamTableEnvironment, user_lists: Table) -> DataStream:
    """Return records of the users' lists as USER_LIST_RECORD_TYPE."""
    lists = tables.sql_query(
        f"SELECT origin_key, payload, `partition`, `offset`, {RECORD_MS} AS record_ms FROM {user_lists}"
    )
    return tables.to_append_stream(lists, USER_LIST_RECORD_TYPE)


def lists_as_messages(tables: StreamTableEnvironment, listed: Table) -> DataStream:
    """Return lists of users, a table of USER_LIST_TYPE, as MESSAGES_TYPE."""
    messages = tables.sql_query(
        f"SELECT user_hash, ARRAY[message] AS messages FROM {listed} WHERE user_hash IS NOT NULL"
    )
    return tables.to_append_stream(messages, MESSAGES_TYPE)


def user_messages_stream(tables: StreamTableEnvironment, settings: Settings, records: Table) -> DataStream:
    """Return what the session operator's records say of users, as MESSAGES_TYPE.

    Accepted events are gathered by user; who met or is to forget somebody does not wait.
    """
    user_events = tables.sql_query(
        f"""SELECT {_USER} AS user_hash, accepted AS message, arrived FROM {records}
WHERE accepted IS NOT NULL AND {_USER} <> ''"""
    )
    messages = tables.sql_query(
        f"""SELECT user_hash, ARRAY_AGG(message) AS messages
FROM TABLE(TUMBLE(TABLE {user_events}, DESCRIPTOR(arrived), {interval(settings.users.gather_ms)}))
GROUP BY user_hash, window_start, window_end
UNION ALL SELECT DECODE(`key`, 'UTF-8'), ARRAY[DECODE(`value`, 'UTF-8')] FROM {records} WHERE kind = 'user'"""
    )
    return tables.to_append_stream(messages, MESSAGES_TYPE)
