"""The session operator's Java half around a function that writes down what it sees: run by `test_crossing.py`.

Arguments: the state backend and whether its changes go to a log. Prints what was found as one line of JSON.
"""

import json
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pyflink.common import Configuration, Row, Types
from pyflink.datastream import KeyedBroadcastProcessFunction, RuntimeContext, StreamExecutionEnvironment
from pyflink.datastream.state import MapStateDescriptor
from pyflink.java_gateway import get_gateway
from pyflink.table import StreamTableEnvironment

from jobs.flink.batches import gathered, in_batches
from jobs.flink.jvm import always_idle, evenly_spread_keys, keyed_in_jvm
from jobs.streams.tables import INPUT_TYPE, KEYED_BATCH_TYPE
from operators.named_state import NamedState, calls_of, drain_map
from operators.session.batch import read_batch
from operators.session.outbox import OUTPUT_TYPE

EVENTS, SESSIONS, BUCKETS = 6_000, 7, 3
SLOW_CALLS_S = 0.002
"""So that inputs wait for the thread."""
REFERENCE = MapStateDescriptor("reference", Types.STRING(), Types.PICKLED_BYTE_ARRAY())

# What `Hold.java`, `SessionTask.java` and `in_batches` need and neither Flink nor PyFlink offers as its interface.
INNER = {
    "org.apache.flink.streaming.runtime.tasks.StreamTask": ("inputProcessor", "getMailboxExecutorFactory"),
    "org.apache.flink.streaming.api.operators.python.embedded.AbstractEmbeddedDataStreamPythonFunctionOperator": (
        "collector",
    ),
    "org.apache.flink.streaming.api.operators.python.embedded.AbstractTwoInputEmbeddedPythonFunctionOperator": (
        "timestamp",
        "getFunctionContext",
        "processElement1",
    ),
    "org.apache.flink.streaming.api.transformations.python.PythonKeyedBroadcastStateTransformation": (
        "getConfiguration",
        "getDataStreamPythonFunctionInfo",
        "getKeySelector",
        "getStateKeyType",
    ),
    "org.apache.flink.python.util.PythonConfigUtil": ("extractPythonConfiguration", "createSingleOutputStreamOperator"),
}


class Witness(KeyedBroadcastProcessFunction):  # type: ignore[misc]
    """Counts each session's inputs in state, and writes what it saw to a file whenever it has seen more."""

    def __init__(self, path: str) -> None:
        self._path = path

    def open(self, runtime_context: RuntimeContext) -> None:
        """See `SessionOperator`."""
        self._state, self._calls = NamedState(runtime_context, "sessions"), calls_of(runtime_context)
        self._map: Any = runtime_context.get_map_state(
            MapStateDescriptor("due", Types.STRING(), Types.PICKLED_BYTE_ARRAY())
        )
        self._offsets: dict[str, list[int]] = {}
        self._found: dict[str, Any] = {"calls": 0, "largest": 0, "overtaken": 0, "keys": []}

    def process_element(self, value: Row, ctx: Any) -> Iterable[Row]:
        """Take a batch as the session operator does."""
        inputs, watermark_ms = list(read_batch(value)), ctx.timer_service().current_watermark()
        found, bucket = self._found, ctx.get_current_key()
        found["calls"] += 1
        found["largest"] = max(found["largest"], len(inputs))
        found["overtaken"] += sum(given.record_ms <= watermark_ms for given in inputs)
        found["keys"] = sorted({*found["keys"], bucket})
        self._offsets.setdefault(bucket, []).extend(given.offset for given in inputs)
        names = sorted({given.session_id for given in inputs})
        counts = dict(zip(names, self._state.get_all(names), strict=True))
        for given in inputs:
            counts[given.session_id] = b"%d" % (int(counts[given.session_id] or b"0") + 1)
        self._state.put_all([*names, "gone"], [*counts.values(), None])
        self._map.put("chunk", b"\x00\xff")
        found["drained"] = [str(data) for data in drain_map(self._map, self._calls, ["chunk", "none"])]
        found["left"] = [list(self._map.keys()), self._state.get_all(["gone"])]
        self._calls.collect(tuple(("kind", given.session_id.encode(), None, b"", "é", None, None) for given in inputs))
        offsets = self._offsets.values()
        found["in_order"] = all(seen == sorted(set(seen)) for seen in offsets)
        found["seen"] = sum(map(len, offsets))
        found.setdefault("counted", {}).update({bucket + name: int(counts[name] or b"0") for name in names})
        Path(self._path).write_text(json.dumps(found), encoding="utf-8")
        time.sleep(SLOW_CALLS_S)
        return ()

    def process_broadcast_element(self, value: Row, ctx: Any) -> Iterable[Row]:
        """Take nothing."""
        return ()

    def on_timer(self, timestamp: int, ctx: Any) -> Iterable[Row]:
        """Set no timers."""
        return ()


