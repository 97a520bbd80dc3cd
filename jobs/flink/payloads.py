"""What the JVM reads of an event's payload: its session and its time, each in one pass over the bytes.

The same in SQL built the JSON object five times for each event: its time stands three times in the expression, its session twice in
the plan.
"""

from typing import Any

from pyflink.common import TypeInformation
from pyflink.datastream import DataStream
from pyflink.java_gateway import get_gateway

from jobs.flink.compiled import class_of, operator_of

HELPERS = ("TopLevel",)
WATERMARK_STRATEGY = "watermarkStrategy"


def by_session(stream: DataStream, buckets: int, keyless_spread: int, input_type: TypeInformation) -> DataStream:
    """Return records, Row(payload, origin key, …), as inputs of the session and the bucket that they belong to, as
    `jobs/flink/SessionKey.java` says."""
    flink = get_gateway().jvm.org.apache.flink
    upstream = stream._j_data_stream.getTransformation()
    keyed = flink.streaming.api.transformations.OneInputTransformation(
        upstream,
        "session-key",
        operator_of("SessionKey", HELPERS, buckets, keyless_spread),
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
        *class_of("EventTime", HELPERS, column, max_future_ms, delay_ms)
    )


def _source_of(transformation: Any) -> Any:
    while transformation.getInputs():
        [transformation] = transformation.getInputs()
    return transformation
