"""The profile's bytes: equal to those of a plain writer, whatever is in the session and the slate."""

import re
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import settings as trials
from hypothesis import strategies as st

from state.configuration import HOUR_MS, MINUTE_MS, Settings
from state.events.event import EVENT_TYPES
from state.feature_set import DIMENSION, FEATURE_SET
from state.kernels import items as kernel
from state.profile.bundle_proposals import Proposal
from state.profile.profile import ProfileExtras, build_profile
from state.session.interest import Interest
from state.session.recent_events import LoggedEvent, RecentEvents
from state.session.session import Session
from state.session.slate import Slate
from tests.state.profile.plain_profile import plain_profile
from tests.state.shop import T0, Visit, event, settings, shop

AWKWARD = ("", '"', "\\", '\\"', '","', '"],["', "\x00\x1f\x7f", "é", "商品", "🛒", "a" * 128, "\x01" * 40)
IDS = st.one_of(st.sampled_from(("p1", "p2", "c1", "c2")), st.sampled_from(AWKWARD), st.text(max_size=12))


def _sizeable(weight: float) -> float:
    """Below this the two writers may round another way."""
    return weight if abs(weight) > 1e-100 else 0.0


WEIGHTS = st.one_of(st.sampled_from((-3.0, 0.0, 0.00004, 0.5, 1.0, 3.0)), st.floats(-100, 100).map(_sizeable))
SHARES = st.one_of(
    st.sampled_from((0.0, 5e-7, 0.0000015, 0.0078125, 0.5, 0.0234375, 1.0)), st.floats(0, 1), st.just(1 - 2**-53)
)


def _features(count: int, width: int) -> st.SearchStrategy[bytes]:
    numbers = st.one_of(st.sampled_from((0.0, 1.0, -1.0, 6e-8, 6e-5)), st.floats(-8, 8, width=16))
    return st.lists(numbers, min_size=count * width, max_size=count * width).map(
        lambda values: np.array(values, np.float16).tobytes()
    )


def _numbers(shape: tuple[int, ...]) -> st.SearchStrategy[np.ndarray[Any, np.dtype[np.float64]]]:
    size = int(np.prod(shape))
    return st.lists(WEIGHTS, min_size=size, max_size=size).map(lambda values: np.array(values).reshape(shape))


@st.composite
def slates(draw: st.DrawFn, count: int) -> Slate:
    """A slate of so many items."""

    def parallel(values: st.SearchStrategy[Any]) -> list[Any]:
        return draw(st.lists(values, min_size=count, max_size=count))

    return Slate(
        decision_id=draw(IDS),
        published_at_ms=T0,
        profile_version=1,
        model_version=draw(st.integers(0, 9)),
        policy="thompson_linear",
        variant=draw(IDS),
        feature_set=FEATURE_SET,
        cause=b"",
        product_ids=parallel(IDS),
        category_ids=parallel(IDS),
        propensity=parallel(SHARES),
        explored=parallel(st.booleans()),
        features=draw(_features(count, draw(st.sampled_from((DIMENSION, DIMENSION, 3))))) if count else b"",
        pinned=parallel(st.booleans()) if draw(st.booleans()) else [],
    )


@st.composite
def sessions(draw: st.DrawFn) -> Session:
    """A session of some events, oldest first."""
    times = sorted(
        draw(st.lists(st.integers(0, 2 * HOUR_MS) | st.sampled_from((0, 5 * MINUTE_MS, HOUR_MS)), max_size=12))
    )
    kinds = st.integers(0, len(EVENT_TYPES) - 1)
    events = [LoggedEvent(T0 + time, draw(IDS).encode(), draw(kinds), [], []) for time in times]
    return Session(
        generation=T0,
        recent=RecentEvents(events),
        consent=Session.begin(0).consent,
        applied=draw(st.integers(0, 99)),
        updated_at_ms=T0 + 1,
        region=draw(IDS | st.just("")),
    )


