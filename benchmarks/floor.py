"""The floor of the engine: the job's source, keyed as the job keys, and one value of state read and written in Python per event.

Run by `benchmarks.throughput` like the job itself: flink run -py benchmarks/floor.py --config FILE --set KEY=VALUE
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pyflink.common import Types
from pyflink.datastream import KeyedProcessFunction, RuntimeContext
from pyflink.datastream.state import ValueStateDescriptor
from pyflink.java_gateway import get_gateway
from pyflink.table import StreamTableEnvironment

from jobs.flink.jvm import flush_after, keyed_in_jvm
from jobs.flink.sql import RECORD_MS
from jobs.personalize import environment_for
from jobs.settings import load_settings
from jobs.streams.kafka import events_table
from jobs.streams.tables import BYTES, KEYLESS_SPREAD

OPERATOR = "floor"
EVENT_TYPE = Types.ROW([Types.STRING(), Types.ROW([BYTES, BYTES, Types.INT(), Types.LONG(), Types.LONG()])])
"""Row(session, Row(payload, origin key, partition, offset, record_ms))."""

SESSION_KEY = (
    "COALESCE(JSON_VALUE(CAST(payload AS STRING), '$.session_id'), "
    f"CONCAT(CHR(0), CAST(MOD(`offset`, {KEYLESS_SPREAD}) AS STRING)))"
)
FLUSHED_AFTER_MS = 2
"""Events go to the operator one by one, so each must not be sent by itself."""


class Floor(KeyedProcessFunction):  # type: ignore[misc]
    """Keeps the newest payload of each session, and emits nothing."""

    def open(self, runtime_context: RuntimeContext) -> None:
        """Finds the state."""
        self._value = runtime_context.get_state(ValueStateDescriptor("value", Types.PICKLED_BYTE_ARRAY()))

    def process_element(self, value: Any, ctx: Any) -> Iterator[str]:
        """Reads and writes one value."""
        self._value.value()
        self._value.update(value[0])
        yield from ()


def main() -> None:
    """Submits the job."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path)
    settings = load_settings(parser.parse_args().config, ())
    environment = environment_for(settings)
    tables = StreamTableEnvironment.create(environment)
    keyed = tables.sql_query(
        f"""SELECT {SESSION_KEY} AS k, ROW(payload, origin_key, `partition`, `offset`, {RECORD_MS}) AS v
FROM {events_table(tables, settings)}"""
    )
    events = tables.to_append_stream(keyed, EVENT_TYPE)
    flush_after(events, FLUSHED_AFTER_MS)
    nothing = keyed_in_jvm(events).process(Floor(), Types.STRING()).name(OPERATOR).uid(OPERATOR)
    sink = get_gateway().jvm.org.apache.flink.streaming.api.functions.sink.v2.DiscardingSink()
    nothing._j_data_stream.sinkTo(sink)
    environment.execute("heliotrope-floor")


if __name__ == "__main__":
    main()
