"""`make fuzz-kernels`: the compiled core in checked mode, where every access is looked up, against whatever may come.

HELIOTROPE_CHECKED_KERNELS=1 python -m tests.state.core.fuzz [SECONDS] [SEED]

Payloads are unusual, states damaged, names and lists as long as they may be and longer, buffers nearly full. A wrong access is an
IndexError: the last lines say by which seed it is found again.
"""

import sys
import time
from collections import Counter
from random import Random
from typing import Any

import msgspec

from state.catalogue.product import Product
from state.codec import READ_FAILURES, UnreadableError
from state.core.batch_core import BatchCore, Found, Work
from state.kernels.core import memory
from state.kernels.core.layout import EVENT, OUTS, ROOM
from state.session.session import Session
from tests.state.core.damage import damaged
from tests.state.core.scene import ACTS, Act, Scene
from tests.state.core.twin import CompiledHost
from tests.state.shop import MINUTE

CANARY = 0xA5
MOST_LISTS = 100
"""Of which each takes several regions, all of which are looked through."""
SETTINGS: tuple[dict[str, dict[str, Any]], ...] = (
    {},
    {"session": {"max_events": 6}, "exposure": {"open_max": 4}},
    {"profile": {"min_interval": 2_000, "max_bytes": 1_024}, "reward": {"aggregate": "sum"}},
    {
        "profile": {"max_bytes": 65_536, "affinities": 50, "trends": 20},
        "exposure": {"mode": "implicit", "implicit_items": 20},
    },
    {
        "candidates": {"max": 128},
        "variety": {"category_share": 0.1, "personal_share": 0.1},
        "reward": {"aggregate": "max"},
    },
    {
        "bandit": {
            "policy": "softmax",
            "variants": {
                "confident": {"share": 0.3, "policy": "lin_ucb"},
                "greedy": {"share": 0.3, "policy": "epsilon_greedy"},
                "other": {"share": 0.1, "policy": "thompson_beta"},
            },
        },
        "variety": {"category_share": 0.1, "personal_share": 0.1},
        "decisions": {"log": "published"},
    },
)
LEAST_ROUNDS = len(SETTINGS)
_WHATS = [what for what in ACTS if what not in ("consent", "crash")]


class FuzzedHost(CompiledHost):
    """A host whose sessions may be damaged, and whose Python core may fail on them."""

    failures: list[Exception]
    harmed: set[str]

    def failed(self, error: Exception) -> None:
        """See `Host`."""
        self.failures.append(error)

    def carry_out(self, work: Work, found: Found) -> None:
        """See `Host`: what comes of a session that was never damaged is read."""
        if work.session_id in self.harmed:
            self.ways["compiled, damaged"] += 1
        else:
            super().carry_out(work, found)

    def apply_by_python(self, work: Work) -> None:
        """See `Host`."""
        self._try(super().apply_by_python, work)

    def publish_by_python(self, work: Work) -> None:
        """See `Host`."""
        self._try(super().publish_by_python, work)

    def want(self, product_ids: list[str]) -> None:
        """See `Host`."""

    def _try(self, apply: Any, work: Work) -> None:
        try:
            apply(work)
        except (AssertionError, *READ_FAILURES):
            if work.session_id not in self.harmed:
                raise
            self.ways["lost"] += 1
            self.sessions.pop(work.session_id, None)


class Fuzzed(Scene):
    """A scene whose inputs wait for a batch."""

    def __init__(self, seed: int) -> None:
        super().__init__(SETTINGS[seed % len(SETTINGS)], seed)
        self.host = FuzzedHost(self.settings, self.chooser, seed)
        self.host.failures, self.host.harmed = [], set()
        self.twins.compiled = self.host
        self.works: list[Work] = []

    def flush(self, rng: Random, damages: bool = True) -> None:
        """Run what waits in one call or a few, with states that are damaged and buffers of any size that suffices."""
        host, core = self.host, self.host.core
        works = [self._mutated(work, rng) for work in self.works] if damages else self.works.copy()
        self.works.clear()
        for session_id in {work.session_id for work in works}:
            held = host.sessions.get(session_id)
            if damages and held is not None and held[:1] == b"\x02" and rng.random() < 0.3:
                host.sessions[session_id] = damaged(held, rng)
                host.harmed.add(session_id)
        if len(host.world.lists) > MOST_LISTS:
            host.world.lists.clear()
        self._narrow(rng)
        host.run(works, self.now_ms, self._watermark_ms)
        for buffer, begin, end in zip(core._buffers, core._begins, core._ends.tolist(), strict=True):
            if (buffer[end - begin :] != CANARY).any():
                raise IndexError("a write behind the end of a buffer")
        if host.failures:
            raise IndexError(f"{host.failures[0]}: {_whereabouts(core)}; the last inputs: {works[-3:]}")

    def _narrow(self, rng: Random) -> None:
        """Leaves each buffer room for one input, or for some."""
        core = self.host.core
        for number in range(OUTS):
            least = int(ROOM[number]) * (2 if number == OUTS - 1 else 1)
            size = min(len(core._buffers[number]), least + rng.choice((0, 1, 100, 5_000, 1 << 22)))
            core._ends[number] = core._begins[number] + size
            core._buffers[number][size:] = CANARY

    def _mutated(self, work: Work, rng: Random) -> Work:
        if work.kind != EVENT or rng.random() < 0.7:
            return work
        payload = bytearray(work.payload)
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(payload) + 1)
            if rng.random() < 0.5:
                payload[at : at + rng.randrange(3)] = rng.choice(_PIECES)
            else:
                payload[at:at] = payload[rng.randrange(len(payload) + 1) :][: rng.randrange(40)]
        return work._replace(payload=bytes(payload))

    def _hint(self, session_id: str, rng: Random) -> None:
        if session_id not in self.host.harmed:
            super()._hint(session_id, rng)

    def _run(self, work: Work) -> None:
        self.works.append(work)

    def _session(self, session_id: str) -> Session | None:
        try:
            return super()._session(session_id)
        except UnreadableError:
            return None


