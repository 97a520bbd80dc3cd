"""A session's inputs as the topics hold them, with what became of them by the log topics."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple, TypeVar

import msgspec
from rich.progress import Progress

from cli.options import Target
from cli.output import number
from cli.topic_reader import TopicReader
from state.explaining.retracing import Arrival, in_order
from state.session.log import LoggedDecision, LoggedOutcome

Logged = TypeVar("Logged", LoggedDecision, LoggedOutcome)


class History(NamedTuple):
    """Inputs of a session since a time: records by arrival, decisions oldest first, the newest outcome of each exposure by decision
    and product.

    `hint` is what the session was told of its user last, empty for nothing. `newest_ms` is the Kafka time of the newest record of
    anybody; `is_trimmed` says that retention has taken events of that time, `unreadable` counts log records of another release.
    """

    arrivals: list[Arrival]
    decisions: list[LoggedDecision]
    outcomes: dict[tuple[str, str], LoggedOutcome]
    hint: bytes
    newest_ms: int
    is_trimmed: bool
    unreadable: int


class _DeadLetter(msgspec.Struct):
    reason: str
    topic: str
    partition: int
    offset: int


class _Session(msgspec.Struct):
    session_id: str


def read_history(target: Target, session_id: str, since_ms: int, bar: Progress) -> History:
    """Read six topics from that Kafka time to their ends; whatever is another session's is passed over by its bytes.

    Raises:
        UserError: the broker does not answer, or a topic does not exist.
    """
    topics = target.settings.kafka.topics
    key, needles = session_id.encode(), _needles(session_id)
    refusals = refusals_of(target, since_ms, bar)
    late = Counter(
        record.value
        for record in _records(target, topics.late_events, since_ms, bar)
        if any(needle in record.value for needle in needles)
    )
    arrivals, newest_ms = [], 0
    with TopicReader(target, topics.user_interactions, since_ms=since_ms) as reader:
        is_trimmed = reader.is_trimmed
        for record in _with_progress(reader, topics.user_interactions, bar):
            newest_ms = max(newest_ms, record.timestamp)
            value = record.value
            if (value is None and record.key != key) or (
                value is not None and not any(needle in value for needle in needles)
            ):
                continue
            if _is_of(session_id, record):
                refusal = refusals.get((record.partition, record.offset), "")
                arrivals.append(Arrival(value, max(0, record.timestamp), record.partition, record.offset, refusal))
    mine = [record.value for record in _records(target, topics.decisions, since_ms, bar) if record.key == key]
    decisions, bad_decisions = _decoded(mine, LoggedDecision)
    mine = [record.value for record in _records(target, topics.outcomes, since_ms, bar) if record.key == key]
    outcomes, bad_outcomes = _decoded(mine, LoggedOutcome)
    hints = [record.value for record in _records(target, topics.session_hints, since_ms, bar) if record.key == key]
    newest: dict[tuple[str, str], LoggedOutcome] = {}
    for outcome in sorted(outcomes, key=lambda o: o.seq):
        newest[outcome.decision_id, outcome.product_id] = outcome
    return History(
        arrivals=_with_late(arrivals, late),
        decisions=in_order(decisions),
        outcomes=newest,
        hint=hints[-1] if hints else b"",
        newest_ms=newest_ms,
        is_trimmed=is_trimmed,
        unreadable=bad_decisions + bad_outcomes,
    )


def _needles(session_id: str) -> set[bytes]:
    """The session's id as producers write it in JSON: as it is, or escaped."""
    return {msgspec.json.encode(session_id)[1:-1], json.dumps(session_id).encode()[1:-1]}


def _is_of(session_id: str, record: Any) -> bool:
    """Whether a record is the session's: by its value where that tells, else by its key."""
    try:
        return msgspec.json.decode(record.value or b"", type=_Session).session_id == session_id
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return bool(record.key == session_id.encode())


def _with_late(arrivals: list[Arrival], late: Counter[bytes]) -> list[Arrival]:
    """Marks those that came too late: of equal ones the last, as the watermark only rises."""
    marked: list[Arrival] = []
    for arrival in sorted(arrivals, key=lambda a: a.record_ms, reverse=True):
        if arrival.payload is not None and late[arrival.payload] > 0:
            late[arrival.payload] -= 1
            arrival = msgspec.structs.replace(arrival, is_late=True)
        marked.append(arrival)
    return marked


def refusals_of(target: Target, since_ms: int, bar: Progress) -> dict[tuple[int, int], str]:
    """Return the reasons of dead letters by partition and offset of the event."""
    topics = target.settings.kafka.topics
    found: dict[tuple[int, int], str] = {}
    for record in _records(target, topics.dead_letters, since_ms, bar):
        try:
            letter = msgspec.json.decode(record.value, type=_DeadLetter)
        except msgspec.DecodeError:
            continue  # nothing of ours: `heliotrope dead-letters` shows it
        if letter.topic == topics.user_interactions:
            found[letter.partition, letter.offset] = letter.reason
    return found


def records_of(target: Target, topic: str, bar: Progress, since_ms: int = 0) -> Iterator[Any]:
    """Yield a topic's records from a Kafka time on, or from its beginning."""
    with TopicReader(target, topic, since_ms=since_ms) as reader:
        yield from _with_progress(reader, topic, bar)


def _records(target: Target, topic: str, since_ms: int, bar: Progress) -> Iterator[Any]:
    """Those that have a value."""
    return (record for record in records_of(target, topic, bar, since_ms) if record.value is not None)


def _with_progress(reader: TopicReader, topic: str, bar: Progress) -> Iterator[Any]:
    task, done = bar.add_task(f"reading {topic}", total=reader.waiting, count=""), 0
    for records in reader.to_end():
        yield from records
        done += len(records)
        bar.update(task, completed=done, count=f"{number(done)} records")
    bar.update(task, total=done, completed=done)


def _decoded(values: list[bytes], kind: type[Logged]) -> tuple[list[Logged], int]:
    """Log records, and how many could not be read."""
    found: list[Logged] = []
    for value in values:
        try:
            found.append(msgspec.json.decode(value, type=kind))
        except msgspec.DecodeError:
            continue
    return found, len(values) - len(found)
