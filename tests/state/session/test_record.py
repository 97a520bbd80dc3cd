"""A session as the compiled core's record and back: nothing is lost, and what is damaged is refused by both readers."""

import math
from collections import Counter
from pathlib import Path
from random import Random

import msgspec
import numpy as np
import pytest

from state.candidates.bundle import Bundle
from state.codec import UnreadableError
from state.core.batch_core import Work
from state.kernels.core.layout import COUNT_CAPACITY, EVENT, HEAD_BYTES, REPEAT
from state.session.forms import decode_session
from state.session.hint import Hint
from state.session.record import pack_record
from state.session.session import Session
from tests.state.core.damage import COUNTS, Parts, damaged
from tests.state.core.scene import ACTS, Act, Scene, chooser_of, settings_of
from tests.state.core.twin import CompiledHost, assert_same
from tests.state.shop import T0

GOLDEN = Path(__file__).parents[1] / "golden" / "session-2.bin"
POLICY, VARIANT = "thompson_linear", "default"


def pack(session: Session) -> bytes:
    data = pack_record(session, POLICY, VARIANT)
    assert data is not None
    return data


@pytest.fixture(scope="module")
def lives() -> list[bytes]:
    """State values as records from sessions of all kinds: by the kernel, and by Python."""
    found = {GOLDEN.read_bytes(): None}
    for seed in range(8):
        overrides = {"session": {"max_events": 8 if seed % 2 else 128}, "exposure": {"open_max": 2 + seed}}
        scene, rng = Scene(overrides, seed), Random(seed)
        scene.bundles["b1"] = Bundle("b1", "p1", ["p2", "p3"], 0.1)
        scene.chooser.shelf.bundles.put(scene.bundles["b1"])
        for number in range(60):
            whats = rng.choices(list(ACTS), list(ACTS.values()))
            scene.play(Act(whats[0], rng.randrange(2), rng.getrandbits(32)))
            if number % 10 == 9:
                by_python = [pack_record(session, POLICY, VARIANT) for session in scene.twins.sessions.values()]
                for data in (*scene.twins.compiled.sessions.values(), *by_python):
                    if data is not None and data[:1] == b"\x02":
                        found[data] = None
    return [*found]


def test_a_session_goes_there_and_back_unchanged(lives: list[bytes]) -> None:
    seen: Counter[str] = Counter()
    for data in lives:
        session = decode_session(data)
        again = pack(session)
        assert_same(decode_session(again), session)
        assert pack(decode_session(again)) == again
        other = session.encode()
        assert other[:1] == b"\x01"
        assert_same(decode_session(other), session)
        assert_same(decode_session(pack(decode_session(other))), session)
        seen["events"] += len(session.recent.events)
        seen["exposures"] += len(session.exposures)
        seen["slates"] += len(session.slates)
        seen["credited"] += sum(len(event.credited) for event in session.recent.events)
        seen["shown"] += len(session.shown)
        seen["horizon"] += session.recent.horizon != (0, "")
        seen["user"] += bool(session.user)
        seen["hint"] += bool(session.hint)
        seen["bundles"] += any(event.bundles for event in session.recent.events)
    expected = ("events", "exposures", "slates", "credited", "shown", "horizon", "user", "hint", "bundles")
    assert all(seen[what] for what in expected), seen


def test_an_empty_session_is_a_record_too() -> None:
    assert_same(decode_session(pack(Session.begin(7))), Session.begin(7))