def _whereabouts(core: BatchCore) -> str:
    """Where the address that was refused lies, by the region before it."""
    at = memory.refused()
    begin, size = max((region for region in core._regions() if region[0] <= at), default=(0, 0))
    return f"{at - begin} bytes behind the begin of a region of {size}"


_PIECES = (
    b'"',
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b",",
    b"0",
    b"9" * 20,
    b"-",
    b"e5",
    b".",
    b" ",
    b"\x00",
    b"\xff",
    b"null",
    b'":"',
    b"\xc3\xb6",
    b"\xe6\x9d",
    b"\xf0\x9f\x98\x80",
    b"\\u00f6",
    b"\\ud83d\\ude00",
    b"\\ud83d",
    b"\\u0",
    b',"context":{"\\u00e4":-1.50,"b":"' + b"\xe5\xba\x97" * 60 + b'"}',
)


def one_round(seed: int, acts: int = 150) -> Counter[str]:
    """A shop's life of so many acts; returns what came about.

    Raises:
        IndexError: an access was wrong.
    """
    rng, scene = Random(seed), Fuzzed(seed)
    for _ in range(acts):
        session = rng.choice((0, 0, 1, 2, rng.randrange(300)))
        scene.play(Act(rng.choices(_WHATS, [ACTS[what] for what in _WHATS])[0], session, rng.getrandbits(32)))
        if len(scene.works) > rng.choice((0, 0, 3, 30, 300)):
            scene.flush(rng)
    scene.flush(rng)
    scene.finish()
    return scene.seen


def learn_of_many_products(seed: int) -> None:
    """A session is full of products that nobody knows, all of which come to be known, each in a category of its own.

    Raises:
        IndexError: an access was wrong.
    """
    rng, scene = Random(seed), Fuzzed(0)
    names = [f"n{number}" for number in range(480)]
    for at in range(0, len(names), 20):
        items = [{"product_id": name} for name in names[at : at + 20]]
        fields = {"session_id": "s", "event_type": "checkout", "timestamp": scene.now_ms - at, "items": items}
        scene.works.append(Work(EVENT, "s", msgspec.json.encode(fields), scene.now_ms))
    scene.flush(rng, damages=False)
    for name in names:
        scene.chooser.catalogue.put(Product(name, f"{name}-".ljust(62, "c")))
    scene.now_ms += MINUTE
    fields = {"session_id": "s", "event_type": "product_view", "timestamp": scene.now_ms, "product_id": "n1"}
    scene.works.append(Work(EVENT, "s", msgspec.json.encode(fields), scene.now_ms))
    scene.flush(rng, damages=False)
    session = scene._session("s")
    assert session is not None
    assert session.applied == 25
    assert all(category for event in session.recent.events for category in event.categories)


def refuses_what_it_does_not_know() -> bool:
    """Return whether the checked mode finds a wrong access: to the inputs, which are said to lie elsewhere."""
    scene = Fuzzed(0)
    core = scene.host.core
    known = core._regions
    core._regions = lambda: [region for region in known() if region[0] != core._given_at]  # type: ignore[method-assign]
    scene.play(Act("event", 0, 1))
    try:
        scene.flush(Random(1))
    except IndexError:
        return True
    return False


def main() -> int:
    """Fuzzes for so many seconds after compiling; returns the exit status."""
    seconds, seed = (int(word) for word in (*sys.argv[1:3], *("60", "1")[len(sys.argv) - 1 :]))
    if not memory.IS_CHECKED or not refuses_what_it_does_not_know():
        sys.stdout.write("fuzz: nothing is checked; is HELIOTROPE_CHECKED_KERNELS=1?\n")
        return 2
    learn_of_many_products(seed)
    seen: Counter[str] = Counter()
    end, rounds = time.monotonic() + seconds, 0
    while rounds < LEAST_ROUNDS or time.monotonic() < end:
        try:
            seen += one_round(seed)
        except Exception as error:
            sys.stdout.write(f"fuzz 1 {seed} finds it again: {type(error).__name__}: {error}\n")
            raise
        rounds, seed = rounds + 1, seed + 1
    sys.stdout.write(f"{rounds} rounds, no wrong access; {dict(sorted(seen.items()))}\n")
    return (
        0 if all(seen[what] for what in ("way: compiled", "way: compiled, damaged", "way: python", "way: lost")) else 1
    )


if __name__ == "__main__":
    sys.exit(main())
