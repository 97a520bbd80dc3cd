"""Looks at the state that a job is to resume from before the job is submitted: what is missing, and what does not fit.

docs/upgrades.md says what a user may change, docs/decisions/0023 why the log of changes is sometimes left out.
"""

import sys
from typing import Any, NamedTuple

from pyflink.datastream import StreamExecutionEnvironment
from pyflink.java_gateway import get_gateway

from jobs.kept_state import KeptOperator, ResumeError, missing_files, operator_id, read_kept
from jobs.settings_rules import bucket_count
from operators.names import session_uid
from state.configuration import Settings

STATE_PATH = "execution.state-recovery.path"
CLAIM_MODE = "execution.state-recovery.claim-mode"
IGNORE_UNCLAIMED = "execution.state-recovery.ignore-unclaimed-state"
CHANGELOG = "state.changelog.enabled"
TARGET = "execution.target"
APPLICATION = "embedded"
"""The target where the job's main module runs in the JobManager."""


class NewOperator(NamedTuple):
    """An operator of the job to be."""

    name: str
    parallelism: int


def check_resume(environment: StreamExecutionEnvironment, settings: Settings) -> None:
    """Refuse state that is incomplete or of another job, and leave out the log of changes if it would lose files.

    Raises:
        ResumeError: the state cannot be resumed from.
    """
    configuration = environment._j_stream_execution_environment.getConfiguration()
    path = _option(configuration, STATE_PATH, "")
    if not path:
        return
    kept = _seen(path, begins_again=_option(configuration, TARGET, "") == APPLICATION)
    if kept is None:
        sys.stderr.write(f"{path} cannot be looked at from here: it is resumed unchecked, without a log of changes\n")
        configuration.setString(CHANGELOG, "false")
        return
    operators = new_operators(environment)
    if _option(configuration, IGNORE_UNCLAIMED, "false") != "true":
        check_fit(path, kept, operators, settings)
    claimed = _option(configuration, CLAIM_MODE, "NO_CLAIM").upper() == "CLAIM"
    if not claimed or is_split(kept, operators):
        configuration.setString(CHANGELOG, "false")


def _seen(path: str, begins_again: bool) -> dict[str, KeptOperator] | None:
    """What is kept at the path; None if that cannot be seen, or need not be there any more.

    In application mode this runs again with each new JobManager, which takes the newest checkpoint instead of the path's.
    """
    try:
        kept = read_kept(path)
        if kept is not None:
            check_files(path, kept)
    except ResumeError:
        if begins_again:
            return None
        raise
    return kept


def check_files(path: str, kept: dict[str, KeptOperator]) -> None:
    """Raise ResumeError if files of the state are gone."""
    gone = missing_files(kept)
    if gone:
        raise ResumeError(
            f"{path} is incomplete: {len(gone)} of its files are gone, the first {gone[0]}: put them back where they were (a "
            "savepoint may be moved as a whole, a checkpoint may not), or resume from an older one"
        )


def new_operators(environment: StreamExecutionEnvironment) -> dict[str, NewOperator]:
    """Return the operators of the job as it would be submitted, by Flink's operator id."""
    graph = environment._j_stream_execution_environment.getStreamGraph(False).getJobGraph()
    found: dict[str, NewOperator] = {}
    for vertex in graph.getVerticesAsArray():
        for pair in vertex.getOperatorIDs():
            chosen = pair.getUserDefinedOperatorID()
            operator = chosen.get() if chosen.isPresent() else pair.getGeneratedOperatorID()
            found[operator.toHexString()] = NewOperator(vertex.getName(), vertex.getParallelism())
    return found


def check_fit(path: str, kept: dict[str, KeptOperator], operators: dict[str, NewOperator], settings: Settings) -> None:
    """Raise ResumeError if some of the state is of no operator of the job, or was cut into other key groups."""
    wanted, most = bucket_count(settings), settings.flink.max_parallelism
    sessions = kept.get(operator_id(session_uid(wanted)))
    if sessions is None:
        for buckets in range(1, most + 1):
            if operator_id(session_uid(buckets)) in kept:
                raise ResumeError(
                    f"flink.buckets: the state in {path} has {buckets} buckets of sessions and the configuration {wanted}, "
                    f"which would lose every session: set flink.buckets={buckets}"
                )
    elif sessions.max_parallelism != most:
        raise ResumeError(
            f"flink.max_parallelism: the state in {path} has {sessions.max_parallelism} and the configuration {most}: set "
            f"flink.max_parallelism={sessions.max_parallelism}"
        )
    foreign = sorted(kept.keys() - operators.keys())
    if foreign:
        raise ResumeError(
            f"the state in {path} has {len(foreign)} operators that this job does not have (the first is {foreign[0]}): resume "
            "with the release and the configuration that wrote it, or let go of their state with --allow-non-restored-state"
        )


def is_split(kept: dict[str, KeptOperator], operators: dict[str, NewOperator]) -> bool:
    """Return whether keyed state of a canonical savepoint goes to another number of subtasks: Flink then forget that they share
    files."""
    return any(
        state.canonical
        and state.files
        and operator in operators
        and operators[operator].parallelism != state.parallelism
        for operator, state in kept.items()
    )


def _option(configuration: Any, key: str, default: str) -> str:
    options = get_gateway().jvm.org.apache.flink.configuration.ConfigOptions
    return str(configuration.get(options.key(key).stringType().defaultValue(default)))
