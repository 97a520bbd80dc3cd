"""CPU time of one event in the compiled core against the Python core: the same events, in one process, in turns.

`python -m benchmarks.cores [--events N] [--rounds N]`. What Flink and Redis add is not in here.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np

from benchmarks.in_process import InProcess
from benchmarks.lab.ours import Heliotrope
from benchmarks.traffic import catalogue, messages, traffic
from state.catalogue.product import Product
from state.core.assembly import batch_core
from state.core.batch_core import BatchCore, Found, Work
from state.events.event import Event, read_event
from state.kernels.core.layout import EVENT
from state.session.forms import decode_session

START_MS = 1_763_770_000_000
MAX_BYTES, MAX_FUTURE_MS = 65_536, 300_000
MODEL_EVENTS = 6_000
LATE_MS = 60_000
BATCHES = (1, 3, 16, 64)


class Input(NamedTuple):
    """An event as it comes, and when."""

    session_id: str
    payload: bytes
    now_ms: int


class _Sessions:
    """Owner of the sessions that does no more than hold them; see `Host`."""

    def __init__(self, job: InProcess) -> None:
        self._job = job
        self.sessions: dict[str, bytes] = {}
        self.by_python = 0
        self.exposures = 0

    def get(self, session_id: str) -> bytes | None:
        return self.sessions.get(session_id)

    def put(self, session_id: str, data: bytes | None) -> None:
        if data is not None:
            self.sessions[session_id] = data

    def carry_out(self, work: Work, found: Found) -> None:
        pass

    def apply_by_python(self, work: Work) -> None:
        self.by_python += 1

    def publish_by_python(self, work: Work) -> None:
        self.by_python += 1

    def failed(self, error: Exception) -> None:
        raise error

    def count(self, name: str, by: int, variant: str) -> None:
        self.exposures += by if name == "exposures" else 0

    def want(self, product_ids: list[str]) -> None:
        self._job.chooser.catalogue.want(product_ids)


def shop() -> InProcess:
    """The job in process with a catalogue and a model that has learned something."""
    method = Heliotrope({}, 0)
    for product in catalogue(0):
        method.product(msgspec.convert(product, Product), START_MS)
    for one in inputs(MODEL_EVENTS, 5, 300, START_MS - 10_000_000):
        event = read_event(one.payload, now_ms=one.now_ms, max_bytes=MAX_BYTES, max_future_ms=MAX_FUTURE_MS)
        assert isinstance(event, Event)
        method.event(event, one.now_ms)
    method.job.sessions.clear()
    return method.job


def inputs(count: int, seed: int, sessions: int | None, start_ms: int = START_MS) -> list[Input]:
    """Events of the benchmarks' traffic, of so many sessions that last, or of real lengths."""
    events = traffic(count, start_ms, seed, sessions=sessions)
    return [
        Input(key.decode(), payload, int(now_ms))
        for (key, payload), now_ms in zip(messages(events), events.times_ms.tolist(), strict=True)
    ]


def by_python(job: InProcess, given: Sequence[Input]) -> Callable[[Input], None]:
    """What the operator does for one event with the Python core."""
    personalizer, sessions = job.personalizer, job.sessions

    def apply(one: Input) -> None:
        event = read_event(one.payload, now_ms=one.now_ms, max_bytes=MAX_BYTES, max_future_ms=MAX_FUTURE_MS)
        assert isinstance(event, Event)
        data = sessions.get(event.session_id)
        session = None if data is None else decode_session(data)
        effect = personalizer.apply(
            session, event, record_ms=one.now_ms, now_ms=one.now_ms, watermark_ms=one.now_ms - LATE_MS
        )
        assert effect.session is not None
        sessions[event.session_id] = effect.session.encode()

    return apply


def compiled(job: InProcess) -> tuple[BatchCore, _Sessions]:
    """The compiled core over the same shop."""
    host = _Sessions(job)
    return batch_core(job.personalizer, np.random.default_rng(1), b"salt", host), host


def measure(given: list[Input], lead: int, rounds: int) -> dict[str, list[float]]:
    """µs of CPU an event behind the lead, by way, a figure for each round; the ways take turns."""
    found: dict[str, list[float]] = {}
    for _ in range(rounds):
        job = shop()
        apply = by_python(job, given)
        found.setdefault("python", []).append(_timed_python(apply, given, lead))
        for batch in BATCHES:
            core, host = compiled(job)
            found.setdefault(f"compiled, {batch} in a call", []).append(_timed_compiled(core, given, lead, batch))
            assert host.by_python <= len(given) // 20, "the Python core was asked"
    return found


def _timed_python(apply: Callable[[Input], None], given: list[Input], lead: int) -> float:
    began = 0.0
    for number, one in enumerate(given):
        if number == lead:
            began = time.thread_time()
        apply(one)
    return (time.thread_time() - began) / (len(given) - lead) * 1e6


def _timed_compiled(core: BatchCore, given: list[Input], lead: int, batch: int) -> float:
    began = 0.0
    for at in range(0, len(given), batch):
        if at <= lead < at + batch:
            began, counted = time.thread_time(), len(given) - at
        these = given[at : at + batch]
        now_ms = these[-1].now_ms
        works = [Work(EVENT, one.session_id, one.payload, one.now_ms, one) for one in these]
        core.run(works, now_ms, now_ms - LATE_MS, 100, 0)
    return (time.thread_time() - began) / counted * 1e6


def cores(events: int, rounds: int) -> dict[str, Any]:
    """The figures of both kinds of traffic: medians in µs, and how many times the Python core's each is."""
    report: dict[str, Any] = {}
    for name, given, lead in (
        ("mixed", inputs(events + events // 2, 0, None), events // 2),
        ("lasting", inputs(events + 9_000, 0, 500), 9_000),
    ):
        found = {way: float(np.median(figures)) for way, figures in measure(given, lead, rounds).items()}
        report[name] = {
            "us": {way: round(value, 1) for way, value in found.items()},
            "times": {way: round(found["python"] / value, 2) for way, value in found.items() if way != "python"},
        }
    return report


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=6_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    for name, of in cores(options.events, options.rounds).items():
        for way, value in of["us"].items():
            times = of["times"].get(way)
            print(f"{name:8} {way:24} {value:8.1f} µs" + (f"  {times:5.2f} ×" if times else ""))


if __name__ == "__main__":
    main()