def test_texts_beyond_ascii_have_a_place_in_a_record() -> None:
    session = Session.begin(T0)
    session.region, session.moment = "süd\u3000\u2028\x7f", ["Wetter:schön", "東京:\U0001f327"]
    session.shown = {"ö" * 31: 1, "商品": 2}
    assert_same(decode_session(pack(session)), session)


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s.consent.record(granted=True, timestamp_ms=T0),
        lambda s: s.consent.erase(T0),
        lambda s: setattr(s, "hint", b"\x01"),
        lambda s: setattr(s, "hint", Hint("another", 1, 2.0, {"p1": 1.0}).encode()),
        lambda s: setattr(s, "hint", Hint("", 1, 2.0, {"p1": 5.0}).encode()),
        lambda s: setattr(s, "hint", Hint("", 1, 2.0, {"p1": -1.0}).encode()),
        lambda s: setattr(s, "hint", Hint("", 1, math.inf, {"p1": 1.0}).encode()),
        lambda s: setattr(s, "hint", Hint("", 1, 2.0, {f"p{n}": 1.0 for n in range(49)}).encode()),
        lambda s: setattr(s, "hint", Hint("", 1, 2.0, {"p1": 1.0}, {"c" * 63: 1.0}).encode()),
        lambda s: setattr(s, "hint", Hint("", 1, 2.0, {"p1": 1.0}, items=[f"{n:060}" for n in range(200)]).encode()),
        lambda s: setattr(s, "region", 'north"'),
        lambda s: setattr(s, "region", "r" * 129),
        lambda s: setattr(s, "region", "ü" * 65),
        lambda s: setattr(s, "moment", ["context:a\x00b"]),
        lambda s: setattr(s, "moment", ["time:night", "device:a\x1db"]),
        lambda s: setattr(s, "shown", {"p" * 63: 1}),
        lambda s: setattr(s, "shown", {"back\\slash": 1}),
        lambda s: setattr(s, "shown", {f"p{n}": 1 for n in range(65)}),
        lambda s: setattr(s, "generation", 1 << 63),
    ],
)
def test_what_a_record_has_no_place_for_stays_in_the_other_form(change: object) -> None:
    session = Session.begin(T0)
    change(session)  # type: ignore[operator]
    assert pack_record(session, POLICY, VARIANT) is None


def test_slates_of_another_policy_stay_in_the_other_form(lives: list[bytes]) -> None:
    with_slates = next(session for session in map(decode_session, lives) if session.slates)
    assert pack_record(with_slates, "lin_ucb", VARIANT) is None
    assert pack_record(with_slates, POLICY, "other") is None


def test_damaged_records_raise_unreadable_error_and_nothing_else(lives: list[bytes]) -> None:
    rng = Random(11)
    outcomes: Counter[str] = Counter()
    for number in range(3_000):
        data = damaged(lives[number % len(lives)], rng)
        try:
            decode_session(data)
            outcomes["read"] += 1  # a changed number is another number
        except UnreadableError:
            outcomes["refused"] += 1
    assert outcomes["refused"] > 800
    assert outcomes["read"] > 200


def wrong(data: bytes) -> dict[str, bytes]:
    """State values with one thing wrong, by what it is; reading any of them as it stands would reach beyond the record."""
    found = {"empty behind the form": b"\x02", "too short": data[:HEAD_BYTES], "cut": data[:-1], "longer": data + b"x"}
    for which, name in enumerate(COUNTS):
        for what, value in (("negative", -1), ("too many", int(COUNT_CAPACITY[which]) + 1), ("other", 3)):
            parts = Parts(data)
            if parts.head[name][0] != value:
                parts.head[name] = value
                found[f"{what} {name}"] = parts.joined()
    for count in (0, 3, 5):
        parts = Parts(data)
        parts.resize(count, int(COUNT_CAPACITY[count]) - 1)
        found[f"no room behind {COUNTS[count]}"] = parts.joined()
    numbers: tuple[tuple[str, float], ...] = (
        ("na_off", 65_535),
        ("ev_off", 65_535),
        ("ev_first", 65_535),
        ("ev_n", 255),
        ("ev_kind", 11),
        ("ev_decision", 767),
        ("ev_bundles", 65_535),
        ("ev_bundles", 1),
        ("to_product", 767),
        ("to_category", 767),
        ("op_product", 767),
        ("op_decision", 767),
        ("op_position", 20),
        ("sl_n", 21),
        ("sl_decision", 767),
        ("sl_product", 767),
        ("sh_name", 767),
        ("op_reward", np.nan),
        ("op_told_reward", np.inf),
        ("ev_strength", 999),
        ("sl_propensity", np.nan),
        ("hi_name", 767),
        ("hi_name", 0),
        ("hi_value", np.nan),
        ("hi_value", -1.0),
        ("hi_value", 1e11),
    )
    for column, number in numbers:
        parts = Parts(data)
        parts.columns[column].reshape(-1)[0] = number
        found[f"{column} {number}"] = parts.joined()
    for field in ("horizon_off", "region_off", "moment_off", "moment_len", "user_off", "policy_off", "listed_off"):
        parts = Parts(data)
        parts.head[field] = 65_535
        found[f"{field} beyond the texts"] = parts.joined()
    for field, told in (("hint_products", 255.0), ("has_hint", 0.0), ("hint_total", np.nan), ("hint_total", -1.0)):
        parts = Parts(data)
        parts.head[field] = told
        found[f"{field} {told}"] = parts.joined()
    parts = Parts(data)
    parts.head["listed_len"] -= 1
    found["a list that ends early"] = parts.joined()
    parts = Parts(data)
    parts.head["policy_len"] = 1
    found["another policy"] = parts.joined()
    parts = Parts(data)
    parts.columns["na_off"][:], parts.columns["na_len"][:] = 0, 60
    parts.resize(2, int(COUNT_CAPACITY[2]))
    found["many names of the same text"] = parts.joined()
    return found


