"""A batch comes to the same as its inputs one by one. Chance is taken out: without uncertainty a draw is the expected reward."""

from collections import Counter
from collections.abc import Iterator
from random import Random
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from state.candidates.bundle import Bundle
from state.choosing.choice import Chooser
from state.configuration import Settings
from state.core.batch_core import Work
from state.feature_set import DIMENSION
from state.kernels.core.layout import EVENT, OUTS, ROOM
from state.model.sums import Example
from state.session.forms import decode_session
from state.session.session import Session
from tests.state.core.scene import Act, Scene, chooser_of, named_once
from tests.state.core.twin import CompiledHost, Told, assert_same_profile
from tests.state.shop import MINUTE, T0, predictor_of

CERTAIN: dict[str, dict[str, Any]] = {
    "bandit": {"confidence": 0.0, "floor": 0.0},
    "candidates": {"max": 128, "sources": {"anywhere": 0}},
}
PRODUCTS = 40
BUNDLES = {"b1": Bundle("b1", "p1", ["p2"], 0.1), "b2": Bundle("b2", "p2", ["p1", "p30"], 0.25, T0 + MINUTE)}
FIRST_NAME = 1 << 32
"""From there on all names of decisions have the same length."""
SHARES = {
    "wait": 1,
    "event": 3,
    "react": 3,
    "impression": 2,
    "again": 1,
    "extreme": 1,
    "timer": 1,
    "pending": 1,
    "repeat": 1,
    "odd": 1,
}
WHATS = [what for what, share in SHARES.items() for _ in range(share)]


_ways: Counter[str] = Counter()


@pytest.fixture(scope="module", autouse=True)
def _most_are_compiled() -> Iterator[None]:
    """After all tests of this module: it was the compiled core that was compared."""
    yield
    assert not _ways or _ways["compiled"] > _ways["python"] > 0, _ways


class Paired(Scene):
    """A scene whose inputs go one by one to one host, and as a batch to another; what is done to the shop, to both shops."""

    def __init__(self, overrides: dict[str, dict[str, Any]], seed: int) -> None:
        super().__init__(
            {name: CERTAIN.get(name, {}) | overrides.get(name, {}) for name in {**CERTAIN, **overrides}}, seed
        )
        self.one, self.many = (_host(self.settings, seed, token) for token in (1, 2))
        self.twins.compiled = self.one
        self.bundles |= BUNDLES
        self.works: list[Work] = []
        self.names: dict[bytes, bytes] = {}

    def _run(self, work: Work) -> None:
        self.works.append(work)

    def flush(self) -> int:
        """Run what waits in both, and compare; returns how many inputs that were.

        Raises:
            AssertionError: something differs.
        """
        order = dict.fromkeys(work.session_id for work in self.works)
        works = [work for session_id in order for work in self.works if work.session_id == session_id]
        self.works.clear()
        for ours, theirs in self._slates(order):
            self.names[theirs] = ours
        one = [self.one.run([work], self.now_ms, self._watermark_ms)[0] for work in works]
        back = {ours: theirs for theirs, ours in self.names.items()}
        sent = [work._replace(payload=_renamed(work.payload, back)) for work in works]
        many = self.many.run(sent, self.now_ms, self._watermark_ms)
        for a, b in zip(one, many, strict=True):
            if a.profile is not None and b.profile is not None:
                self.names[_decision(b.profile)] = _decision(a.profile)
        for work, a, b in zip(works, one, many, strict=True):
            if a.by_python and b.by_python and a.profile is not None and b.profile is not None:
                # the Python core keeps what it expected of its newest slate alone; of others that is summed anew
                assert_same_profile(_renamed(b.profile, self.names), a.profile)
                a.profile = b.profile = None
            assert _told(a) == _renamed(_told(b), self.names), work
        for session_id in order:
            held = self.one.sessions.get(session_id), self.many.sessions.get(session_id)
            ours, theirs = (b"" if data is None else decode_session(data).encode() for data in held)
            assert ours == _renamed(theirs, self.names)
        assert self.one.counts == self.many.counts
        assert sorted(self.one.wanted) == sorted(self.many.wanted)
        self.one.wanted.clear()
        self.many.wanted.clear()
        return len(works)

    def _slates(self, order: dict[str, None]) -> list[tuple[bytes, bytes]]:
        found: list[tuple[bytes, bytes]] = []
        for session_id in order:
            sessions = [host.sessions.get(session_id) for host in (self.one, self.many)]
            if sessions[0] is not None and sessions[1] is not None:
                kept = [
                    [slate.decision_id.encode() for slate in decode_session(data).slates] for data in sessions if data
                ]
                found += zip(*kept, strict=True)
        return found


