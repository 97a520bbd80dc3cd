"""The compiled choice: exact propensities given its draws, the same shares as the Python core's, and uniform random numbers."""

from collections import Counter
from typing import Any

import msgspec
import numpy as np
import pytest
from numba import njit

from state.candidates.sources.names import EXPECTED, RANDOM
from state.choosing.choice import Chooser
from state.configuration import Settings
from state.core.batch_core import Work
from state.events.event import Event, read_event
from state.events.moment import DAY_MS, DAYPARTS, HOUR_MS
from state.feature_set import DIMENSION
from state.kernels.core.layout import EVENT, WORLD
from state.kernels.core.offering import next_random
from state.model.sums import Example
from state.personalizer import Personalizer
from state.session.forms import decode_session
from state.session.group import SEPARATOR, group_of
from tests.state.core.naive_slates import Chance, pick
from tests.state.core.scene import CATEGORIES, chooser_of, product_name, settings_of
from tests.state.core.twin import SALT, CompiledHost
from tests.state.shop import T0, predictor_of

SESSION = "session-1"
FEW = 20
"""Products, few enough that all of them are candidates and nothing is chosen at random before the draws."""


def view(at_ms: int, product: str = "p1", **told: str) -> Work:
    fields = {"session_id": SESSION, "event_type": "product_view", "timestamp": T0 + at_ms, "product_id": product}
    fields |= {name: value for name, value in told.items() if value}
    return Work(EVENT, SESSION, msgspec.json.encode(fields | {"event_id": f"e{at_ms}"}), T0 + at_ms)


def learned(chooser: Chooser, seed: int = 5) -> Chooser:
    """The chooser with a model that knows some products better than others."""
    rng = np.random.default_rng(seed)
    examples = []
    for number in range(300):
        x = rng.uniform(0, 1, DIMENSION).astype(np.float16)
        reward = float(rng.uniform(0, 0.6))
        examples.append(Example(T0, f"p{number % 7}", x.tobytes(), 1.0, reward, reward**2))
    chooser.use_model(predictor_of(examples, DIMENSION))
    return chooser


@pytest.mark.parametrize(
    "overrides",
    [
        {},
        {"bandit": {"floor": 0.5}},
        {"bandit": {"floor": 0.0, "draws": 7}},
        {"variety": {"category_share": 0.1, "personal_share": 0.1}},
        {"variety": {"category_share": 0.15, "personal_share": 0.05}, "bandit": {"floor": 0.3}},
        {"profile": {"items": 3}},
        {"candidates": {"max": 60, "sources": {"anywhere": 0}}},
        {"bandit": {"policy": "lin_ucb", "confidence": 1.0, "floor": 0.2}},
        {
            "bandit": {"policy": "softmax", "temperature": 0.1},
            "variety": {"category_share": 0.1, "personal_share": 0.1},
        },
        {"bandit": {"policy": "epsilon_greedy"}, "variety": {"category_share": 0.1, "personal_share": 0.1}},
        {"bandit": {"policy": "epsilon_decreasing", "epsilon_tau": 300.0}},
        {"bandit": {"policy": "uniform"}},
    ],
    ids=str,
)
def test_a_slates_propensities_are_exact_given_the_draws(overrides: dict[str, dict[str, Any]]) -> None:
    shown_again = {"times_shown": 0, "hide_bought": False} | overrides.get("variety", {})
    configuration = settings_of({"candidates": {"max": 128}} | overrides | {"variety": shown_again})
    chooser = learned(chooser_of(configuration, 1, products=FEW, odd_names=False))
    host = CompiledHost(configuration, chooser, 3)
    record, world = host.core._record[0], host.world.record[0]
    levels: Counter[int] = Counter()
    compared = 0
    for number in range(60):
        work = view(1_000 * number, product_name(number * 7 % FEW))
        before, named = world["random"].copy(), int(world["named"])
        host.run([work], T0 + 1_000 * number, T0)
        if int(world["named"]) - named != 1 or int(record["n"]) != FEW:
            continue  # asked for lists first, and so began twice
        slate = decode_session(host.sessions[SESSION]).slates[-1]
        found = pick(record, world, host.world._normals, Chance(before))
        k = len(slate.product_ids)
        names = [chooser.catalogue.product_ids[record["rows"][item]] for item in found.items]
        assert slate.product_ids == names
        assert slate.propensity == pytest.approx(found.propensity, abs=1e-12)
        assert slate.explored == found.explored
        assert len(found.items) == k == min(configuration.profile.items, FEW)
        levels.update(found.levels)
        compared += 1
    assert compared > 40
    if "variety" in overrides and "category_share" in overrides["variety"]:
        assert set(levels) == {0, 1, 2}


