"""What a savepoint or checkpoint holds: Flink's own metadata, read with Flink's own classes through the client's JVM."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from pyflink.java_gateway import get_gateway

from jobs.errors import ConfigurationError

CANONICAL = "KeyGroupsSavepointStateHandle"
MOST_CAUSES = 10


class ResumeError(ConfigurationError):
    """The state cannot be resumed from; the message says what is missing or does not fit, and what to do."""


class KeptOperator(NamedTuple):
    """Operator that has state, as it is kept. `canonical`: its keyed state is in the form that every state backend reads."""

    parallelism: int
    max_parallelism: int
    canonical: bool
    files: frozenset[str]


def read_kept(path: str) -> dict[str, KeptOperator] | None:
    """Return what a savepoint or checkpoint holds, by Flink's operator id; None where the client does not know its file system.

    Raises:
        ResumeError: there is none, or it is damaged.
    """
    from py4j.protocol import Py4JJavaError

    try:
        metadata = _read_metadata(path)
    except Py4JJavaError as error:
        if "UnsupportedFileSystemSchemeException" in _causes(error.java_exception):
            return None
        cause = " ".join(str(error.java_exception.getMessage() or _kind(error.java_exception)).split())
        raise ResumeError(
            f"no savepoint or checkpoint can be read at {path} ({cause[:200]}): name the folder that holds its _metadata, or "
            "an older one"
        ) from None
    # Each call into the JVM takes a while, and most operators have no state.
    states = [state for state in metadata.getOperatorStates().toArray() if state.getStateSize()]
    return {state.getOperatorID().toHexString(): _kept_operator(state) for state in states}


def missing_files(kept: dict[str, KeptOperator]) -> list[str]:
    """Return the files of the state that are gone."""
    flink = get_gateway().jvm.org.apache.flink.core.fs
    files = sorted({file for operator in kept.values() for file in operator.files})
    paths = [flink.Path(file) for file in files]
    return [file for file, path in zip(files, paths, strict=True) if not path.getFileSystem().exists(path)]


def operator_id(uid: str) -> str:
    """Return Flink's operator id of a uid."""
    jvm = get_gateway().jvm
    guava = jvm.org.apache.flink.shaded.guava33.com.google.common.hash.Hashing
    return str(guava.murmur3_128(0).hashString(uid, jvm.java.nio.charset.StandardCharsets.UTF_8).toString())


def _read_metadata(path: str) -> Any:
    jvm = get_gateway().jvm
    flink = jvm.org.apache.flink.runtime
    location = flink.state.filesystem.AbstractFsCheckpointStorageAccess.resolveCheckpointPointer(path)
    stream = jvm.java.io.DataInputStream(location.getMetadataHandle().openInputStream())
    try:
        loader = jvm.Thread.currentThread().getContextClassLoader()
        return flink.checkpoint.Checkpoints.loadCheckpointMetadata(stream, loader, location.getExternalPointer())
    finally:
        stream.close()


def _kept_operator(state: Any) -> KeptOperator:
    parts = list(state.getStates().toArray())
    keyed = [handle for part in parts for handle in part.getManagedKeyedState().toArray()]
    others = [
        handle
        for part in parts
        for handles in (part.getRawKeyedState(), part.getManagedOperatorState(), part.getRawOperatorState())
        for handle in handles.toArray()
    ]
    return KeptOperator(
        parallelism=state.getParallelism(),
        max_parallelism=state.getMaxParallelism(),
        canonical=any(_kind(handle) == CANONICAL for handle in keyed),
        files=frozenset(_files((*keyed, *others))),
    )


def _causes(exception: Any) -> list[str]:
    found: list[str] = []
    while exception is not None and len(found) < MOST_CAUSES:
        found.append(_kind(exception))
        exception = exception.getCause()
    return found


def _kind(thing: Any) -> str:
    return str(thing.getClass().getSimpleName())


def _files(handles: Iterable[Any]) -> list[str]:
    return [file for handle in handles for file in _files_of(handle)]


def _files_of(handle: Any) -> list[str]:
    """The files behind a state handle of any kind that the job can have; small state lies in the metadata itself."""
    match _kind(handle):
        case "FileStateHandle" | "RelativeFileStateHandle":
            return [handle.getFilePath().toString()]
        case "ChangelogStateBackendHandleImpl":
            parts = (handle.getMaterializedStateHandles(), handle.getNonMaterializedStateHandles())
            return _files(one for some in parts for one in some.toArray())
        case "ChangelogStateHandleStreamImpl":
            return _files(pair.getField(0) for pair in handle.getHandlesAndOffsets().toArray())
        case "IncrementalRemoteKeyedStateHandle":
            parts = (handle.getSharedState(), handle.getPrivateState())
            shared = (part.getHandle() for some in parts for part in some.toArray())
            return _files((handle.getMetaDataStateHandle(), *shared))
        case "KeyGroupsStateHandle" | "KeyGroupsSavepointStateHandle" | "OperatorStreamStateHandle":
            return _files((handle.getDelegateStateHandle(),))
    return []
