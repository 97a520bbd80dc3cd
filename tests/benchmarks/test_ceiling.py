"""The laboratory's ceiling: its beliefs against slow references, what it may see, and that nothing of ours is above it."""

from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.lab.ceiling import Attainable
from benchmarks.lab.evidence import BUDGETS, Likelihood, silence
from benchmarks.lab.method import Page
from benchmarks.lab.posterior import Particles
from benchmarks.lab.report import markdown, summary, tables
from benchmarks.lab.shares import LAST_NUMBER, Run, of_attainable, run_once, shares_by_number
from benchmarks.lab.simple import Uniform
from benchmarks.lab.spec import Link, Spec
from benchmarks.lab.truth import LIKED_FROM, REGIONS, SENSITIVITIES, START_MS, Truth, Visitor
from benchmarks.lab.visit import BROWSES_PRODUCT
from benchmarks.lab.world import World
from state.events.event import Event

SEED = 100


class People:
    """Those that a reference sums over, each with a prior, and their chances by the shop's truth."""

    def __init__(self, truth: Truth, everybody: list[tuple[float, Visitor]]) -> None:
        self.truth = truth
        self.everybody = everybody
        self._kept: dict[tuple[int, int], NDArray[np.float64]] = {}

    def chances(self, who: Visitor, now_ms: int) -> NDArray[np.float64]:
        key = id(who), self.truth.phase(now_ms)  # nothing arrives in these shops
        if key not in self._kept:
            self._kept[key] = self.truth.chances(who, now_ms)
        return self._kept[key]


class Watched(Uniform):
    """Shows pages by chance, and compares what the ceiling expects of each product with a slow reference."""

    def __init__(self, people: People, ceiling: Attainable) -> None:
        super().__init__(SEED)
        self.errors: list[float] = []
        self._people, self._ceiling = people, ceiling
        self._events: dict[str, list[Event]] = {}
        self._pages = 0

    def event(self, event: Event, now_ms: int) -> None:
        self._events.setdefault(event.session_id, []).append(event)
        self._ceiling.event(event, now_ms)

    def page(self, session_id: str, items: int, now_ms: int) -> Page:
        law, evidence = self._ceiling.law, self._ceiling._sessions[session_id]
        belief = law.belief(Likelihood(evidence, law.grid, now_ms), evidence.region)
        reference = expected(self._people, self._events[session_id], now_ms)
        self.errors.append(float(np.abs(law.grid.expected(belief, evidence.region, now_ms) - reference).max()))
        self._pages += 1
        return Page(f"page-{self._pages}", super().page(session_id, items, now_ms).product_ids)


def expected(people: People, events: list[Event], now_ms: int) -> NDArray[np.float64]:
    """The mean chance of each product over these people, each as likely as before times what it would have done."""
    of_region = [(prior, who) for prior, who in people.everybody if who.region == events[0].region]
    weights = [prior * likelihood(people, who, events, now_ms) for prior, who in of_region]
    chances = [people.chances(who, now_ms) for _, who in of_region]
    mean: NDArray[np.float64] = np.average(chances, axis=0, weights=weights)
    return mean


def likelihood(people: People, who: Visitor, events: list[Event], now_ms: int) -> float:
    """The probability that this visitor does what arrived, up to what does not depend on the visitor."""
    found, truth, pages = 1.0, people.truth, [event for event in events if event.event_type == "impression"]
    clicks = {(event.decision_id, product) for event in events for product in event.products() if event.decision_id}
    shown: list[str] = []
    page_id, browsed_after = None, set()
    for event in events[1:] if truth.spec.lands_anywhere else events:
        if event.event_type == "impression":
            shown, page_id = list(event.shown or ()), event.decision_id
        elif event.decision_id is None:
            found *= chance_of_browsing(people, who, event, shown)
            browsed_after.add(page_id)
    for page in pages:
        chances = people.chances(who, page.timestamp)[[truth.row_of[product] for product in page.shown or ()]]
        chances = chances * truth.spec.examination ** np.arange(len(chances))
        seen = {place for place, product in enumerate(page.shown or ()) if (page.decision_id, product) in clicks}
        if page.decision_id in browsed_after:
            found *= float(np.prod(1 - chances))
            continue
        silent = silence(truth.spec, page.timestamp, now_ms)
        most = 1 if truth.spec.acts_once else len(chances)
        sets = [set(one) for size in range(1, most + 1) for one in combinations(range(len(chances)), size)]
        found *= sum(
            float(np.prod([chances[k] if k in clicked else 1 - chances[k] for k in looked_at(truth, clicked, chances)]))
            * silent ** len(clicked - seen)
            for clicked in sets
            if seen <= clicked
        )
    return found