def environment_of(backend: str, with_log: str, folder: str) -> StreamExecutionEnvironment:
    """Return an environment of one slot with that state."""
    configuration = Configuration()
    options = {
        "python.execution-mode": "thread",
        "pipeline.object-reuse": "true",
        "pipeline.auto-watermark-interval": "50 ms",
        "execution.buffer-timeout.interval": "0 ms",
        "execution.checkpointing.interval": "100 ms",
        "execution.checkpointing.dir": Path(folder, "checkpoints").as_uri(),
        "state.backend.type": backend,
        "state.changelog.enabled": with_log,
        "state.changelog.dstl.dfs.base-path": Path(folder, "log").as_uri(),
        "state.changelog.storage": "filesystem",
        "table.local-time-zone": "UTC",
    }
    for key, value in options.items():
        configuration.set_string(key, value)
    environment = StreamExecutionEnvironment.get_execution_environment(configuration)
    environment.set_parallelism(1)
    return environment


def run(backend: str, with_log: str, folder: str) -> dict[str, Any]:
    """Return what the function saw, and the rows that came out."""
    environment = environment_of(backend, with_log, folder)
    tables = StreamTableEnvironment.create(environment)
    tables.execute_sql(
        f"""CREATE TABLE numbers (n BIGINT, moment AS TO_TIMESTAMP_LTZ(n, 3), WATERMARK FOR moment AS moment)
WITH ('connector' = 'datagen', 'rows-per-second' = '{EVENTS}', 'fields.n.kind' = 'sequence',
  'fields.n.start' = '1', 'fields.n.end' = '{EVENTS}')"""
    )
    inputs = tables.sql_query(
        f"""SELECT CAST(MOD(n, {BUCKETS}) AS INT) AS bucket, CONCAT('s', CAST(MOD(n, {SESSIONS}) AS STRING)) AS session,
  ENCODE(CAST(n AS STRING), 'UTF-8') AS payload, CAST(NULL AS BYTES) AS origin_key,
  0 AS `partition`, n AS `offset`, n AS record_ms FROM numbers"""
    )
    batches = gathered(
        tables.to_append_stream(inputs, INPUT_TYPE), evenly_spread_keys(BUCKETS, 128), 10, KEYED_BATCH_TYPE
    )
    reference = always_idle(environment.from_collection([(1,)], Types.ROW([Types.INT()])))
    witness = Witness(str(Path(folder, "found.json")))
    seen = keyed_in_jvm(batches).connect(reference.broadcast(REFERENCE)).process(witness, OUTPUT_TYPE)
    sent = tables.from_data_stream(in_batches(seen, 10))
    totals = tables.sql_query(f"SELECT `key`, COUNT(*), MIN(shard), COUNT(`value`) FROM {sent} GROUP BY `key`")
    with totals.execute().collect() as rows:
        counts = {bytes(row[0]).decode(): [row[1], row[2], row[3]] for row in rows}
    found: dict[str, Any] = json.loads(Path(folder, "found.json").read_text(encoding="utf-8"))
    return found | {"rows": counts}


def missing() -> list[str]:
    """Return what Flink and PyFlink no longer have of `INNER`."""
    loader = get_gateway().jvm.Thread.currentThread().getContextClassLoader()
    gone = []
    for name, members in INNER.items():
        found = get_gateway().jvm.java.lang.Class.forName(name, False, loader)
        there = {member.getName() for member in (*found.getDeclaredFields(), *found.getDeclaredMethods())}
        gone += [f"{name}.{member}" for member in members if member not in there]
    return gone


if __name__ == "__main__":
    gone = missing()
    found = {"missing": gone} if gone else {"missing": gone} | run(*sys.argv[1:])
    sys.stdout.write(f"FOUND {json.dumps(found)}\n")
