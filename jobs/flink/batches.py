"""Inputs of sessions to few large calls: the two operators in Java before and around the session operator.

They are bound to inner classes of Flink 2.3 and PyFlink: `tests/integration/test_crossing.py` says which, and holds what they do.
"""

from collections.abc import Sequence

from pyflink.common import TypeInformation
from pyflink.datastream import DataStream
from pyflink.java_gateway import get_gateway

from jobs.flink.compiled import operator_of

MOST_GATHERED = 64
"""Inputs of a batch on its way to the session operator."""
MOST_IN_A_CALL = 256
"""Inputs of a call of the session operator, which has fewer where they take long, see `SessionTask.java`."""
MOST_BYTES = 1_048_576
"""Of a batch's payloads and keys, with which it is full: a record may have two MiB before it is refused."""


def gathered(stream: DataStream, buckets: Sequence[str], gather_ms: int, batch_type: TypeInformation) -> DataStream:
    """Return inputs, Row(bucket's number, …), as batches by the bucket's key, as `jobs/flink/Gather.java` says.

    Windows of SQL and of the DataStream API let watermarks overtake what they gather by the clock.
    """
    gateway = get_gateway()
    jvm, flink = gateway.jvm, gateway.jvm.org.apache.flink
    keys = gateway.new_array(jvm.String, len(buckets))
    for number, key in enumerate(buckets):
        keys[number] = key
    upstream = stream._j_data_stream.getTransformation()
    gather = flink.streaming.api.transformations.OneInputTransformation(
        upstream,
        "gather",
        operator_of("Gather", ("Hold",), keys, gather_ms, MOST_GATHERED, MOST_BYTES),
        batch_type.get_java_type_info(),
        upstream.getParallelism(),
        False,
    )
    environment = stream._j_data_stream.getExecutionEnvironment()
    return DataStream(flink.streaming.api.datastream.DataStream(environment, gather))


def in_batches(stream: DataStream, gather_ms: int) -> DataStream:
    """Return what a keyed broadcast function makes of its inputs, with PyFlink's operator replaced by `SessionTask.java`.

    All that Flink finds state by stays as it is: types, keys, and names, which are PyFlink's own.
    """
    flink = get_gateway().jvm.org.apache.flink
    environment = stream._j_data_stream.getExecutionEnvironment()
    given = stream._j_data_stream.getTransformation()
    configuration = given.getConfiguration()
    python = flink.python.util.PythonConfigUtil
    configuration.addAll(python.extractPythonConfiguration(environment.getConfiguration()))
    inputs = given.getRegularInput(), given.getBroadcastInput()
    types = *(each.getOutputType() for each in inputs), given.getOutputType()
    limits = gather_ms, MOST_IN_A_CALL, MOST_BYTES
    replacement = flink.streaming.api.transformations.TwoInputTransformation(
        *inputs,
        given.getName(),
        operator_of(
            "SessionTask", ("Hold", "Calls"), configuration, given.getDataStreamPythonFunctionInfo(), *types, *limits
        ),
        given.getOutputType(),
        given.getParallelism(),
    )
    replacement.setStateKeySelectors(given.getKeySelector(), None)
    replacement.setStateKeyType(given.getStateKeyType())
    replacement.declareManagedMemoryUseCaseAtSlotScope(flink.core.memory.ManagedMemoryUseCase.PYTHON)
    environment.getTransformations().remove(given)
    environment.addOperator(replacement)
    return DataStream(python.createSingleOutputStreamOperator(environment, replacement))