@pytest.mark.parametrize("region", ["north", "south", "unknown land", f"north{SEPARATOR}phone{SEPARATOR}", ""])
@pytest.mark.parametrize("device", ["", "phone", "unknown", f"a{SEPARATOR}b"])
@pytest.mark.parametrize(
    "effects",
    [
        ["region_category"],
        ["region_product"],
        ["region_category", "region_product", "device_category"],
        ["region_category", "region_product", "device_category", "hour_category"],
    ],
    ids=str,
)
def test_both_cores_offer_the_same(region: str, device: str, effects: list[str]) -> None:
    """With what the model expects most of in the session, which differs from one region to the other."""
    most = 100
    configuration = settings_of(
        {"candidates": {"max": most, "sources": {"anywhere": 0}}, "bandit": {"effects": effects}}
    )
    chooser = chooser_of(configuration, 1, products=400, odd_names=False)
    chooser.use_model(predictor_of(_liked_by_region(configuration.bandit.groups), DIMENSION, T0))
    host = CompiledHost(configuration, chooser, 3)
    host.run([view(0, product_name(0), region=region, device=device)], T0, T0)
    session = decode_session(host.sessions[SESSION])
    record, n = host.core._record[0], int(host.core._record[0]["n"])
    context = host.personalizer.publisher.context(session, T0)
    considered = chooser.consider(context, most)
    found = considered.candidates
    ours, theirs = (
        [(row, source) for row, source in zip(rows.tolist(), sources.tolist(), strict=True) if source != RANDOM]
        for rows, sources in ((record["rows"][:n], record["sources"][:n]), (found.rows, found.sources))
    )
    assert ours == theirs
    means = dict(zip(found.rows.tolist(), considered.found.mean, strict=True))
    variances = dict(zip(found.rows.tolist(), considered.found.effect_variance, strict=True))
    shared = [place for place, row in enumerate(record["rows"][:n].tolist()) if row in means]
    rows = record["rows"][shared].tolist()
    np.testing.assert_allclose(record["mean"][shared], [means[row] for row in rows], atol=1e-4)
    deviations = configuration.bandit.confidence * np.sqrt([variances[row] for row in rows])
    np.testing.assert_allclose(record["deviation"][shared], deviations, rtol=1e-4)
    best = [row for row, source in zip(found.rows.tolist(), found.sources.tolist(), strict=True) if source == EXPECTED]
    categories = Counter(int(chooser.catalogue.category[row]) for row in best)
    liked = {"north": "c1", "south": "c2"}.get(region)
    assert best
    assert liked is None or chooser.catalogue.category_ids[categories.most_common(1)[0][0]] == liked


def _liked_by_region(groups: int) -> list[Example]:
    """Exposures of 400 products in two regions, each of which likes another category and some other products, by phones at this
    time of the day."""
    moment = [f"time:{DAYPARTS[T0 % DAY_MS // (6 * HOUR_MS)]}", "device:phone"]
    x = np.zeros(DIMENSION, np.float16)
    x[0] = 1
    return [
        Example(T0, product_name(number), x.tobytes(), 1.0, reward, reward, region=group_of(region, moment, groups))
        for number in range(400)
        for region, category in (("north", 1), ("south", 2))
        for time in range(12)
        for reward in (float((number % CATEGORIES == category or number % 11 == category) and time % 2),)
    ]