def looked_at(truth: Truth, clicked: set[int], chances: NDArray[np.float64]) -> range:
    """Places of a page that are looked at by one who clicks these."""
    return range(max(clicked) + 1 if truth.spec.acts_once else len(chances))


def chance_of_browsing(people: People, who: Visitor, event: Event, shown: list[str]) -> float:
    code = int((event.category_id or "").removeprefix("category-"))
    if who.match[code] < LIKED_FROM:
        return 0.0
    truth, chances = people.truth, people.chances(who, event.timestamp)
    members = truth.members[code].tolist()
    picked = {row: chances[row] / chances[members].sum() for row in members}
    if event.products():
        given = BROWSES_PRODUCT * picked[truth.row_of[event.products()[0]]]
    else:
        passed = sum(picked.get(truth.row_of[product], 0.0) for product in shown)
        given = 1 - BROWSES_PRODUCT + BROWSES_PRODUCT * passed
    return float(who.match[code] / who.match[who.match >= LIKED_FROM].sum() * given)


def all_pairs(truth: Truth) -> list[tuple[float, Visitor]]:
    """Everybody that there can be where visitors have two tastes, with the budgets of the ceiling's grid."""
    budgets = [(step + 0.5) / BUDGETS for step in range(BUDGETS)] if truth.spec.link == "logistic" else [0.5]
    people = []
    for number, region in enumerate(REGIONS):
        taste = (1 - truth.spec.regional) / truth.spec.categories + truth.spec.regional * truth.region_taste[number]
        for first in range(truth.spec.categories):
            for second in set(range(truth.spec.categories)) - {first}:
                match = np.full(truth.spec.categories, 0.08)
                match[first], match[second] = 1.0, 0.7
                share = truth.spec.partnered * (truth.partner[first] == second)
                prior = float(taste[first] * (share + (1 - truth.spec.partnered) * taste[second] / (1 - taste[first])))
                people += [(prior, Visitor(match, s, w, region)) for s in SENSITIVITIES for w in budgets]
    return people


@pytest.mark.parametrize(
    ("link", "lost", "delay_ms", "acts_once", "lands_anywhere", "local", "partnered"),
    [
        ("product", 0.0, 0, False, False, 0.0, 0.0),
        ("linear", 0.0, 10_000, False, False, 0.0, 0.0),
        ("logistic", 0.4, 0, False, False, 0.0, 0.0),
        ("linear", 0.3, 5_000, False, False, 0.0, 0.0),
        ("product", 0.0, 0, True, False, 0.0, 0.0),
        ("logistic", 0.0, 0, True, True, 0.0, 0.0),
        ("product", 0.0, 0, False, False, 0.8, 0.0),
        ("product", 0.0, 0, False, True, 0.0, 0.7),
    ],
)
def test_beliefs_of_two_tastes_are_exact(
    link: Link,
    lost: float,
    delay_ms: int,
    acts_once: bool,
    lands_anywhere: bool,
    local: float,
    partnered: float,
) -> None:
    spec = Spec(
        "tiny",
        products=9,
        categories=3,
        link=link,
        visitors=4,
        shown=3,
        examination=0.8,
        regional=0.5,
        drifts=1,
        lost=lost,
        delay_ms=delay_ms,
        acts_once=acts_once,
        lands_anywhere=lands_anywhere,
        local=local,
        partnered=partnered,
        click_scale=1.5,
    )
    world = World(spec, SEED)
    watched = Watched(People(world.truth, all_pairs(world.truth)), Attainable(world.truth, SEED))
    world.run(watched)
    assert len(watched.errors) > 5
    assert max(watched.errors) < 1e-9


