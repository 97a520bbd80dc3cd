"""CPU time of one event by stage, and what a session takes, in a plain process: the operators' calls on the pure core.

`python -m benchmarks.stages [--events N]`. What Flink adds (keys, crossings between the JVM and Python, network, sinks) is not in
here: `benchmarks.profile_job` shows it by thread.
"""

import argparse
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple
from unittest import mock

import msgspec
import numpy as np

import benchmarks.in_process
import state.profile.publishing
from benchmarks.in_process import InProcess
from benchmarks.lab.ours import Heliotrope
from benchmarks.traffic import catalogue, messages, traffic
from state.catalogue.product import Product
from state.choosing.choice import Chooser
from state.choosing.thompson_slates import ThompsonSlates
from state.events.event import Event, read_event
from state.personalizer import Personalizer
from state.session.forms import decode_session
from state.session.record import pack_record
from state.session.session import Session

START_MS = 1_763_770_000_000
PUBLISH_EVERY = 5_000
"""Events between two models: half a second's worth at 10,000 a second."""
LEAD = 3_000
SESSIONS = 200
SESSION_EVENTS = 50
SHOWN = 8
MAX_BYTES, MAX_FUTURE_MS = 65_536, 300_000


class Stage(NamedTuple):
    """A stage and the calls that are its beginning and end; what is called in between and is another stage's is not its own."""

    name: str
    owner: Any
    attribute: str


STAGES = (
    Stage("state", benchmarks.in_process, "decode_session"),
    Stage("state", Session, "encode"),
    Stage("log and rest", Personalizer, "apply"),
    Stage("attribution", Personalizer, "_attribute"),
    Stage("interest", state.profile.publishing, "interest"),
    Stage("slate", Chooser, "choose"),
    Stage("candidates and score", ThompsonSlates, "draw"),
    Stage("encode", state.profile.publishing, "build_profile"),
    Stage("learn", InProcess, "_learn"),
    Stage("publish", InProcess, "publish"),
)


class Clock:
    """CPU time by stage, each without the stages inside it. A call costs about 0.5 µs, which is in its caller's stage."""

    def __init__(self, now: Callable[[], float] = time.thread_time) -> None:
        self._now = now
        self.seconds: dict[str, float] = {}
        self._open: list[str] = []
        self._since = 0.0

    def begin(self, stage: str) -> None:
        """What follows is this stage's."""
        self._charge()
        self._open.append(stage)

    def end(self) -> None:
        """What follows is the caller's again."""
        self._charge()
        self._open.pop()

    def timed(self, stage: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """The same call, timed."""

        def wrapper(*arguments: Any, **named: Any) -> Any:
            self.begin(stage)
            try:
                return call(*arguments, **named)
            finally:
                self.end()

        return wrapper

    def _charge(self) -> None:
        now = self._now()
        if self._open:
            self.seconds[self._open[-1]] = self.seconds.get(self._open[-1], 0.0) + now - self._since
        self._since = now


@contextmanager
def timed_stages(stages: Iterable[Stage] = STAGES) -> Iterator[Clock]:
    """Puts a clock around every stage's calls."""
    clock = Clock()
    with ExitStack() as patches:
        for stage in stages:
            raw = vars(stage.owner)[stage.attribute]
            is_class_method = isinstance(raw, classmethod)
            timed = clock.timed(stage.name, raw.__func__ if is_class_method else raw)
            replacement = classmethod(timed) if is_class_method else timed
            patches.enter_context(mock.patch.object(stage.owner, stage.attribute, replacement))
        yield clock


def stage_costs(count: int, seed: int = 0) -> dict[str, float]:
    """µs of each stage per event, over `count` events of real session lengths, after a lead that is not counted."""
    shop = _shop(Heliotrope({}, seed, PUBLISH_EVERY))
    events = traffic(LEAD + count, START_MS, seed)
    with timed_stages() as clock:
        for number, (_, payload) in enumerate(messages(events)):
            if number == LEAD:
                clock.seconds.clear()
            now_ms = int(events.times_ms[number])
            clock.begin("decode")
            event = read_event(payload, now_ms=now_ms, max_bytes=MAX_BYTES, max_future_ms=MAX_FUTURE_MS)
            clock.end()
            assert isinstance(event, Event)
            shop.event(event, now_ms)
    return {name: seconds / count * 1e6 for name, seconds in clock.seconds.items()}


class _Scales(Heliotrope):
    """Weighs profiles."""

    def __init__(self, seed: int) -> None:
        super().__init__({}, seed, 20)
        self.profiles: list[int] = []

    def event(self, event: Event, now_ms: int) -> None:
        """See `Method.event`."""
        effect = self.job.apply(event, now_ms)
        if effect.write is not None:
            self.profiles.append(len(effect.write.profile))


def sizes(sessions: int = SESSIONS, seed: int = 0) -> dict[str, float]:
    """95th percentiles in bytes for sessions of 50 events, half of them impressions, with UUIDs as event ids.

    `state` is a session's state, as the compiled core stores it, without its slates and open exposures, `exposures` those two,
    `profile` what goes to Redis.
    """
    scales = _Scales(seed)
    _shop(scales)
    events = traffic(sessions * SESSION_EVENTS // 2, START_MS, seed, sessions=sessions)
    events = events._replace(sessions=np.arange(len(events.times_ms)) % sessions)
    bare, beside = [], []
    for number, (_, payload) in enumerate(messages(events)):
        now_ms = int(events.times_ms[number])
        event = msgspec.structs.replace(msgspec.json.decode(payload, type=Event), event_id=_uuid(2 * number))
        scales.event(event, now_ms)
        page = scales.page(event.session_id, SHOWN, now_ms)
        scales.event(_impression(event, page.decision_id, page.product_ids, _uuid(2 * number + 1)), now_ms + 5_000)
    bandit = scales.settings.bandit
    for data in scales.job.sessions.values():
        session = decode_session(data)
        whole = pack_record(session, bandit.policy, bandit.variant) or data
        session.slates, session.exposures = [], []
        bare.append(len(pack_record(session, bandit.policy, bandit.variant) or session.encode()))
        beside.append(len(whole) - bare[-1])
    found = {"state": bare, "exposures": beside, "profile": scales.profiles}
    return {name: float(np.percentile(values, 95)) for name, values in found.items()}


def _impression(event: Event, decision_id: str, shown: list[str], event_id: str) -> Event:
    return Event(
        session_id=event.session_id,
        event_type="impression",
        timestamp=event.timestamp + 5_000,
        event_id=event_id,
        decision_id=decision_id,
        shown=shown,
    )


def _shop(method: Heliotrope) -> Heliotrope:
    """The method with a catalogue."""
    for product in catalogue(0):
        method.product(msgspec.convert(product, Product), START_MS)
    return method


def _uuid(number: int) -> str:
    return str(uuid.UUID(int=number + 1))


def main() -> None:
    """Prints both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=20_000)
    costs = stage_costs(parser.parse_args().events)
    for name, us in sorted(costs.items(), key=lambda item: -item[1]):
        print(f"{name:14} {us:8.1f} µs")
    print(f"{'all':14} {sum(costs.values()):8.1f} µs")
    for name, size in sizes().items():
        print(f"{name:14} {size:8.0f} bytes, p95")


if __name__ == "__main__":
    main()
