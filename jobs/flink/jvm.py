"""The few places where the job reaches behind PyFlink's public interface, each with its reason. Held by the integration tests."""

import itertools
import re
from typing import Any

from pyflink.common import Duration, Types, WatermarkStrategy
from pyflink.datastream import DataStream, KeyedStream, StreamExecutionEnvironment
from pyflink.java_gateway import get_gateway


def keyed_in_jvm(stream: DataStream) -> KeyedStream:
    """Return a stream of Row(key, value) with a string key, keyed without a Python operator.

    PyFlink's `key_by` puts a Python function before the shuffle, which costs more than the operator behind it. The form is the one
    that `key_by` itself builds, so the keyed operator sees the value alone.
    """
    jvm = get_gateway().jvm
    selector = jvm.KeyByKeySelector()
    key_type = Types.ROW([Types.STRING()]).get_java_type_info()
    return KeyedStream(stream._j_data_stream.keyBy(selector, key_type), Types.STRING(), stream)


def always_idle(stream: DataStream) -> DataStream:
    """Return a stream that never takes part in event time.

    A broadcast input without watermarks holds the other input's event time at the beginning; one with a far future watermark
    throws it to the end as soon as the events pause. An idle one does neither.
    """
    strategy = WatermarkStrategy.no_watermarks().with_idleness(Duration.of_millis(1))
    return stream.assign_timestamps_and_watermarks(strategy)


def flush_after(stream: DataStream, timeout_ms: int) -> None:
    """Let the network buffers of the stream, and of all that leads to it, wait no longer than that.

    PyFlink offers this for its own operators alone, not for what comes from a table.
    """
    for transformation in _upstream_of(stream._j_data_stream.getTransformation()).values():
        transformation.setBufferTimeout(timeout_ms)


def put_beside(stream: DataStream) -> None:
    """Let the local aggregates of SQL's windows run next to the stream's operator, from where its rows are taken apart on.

    Flink chains them to it, so its own thread would hand on all that they hold at the end of each window and before each
    checkpoint, and wait for the windows behind where these cannot take it at once.
    """
    heads = get_gateway().jvm.org.apache.flink.streaming.api.operators.ChainingStrategy.HEAD
    end = stream._j_data_stream.getTransformation().getId()
    environment = stream._j_data_stream.getExecutionEnvironment()
    for transformation in _all_of(environment).values():
        if transformation.getName().startswith("LocalWindowAggregate"):
            chain = _chained_before(transformation)
            if end in [before.getId() for before in chain]:
                apart = [before for before in chain if before.getName().startswith("Correlate")]
                (apart or [transformation])[-1].setChainingStrategy(heads)


def evenly_spread_keys(count: int, max_parallelism: int) -> list[str]:
    """Return keys for `keyed_in_jvm`, each from the middle of one of `count` equal parts of the key groups, so that subtasks, which
    have equal parts of them too, get as many keys as each other or one more.

    Key groups come from hashes: names that are only numbered leave some subtasks of a few with none.
    """
    flink = get_gateway().jvm.org.apache.flink
    reach = max(1 / 16, count / (2 * max_parallelism))
    found: dict[int, str] = {}
    for number in itertools.count():
        name = f"{number:x}"
        group = flink.runtime.state.KeyGroupRangeAssignment.assignToKeyGroup(_row_of(flink, name), max_parallelism)
        part, place = divmod((group + 0.5) * count / max_parallelism, 1)
        if abs(place - 0.5) <= reach:
            found.setdefault(int(part), name)
        if len(found) == count:
            break
    return [found[part] for part in range(count)]


def _row_of(flink: Any, key: str) -> Any:
    row = flink.types.Row(1)
    row.setField(0, key)
    return row


def set_uids(environment: StreamExecutionEnvironment) -> list[str]:
    """Give every operator without a uid one by its role and place, as SQL's have none; return all uids."""
    transformations = _all_of(environment._j_stream_execution_environment)
    used: dict[str, int] = {}
    uids: list[str] = []
    for identifier in sorted(transformations):
        transformation = transformations[identifier]
        uid = transformation.getUid()
        if uid is None:
            role = _role(transformation.getName())
            used[role] = used.get(role, 0) + 1
            uid = f"{role}-{used[role]}"
            transformation.setUid(uid)
        uids.append(uid)
    return uids


def _all_of(environment: Any) -> dict[int, Any]:
    """All transformations of a Java environment by their ids."""
    seen: dict[int, Any] = {}
    for transformation in environment.getTransformations():
        _walk(transformation, seen)
    return seen


def _chained_before(transformation: Any) -> list[Any]:
    """What leads to the transformation without an exchange or a union, the nearest first."""
    found: list[Any] = []
    inputs = transformation.getInputs()
    while len(inputs) == 1 and not inputs[0].getName().startswith("Exchange"):
        found.append(inputs[0])
        inputs = inputs[0].getInputs()
    return found


def _upstream_of(transformation: Any) -> dict[int, Any]:
    """The transformation and all that leads to it, by their ids."""
    seen: dict[int, Any] = {}
    _walk(transformation, seen)
    return seen


def _walk(transformation: Any, seen: dict[int, Any]) -> None:
    identifier = transformation.getId()
    if identifier not in seen:
        seen[identifier] = transformation
        for upstream in transformation.getInputs():
            _walk(upstream, seen)


def _role(name: str) -> str:
    """A transformation's name without the planner's numbers."""
    return re.sub(r"[^a-z]+", "-", re.split(r"[\[(]", name.lower())[0]).strip("-") or "operator"