@pytest.mark.parametrize(("link", "regional", "lost"), [("linear", 0.0, 0.0), ("logistic", 0.5, 0.4)])
def test_particles_agree_with_many_visitors_of_the_shop(link: Link, regional: float, lost: float) -> None:
    spec = Spec(
        "tiny", products=9, categories=3, link=link, taste="spread", visitors=4, shown=3, regional=regional, lost=lost
    )
    world = World(spec, SEED)
    people = [(1.0, world.truth.visitor(number)) for number in range(1_000, 4_000)]
    ceiling = Attainable(world.truth, SEED)
    watched = Watched(People(world.truth, people), ceiling)
    world.run(watched)
    assert isinstance(ceiling.law, Particles)
    assert len(watched.errors) > 5
    assert max(watched.errors) < 0.03
    assert min(ceiling.law.effective) > 100


def test_the_ceiling_sees_events_and_no_visitor(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the ceiling asked for what no method can know")

    truth = Truth(Spec("tiny", products=30, categories=3, shown=3), SEED)
    monkeypatch.setattr(Truth, "visitor", refuse)
    monkeypatch.setattr(Truth, "chances", refuse)
    ceiling = Attainable(truth, SEED)
    pages = []
    for session_id in ("session-1", "session-2"):
        event = Event(session_id, "category_view", START_MS, region="EU", category_id="category-1")
        ceiling.event(event, START_MS)
        pages.append(ceiling.page(session_id, 3, START_MS + 5_000).product_ids)
    assert pages[0] == pages[1]
    assert {truth.category[truth.row_of[product]] for product in pages[0]} == {1}


@pytest.mark.parametrize("shop_name", ["drifting", "position_bias", "lost"])
def test_ours_is_not_above_the_ceiling(shop_name: str) -> None:
    for seed in (SEED, SEED + 1):
        attainable, ours = (run_once(shop_name, name, seed, 30) for name in ("attainable", "heliotrope"))
        assert ours.share < attainable.share < 1.0


def run(method: str, seed: int, value: float) -> Run:
    return Run("linear", method, seed, 1, 1, value, value, [], 0.0, [(value, 1.0)] * LAST_NUMBER)


def test_the_share_of_the_attainable_is_paired_by_seed() -> None:
    ours, attainable = (
        [run("heliotrope", s, 0.1 * s) for s in (1, 2, 9)],
        [run("attainable", s, 0.2 * s) for s in (1, 2)],
    )
    found = of_attainable(ours, attainable)
    assert found is not None
    assert (found.low, found.mean, found.high) == (0.5, 0.5, 0.5)
    assert of_attainable(ours, []) is None


def test_the_tables_have_the_share_of_the_attainable_and_of_each_page() -> None:
    runs = [run(name, seed, v) for name, v in (("attainable", 0.8), ("heliotrope", 0.6)) for seed in (0, 1)]
    results = summary(runs)
    text = markdown(results)
    assert "| linear | 0.75 [0.75, 0.75] n=2 |" in text
    assert f"| heliotrope |{' 0.60 |' * LAST_NUMBER}" in text
    assert results["shops"]["linear"]["best_competitor"] is None
    assert [table.row_count for table in tables(results)] == [2, 2]


def test_shares_by_page_are_of_sums_over_runs() -> None:
    first, second = run("any", 0, 0.0), run("any", 1, 1.0)
    second.by_number[:] = [(3.0, 3.0)] * LAST_NUMBER
    assert shares_by_number([first, second]) == [0.75] * LAST_NUMBER