def wrong_bundles(data: bytes) -> dict[str, bytes]:
    """State values in which something is wrong with the first bundle that was bought."""
    parts = Parts(data)
    at = int(next(place for place in parts.columns["ev_bundles"] if place)) - 1
    found = {}
    for what, offset, value in (
        ("ending early", 0, int(parts.columns["pool"][at]) - 1),
        ("beyond the texts", 0, 255),
        ("without products", 1, 0),
        ("of more products than it has", 1, 200),
        ("of a product that is none of the event's", 2, 24),
    ):
        parts = Parts(data)
        parts.columns["pool"][at + offset] = value
        found[what] = parts.joined()
    parts = Parts(data)
    parts.columns["ev_kind"][parts.columns["ev_bundles"] > 0] = 0
    return found | {"of a view": parts.joined()}


def full_life(lives: list[bytes]) -> bytes:
    """A record that has something in each of its columns, and a user's list."""
    listed = [data for data in lives if Parts(data).head["listed_len"][0]]
    return max(listed, key=lambda data: min(len(column) for column in Parts(data).columns.values()))


def test_the_compiled_core_refuses_what_is_wrong_and_changes_nothing(lives: list[bytes]) -> None:
    life = full_life(lives)
    assert all(len(column) for column in Parts(life).columns.values())
    configuration = settings_of({})
    host = CompiledHost(configuration, chooser_of(configuration, 1), 1)
    fields = {"session_id": "s", "event_type": "product_view", "timestamp": T0, "product_id": "p1"}
    works = [Work(EVENT, "s", msgspec.json.encode(fields), T0), Work(REPEAT, "s", b"", T0)]
    left: list[Work] = []
    host.apply_by_python = left.append  # type: ignore[method-assign, assignment]
    bundled = next(data for data in lives if any(Parts(data).columns["ev_bundles"]))
    for what, data in (wrong(life) | wrong_bundles(bundled)).items():
        for work in works:
            host.sessions["s"] = data
            host.run([work], T0 + 10_000_000, T0)
            assert [one.kind for one in left] == [work.kind], what
            assert host.sessions["s"] == data, what
            left.clear()
    host.sessions["s"] = life
    host.run(works, T0 + 10_000_000, T0)
    assert not left, "what is not damaged is read"


def test_the_compiled_core_goes_on_with_a_record_of_the_first_release_that_had_one() -> None:
    configuration = settings_of({})
    host = CompiledHost(configuration, chooser_of(configuration, 1), 1)
    host.sessions["s"] = GOLDEN.read_bytes()
    fields = {"session_id": "s", "event_type": "product_view", "timestamp": T0 + 2_405_000, "product_id": "p1"}
    told = host.run([Work(EVENT, "s", msgspec.json.encode(fields), T0 + 2_405_010)], T0 + 2_405_010, T0)[0]
    assert (host.ways["compiled"] > 0, host.ways["python"]) == (True, 0)
    assert told.profile is not None
    assert (decode_session(host.sessions["s"]).applied, decode_session(host.sessions["s"]).generation) == (10, T0 + 10)