def first_places(configuration: Settings, times: int) -> tuple[Counter[str], Counter[str]]:
    """What stands first, and what stands in the slate at all, of either core's many choices for the same session."""
    chooser = learned(chooser_of(configuration, 1, odd_names=False))
    start = CompiledHost(configuration, chooser, 0)
    for number in range(6):
        start.run([view(1_000 * number, product_name(number))], T0 + 1_000 * number, T0)
    held, last, now_ms = start.sessions[SESSION], view(9_000, product_name(12)), T0 + 9_000
    compiled: Counter[str] = Counter()
    python: Counter[str] = Counter()
    for seed in range(times // 100):
        host = CompiledHost(configuration, chooser, seed + 1)
        own = Chooser(configuration, np.random.default_rng(seed + 1), chooser.shelf)
        own = learned(own)
        personalizer = Personalizer(configuration, own, SALT)
        event = read_event(last.payload, now_ms=now_ms, max_bytes=65_536, max_future_ms=300_000)
        assert isinstance(event, Event)
        for _ in range(100):
            host.sessions[SESSION] = held
            host.run([last], now_ms, T0)
            _count(compiled, decode_session(host.sessions[SESSION]).slates[-1].product_ids)
            effect = personalizer.apply(
                decode_session(held),
                event,
                record_ms=now_ms,
                now_ms=now_ms,
                watermark_ms=T0,
            )
            assert effect.session is not None
            _count(python, effect.session.slates[-1].product_ids)
        assert not host.ways["python"] + host.ways["python publication"]
    return compiled, python


def _count(counted: Counter[str], product_ids: list[str]) -> None:
    counted[f"first: {product_ids[0]}"] += 1
    counted.update(product_ids)


@pytest.mark.parametrize(
    "overrides",
    [
        {"bandit": {"floor": 0.05}},
        {"bandit": {"policy": "lin_ucb", "floor": 0.3, "confidence": 1.0}},
        {"bandit": {"policy": "softmax", "temperature": 0.1}},
        {"bandit": {"policy": "epsilon_decreasing", "epsilon_tau": 300.0}},
        {"variety": {"boosts": {"newer": 0.1, "rated": 0.2, "viewed": 0.1}}},
    ],
    ids=str,
)
def test_both_cores_choose_the_same_with_the_same_frequencies(overrides: dict[str, dict[str, Any]]) -> None:
    times = 1_500
    compiled, python = first_places(settings_of(overrides), times)
    assert len([name for name in python if name.startswith("first")]) > 5
    for name in {*compiled, *python}:
        p = (compiled[name] + python[name]) / (2 * times)
        error = np.sqrt(2 * max(p * (1 - p), 1 / times) / times)
        assert abs(compiled[name] - python[name]) / times < 5.5 * error, (name, compiled[name], python[name])


@njit  # type: ignore[untyped-decorator]
def _many(worlds: Any, found: Any) -> None:
    for i in range(len(found)):
        found[i] = next_random(worlds[0])


def test_random_numbers_are_uniform_and_those_of_the_paper() -> None:
    world = np.zeros(1, WORLD)
    world["random"][0, :2] = (0x1234567890ABCDEF, 0x0FEDCBA987654321)
    naive = Chance(world["random"][0])
    found = np.zeros(400_000)
    _many(world, found)
    assert found[:1_000].tolist() == [naive.next() for _ in range(1_000)]
    assert 0 <= found.min() < 1e-4
    assert 1 - 1e-4 < found.max() < 1
    ranks = np.abs(np.sort(found) - (np.arange(len(found)) + 0.5) / len(found)).max()
    assert ranks < 1.95 / np.sqrt(len(found))  # Kolmogorov-Smirnov at 0.1 %
    for lag in (1, 2, 3):
        assert abs(np.corrcoef(found[:-lag], found[lag:])[0, 1]) < 4 / np.sqrt(len(found))
    bits = (found * 2**16).astype(np.int64)
    for bit in range(16):
        assert abs(((bits >> bit) & 1).mean() - 0.5) < 4 * 0.5 / np.sqrt(len(found))