@st.composite
def extras(draw: st.DrawFn, product_ids: list[str]) -> ProfileExtras:
    """What is said besides the choice."""
    proposals = st.builds(Proposal, IDS, st.lists(IDS, max_size=3), st.floats(0, 1), st.floats(0, 1))
    trend = st.fixed_dictionaries({"product_id": IDS, "region": IDS, "count": st.integers(0, 9), "score": SHARES})
    return ProfileExtras(
        draw(st.sampled_from(("cold", "warming", "active"))),
        draw(st.dictionaries(st.sampled_from([*product_ids, "p1"]), IDS, max_size=5)),
        draw(st.lists(trend, max_size=2)),
        draw(st.lists(proposals, max_size=3)),
    )


@st.composite
def arguments(draw: st.DrawFn) -> tuple[Any, ...]:
    """What a profile is built from."""
    slate = draw(slates(draw(st.sampled_from((0, 1, 3, 7, 20)))))
    count = len(slate.product_ids)
    affinities = st.dictionaries(
        st.sampled_from(slate.product_ids + slate.category_ids + ["p1"]) | IDS, WEIGHTS, max_size=12
    )
    return (
        draw(IDS),
        draw(sessions()),
        slate,
        draw(_numbers((count,))),
        draw(st.none() | _numbers((DIMENSION,)) | _numbers((count, DIMENSION))),
        Interest(draw(affinities), draw(affinities), _sizeable(draw(st.floats(0, 100)))),
        draw(st.dictionaries(IDS, st.floats(0, 5), max_size=8)),
        settings(profile={"max_bytes": draw(st.sampled_from((1_024, 2_048, 4_096, 65_536)))}),
        draw(extras(slate.product_ids)),
    )


@trials(max_examples=150, deadline=None)
@given(arguments())
def test_the_bytes_are_those_of_the_plain_writer(given_: tuple[Any, ...]) -> None:
    assert build_profile(*given_) == plain_profile(*given_)


@trials(deadline=None)
@given(st.one_of(st.floats(0, 1), st.integers(0, 10**7).map(lambda n: n / 10**7)))
@example(0.0078125)
@example(0.0234375)
@example(0.0000005)
@example(5e-324)
@example(0.9999995)
@example(1.0)
def test_numbers_are_rounded_as_python_rounds_them(x: float) -> None:
    assert kernel._rounded(x, 1_000_000) == int(f"{x:.6f}".replace(".", ""))
    assert kernel._rounded(x, 100) == int(f"{round(x, 2):.2f}".replace(".", ""))


def test_items_are_as_many_as_there_is_room_for() -> None:
    visit, configuration = _visit(), settings()
    session = visit.session
    slate = session.slates[-1]
    whole = len(_profile(session, configuration, 65_536, slate))
    counts = {}
    for most in range(1_024, whole + 2):
        profile = _profile(session, configuration, most, slate)
        assert len(profile) <= most
        counts[most] = len(msgspec.json.decode(profile)["score_data"])
    assert list(counts.values()) == sorted(counts.values())
    assert counts[whole + 1] == len(slate.product_ids)


@pytest.mark.parametrize("theta", [None, np.ones(DIMENSION), np.ones((20, DIMENSION)), np.ones((DIMENSION, 20)).T])
def test_one_signature_is_compiled(theta: Any) -> None:
    session = _visit().session
    _profile(session, settings(), 4_096, session.slates[-1], theta)
    assert len(kernel.write_items.signatures) == 1  # type: ignore[attr-defined]


def test_where_a_writer_looks_for_the_version() -> None:
    session = _visit().session
    profile = _profile(session, settings(), 4_096, session.slates[-1])
    assert re.search(rb'"generation":(\d+),"version":(\d+),"updated_at":(\d+)', profile[:160])


def _visit() -> Visit:
    visit = Visit(shop())
    visit.send(event(at_ms=1), event("add_to_cart", at_ms=2))
    return visit


def _profile(session: Session, configuration: Settings, most: int, slate: Slate, theta: Any = None) -> bytes:
    room = msgspec.structs.replace(configuration.profile, max_bytes=most)
    allowed = msgspec.structs.replace(configuration, profile=room)
    interest = Interest({"product-1": 3.0}, {"category-1": 3.0}, 4.0)
    return build_profile("s", session, slate, np.full(len(slate.product_ids), 0.1), theta, interest, {}, allowed)
