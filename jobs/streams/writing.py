"""What the job writes at its end: operators' records to the sinks."""

from typing import NamedTuple

from pyflink.datastream import DataStream
from pyflink.table import StreamTableEnvironment, Table

from jobs.streams.ends import Sinks
from state.configuration import Settings


class Written(NamedTuple):
    """Streams for the log, the model's topic and the candidate lists' topic: tables of several kinds of rows, streams of one."""

    records: Table
    directory: Table
    user_lists: Table
    snapshots: DataStream
    lists: DataStream
    partners: DataStream


def write(tables: StreamTableEnvironment, sink: str, records: DataStream) -> None:
    """Insert records, Row(key, value), into a sink of their own."""
    statements = tables.create_statement_set()
    statements.add_insert_sql(f"INSERT INTO {sink} SELECT `key`, `value` FROM {tables.from_data_stream(records)}")
    statements.attach_as_datastream()


def write_records(tables: StreamTableEnvironment, settings: Settings, sinks: Sinks, written: Written) -> None:
    """Insert the log, snapshots and what session operators know of the catalogue, in one set of statements.

    Its records are in the order of the transformations, by which the operators' uids are counted.
    """
    topics = settings.kafka.topics
    names = {
        "dead_letters": topics.dead_letters,
        "late_events": topics.late_events,
        "decisions": topics.decisions,
        "outcomes": topics.outcomes,
        "audit": topics.audit,
    }
    choose_topic = " ".join(f"WHEN '{kind}' THEN '{topic}'" for kind, topic in names.items())
    kinds = ", ".join(f"'{kind}'" for kind in names)
    records, directory, user_lists = written.records, written.directory, written.user_lists
    snapshots, lists, partners = map(tables.from_data_stream, (written.snapshots, written.lists, written.partners))
    statements = tables.create_statement_set()
    statements.add_insert_sql(
        f"""INSERT INTO {sinks.log} SELECT CASE kind {choose_topic} END, `key`, `value` FROM {records}
WHERE kind IN ({kinds})
UNION ALL SELECT '{topics.outcomes}', `key`, ENCODE(line, 'UTF-8')
FROM {records} CROSS JOIN UNNEST(SPLIT(DECODE(outcomes, 'UTF-8'), CHR(10))) AS lines (line) WHERE outcomes IS NOT NULL
UNION ALL SELECT '{topics.dead_letters}', `key`, `value` FROM {directory} WHERE kind = 'dead_letters'
UNION ALL SELECT '{topics.dead_letters}', `key`, dead_letter FROM {user_lists} WHERE dead_letter IS NOT NULL"""
    )
    statements.add_insert_sql(f"INSERT INTO {sinks.model} SELECT `key`, `value` FROM {snapshots}")
    statements.add_insert_sql(
        f"""INSERT INTO {sinks.candidate_lists} SELECT `key`, `value` FROM {lists}
UNION ALL SELECT `key`, `value` FROM {partners}
UNION ALL SELECT `key`, `value` FROM {directory} WHERE kind = 'candidate_lists'"""
    )
    statements.attach_as_datastream()