def _host(configuration: Settings, seed: int, token: int) -> CompiledHost:
    chooser = named_once(lambda: chooser_of(configuration, seed, products=PRODUCTS, odd_names=False), token + 2)
    for of_variant in certain(chooser).of_all_variants():
        of_variant._named = FIRST_NAME
    for bundle in BUNDLES.values():
        chooser.shelf.bundles.put(bundle)
    host: CompiledHost = named_once(lambda: CompiledHost(configuration, chooser, seed), token)
    host.world.record["named"] = FIRST_NAME
    return host


def certain(chooser: Chooser) -> Chooser:
    """The chooser with a model."""
    rng = np.random.default_rng(3)
    rewards = [
        Example(T0, f"p{n % 9}", rng.uniform(0, 1, DIMENSION).astype(np.float16).tobytes(), 1, 0.3, 0.1)
        for n in range(90)
    ]
    chooser.use_model(predictor_of(rewards, DIMENSION))
    return chooser


def _decision(profile: bytes) -> bytes:
    return str(msgspec.json.decode(profile)["decision_id"]).encode()


def _renamed(data: bytes, names: dict[bytes, bytes]) -> bytes:
    for theirs, ours in names.items():
        if theirs in data:
            data = data.replace(theirs, ours)
    return data


def _told(told: Told) -> bytes:
    return msgspec.json.encode(
        [
            (told.profile or b"").decode(),
            told.write and (told.write.generation, told.write.version, told.write.updated_at_ms),
            told.decisions,
            told.outcomes,
            told.examples,
            told.accepted,
            told.timer_ms,
            told.pending_ms,
            told.by_python,
        ]
    )


@pytest.mark.parametrize(
    "overrides",
    [
        {},
        {"session": {"max_events": 6}, "exposure": {"open_max": 5}},
        {"profile": {"min_interval": 2_000}},
        {"exposure": {"mode": "implicit", "implicit_dwell": 0}},
        {
            "bandit": {
                "variants": {
                    "confident": {"share": 0.4, "policy": "lin_ucb", "confidence": 0.5},
                    "other": {"share": 0.2, "policy": "ucb1"},
                }
            },
            "decisions": {"log": "published"},
        },
    ],
    ids=str,
)
@settings(max_examples=15, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(
    acts=st.lists(
        st.builds(Act, st.sampled_from(WHATS), st.integers(0, 3), st.integers(0, 2**32 - 1)), min_size=80, max_size=80
    ),
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=5),
)
def test_a_batch_comes_to_the_same_as_its_inputs_one_by_one(
    overrides: dict[str, dict[str, Any]], acts: list[Act], sizes: list[int]
) -> None:
    scene = Paired(overrides, 1)
    flushed = 0
    for number, act in enumerate(acts):
        scene.play(act)
        if len(scene.works) >= sizes[flushed % len(sizes)] or number == len(acts) - 1:
            try:
                scene.flush()
            except Exception as error:
                error.add_note(f"found again by these sizes: {sizes}, and these acts: {acts[: number + 1]}")
                raise
            flushed += 1
    _ways.update(scene.many.ways)


def test_a_batch_of_more_than_a_call_takes_with_buffers_that_fill() -> None:
    scene = Paired({}, 2)
    scene.works = []
    for turn in range(2):
        rng = Random(turn)
        for _ in range(700):
            scene._event(f"session-{rng.randrange(150)}", rng)
        if turn:  # every buffer takes a few inputs, so that calls end early
            core = scene.many.core
            for which in range(OUTS):
                core._ends[which] = core._begins[which] + 2 * ROOM[which] + 20_000
        assert scene.flush() == 700
        scene.now_ms += MINUTE
    assert scene.many.ways["compiled"] > 1_000


def test_an_event_that_more_has_to_go_for_than_is_noted_leaves_nothing_behind() -> None:
    """The Python core applies it: what stood before it in the same batch is kept, and it is no duplicate of itself."""
    scene = Paired({}, 3)

    def send(number: int, **fields: Any) -> None:
        told = {"session_id": "s", "timestamp": scene.now_ms - 1_000_000 + number, "event_id": f"e{number}"} | fields
        scene.works.append(Work(EVENT, "s", msgspec.json.encode(told), scene.now_ms))

    for number in range(100):
        send(number, event_type="search", query="q")
    for number in range(100, 121):
        send(number, event_type="checkout", items=[{"product_id": f"b{item}"} for item in range(24)])
    scene.flush()
    send(121, event_type="search", query="q")
    send(122, event_type="checkout", items=[{"product_id": f"b{item}"} for item in range(24)])
    scene.flush()
    session = _session_of(scene.many)
    assert (session.applied, session.duplicates, len(session.recent.events)) == (123, 0, 22)
    assert scene.many.ways["python"] == 1


def _session_of(host: CompiledHost) -> Session:
    return decode_session(host.sessions["s"])
