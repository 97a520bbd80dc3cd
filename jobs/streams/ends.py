"""The ends of the job: the tables that it reads and writes, given to `build_graph` so that a test can pass its own."""

from collections.abc import Callable
from typing import NamedTuple

from pyflink.table import StreamTableEnvironment, Table

from operators.redis.writers import REDIS, Writers
from state.configuration import Settings


class Source(NamedTuple):
    """The tables that the job reads, of records as Kafka has them.

    Each has the columns origin_key BYTES, payload BYTES, `partition` INT, `offset` BIGINT and record_time TIMESTAMP_LTZ(3). The
    events have event time as `rowtime`, and products have processing time as `arrived`.

    Attributes:
        is_kafka: the events' source is Kafka's, and event time is taken from the payload as `events_table` has it.
    """

    events: Table
    products: Table
    bundles: Table
    user_lists: Table
    model: Table
    candidate_lists: Table
    popularity: Table
    hints: Table
    is_kafka: bool = False


class Sinks(NamedTuple):
    """The paths of the tables that the job inserts into, and the makers of what writes to Redis.

    `log` takes rows of (topic STRING, k BYTES, v BYTES): dead letters, late events, decisions, outcomes and audit records. The
    others take records of one topic each, as (k BYTES, v BYTES).
    """

    log: str
    model: str
    candidate_lists: str
    hints: str
    popularity: str
    writers: Writers = REDIS


OpenSource = Callable[[StreamTableEnvironment, Settings], Source]
OpenSinks = Callable[[StreamTableEnvironment, Settings], Sinks]
"""The ends are opened in the table environment of the graph, because a table belongs to one."""
