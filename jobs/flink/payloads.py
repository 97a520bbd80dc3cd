"""What the JVM reads of an event's payload: its session and its time, each in one pass over the bytes.

The same in SQL built the JSON object five times for each event: its time stands three times in the expression, its session twice in
the plan. Flink compiles the classes where they run, by the compiler that it has for SQL.
"""

from importlib.resources import files
from typing import Any

from pyflink.common import TypeInformation
from pyflink.datastream import DataStream
from pyflink.java_gateway import get_gateway

HELPER = "TopLevel"
WATERMARK_STRATEGY = "watermarkStrategy"


def by_session(stream: DataStream, buckets: int, keyless_spread: int, input_type: TypeInformation) -> DataStream:
    """Return records, Row(payload, origin key, …), as inputs of the session and the bucket that they belong to, as
    `jobs/flink/SessionKey.java` says."""
    flink = get_gateway().jvm.org.apache.flink
    upstream = stream._j_data_stream.getTransformation()
    code = flink.table.runtime.generated.GeneratedOperator(
        *_class_of("SessionKey", buckets, keyless_spread), flink.configuration.Configuration()
    )
    keyed = flink.streaming.api.transformations.OneInputTransformation(
        upstream,
        "session-key",
        flink.table.runtime.operators.CodeGenOperatorFactory(code),
        input_type.get_java_type_info(),
        upstream.getParallelism(),
        False,
    )
    environment = stream._j_data_stream.getExecutionEnvironment()
    return DataStream(flink.streaming.api.datastream.DataStream(environment, keyed))


def read_event_time(stream: DataStream, payload: str, max_future_ms: int, delay_ms: int, idle_ms: int) -> None:
    """Let the Kafka source of a stream take event time from the column `payload` as `jobs/flink/EventTime.java` says, in place of
    its table's WATERMARK.

    Event time must be the source's own, because it alone knows its partitions: a slow one holds event time back, an empty one does
    not.
    """
    jvm = get_gateway().jvm
    flink = jvm.org.apache.flink
    source = _source_of(stream._j_data_stream.getTransformation())
    column = list(source.getOutputType().toRowFieldNames()).index(payload)
    code = event_time(column, max_future_ms, delay_ms)
    supplier = flink.table.runtime.generated.GeneratedWatermarkGeneratorSupplier(code, None)
    strategy = flink.api.common.eventtime.WatermarkStrategy.forGenerator(supplier)
    if idle_ms > 0:
        strategy = strategy.withIdleness(jvm.java.time.Duration.ofMillis(idle_ms))
    field = jvm.java.lang.Class.forName(
        "org.apache.flink.streaming.api.transformations.SourceTransformation"
    ).getDeclaredField(WATERMARK_STRATEGY)
    field.setAccessible(True)
    field.set(source, strategy)


def event_time(column: int, max_future_ms: int, delay_ms: int) -> Any:
    """Return the generator of watermarks from the payload in that column of a source's rows."""
    flink = get_gateway().jvm.org.apache.flink
    return flink.table.runtime.generated.GeneratedWatermarkGenerator(
        *_class_of("EventTime", column, max_future_ms, delay_ms)
    )


def _source_of(transformation: Any) -> Any:
    while transformation.getInputs():
        [transformation] = transformation.getInputs()
    return transformation


def _class_of(name: str, *given: Any) -> tuple[str, str, Any]:
    """A class's name, its source together with the helper's, and what it is made of."""
    gateway = get_gateway()
    references = gateway.new_array(gateway.jvm.Object, len(given))
    for place, reference in enumerate(given):
        references[place] = reference
    lines = [line for part in (name, HELPER) for line in _lines_of(part)]
    imports = sorted({line for line in lines if line.startswith("import ")})
    body = [line for line in lines if not line.startswith(("import ", "package "))]
    return f"heliotrope.{name}", "\n".join(("package heliotrope;", *imports, *body)), references


def _lines_of(name: str) -> list[str]:
    return files(__package__).joinpath(f"{name}.java").read_text(encoding="utf-8").splitlines()
