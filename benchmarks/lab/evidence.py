"""Evidence of a visitor's taste, from the session's events: what its likelihood is, by category, level of match and attitude.

A look at a page has the outcomes that `visit.py` gives it. If the visitor browses next, nothing was clicked. If the next page is
requested without that, something was, even where no click has arrived. Each clicked product is seen to be if any of its reactions
has arrived by now. Not used: how long the visitor paused, which tells a little of how many reactions there were; the numbers in
`event_id`, which would give lost events away; and that one visitor's luck with a product's cart is the same each time.
"""

import math
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.lab.spec import Spec
from benchmarks.lab.truth import REGIONS, SENSITIVITIES, Truth, Vector
from benchmarks.lab.visit import ADDS_TO_CART, BROWSES_PRODUCT, CHECKS_OUT, LOOK_MS
from state.events.event import Event

BUDGETS = 24
"""Equally likely budgets that stand for all of [0, 1]."""
MEAN_PAUSE_MS = sum(LOOK_MS) / 2


@dataclass
class Look:
    """A page that was looked at, and what has arrived of the reactions."""

    at_ms: int
    rows: list[int]
    clicked: set[int] = field(default_factory=set)
    browsed: bool = False


class Browse(NamedTuple):
    """A category that the visitor chose, perhaps a product there, and the rows of the page before, which were passed over."""

    at_ms: int
    category: int
    row: int | None
    passed: list[int]


class Evidence:
    """A session's events so far.

    Attributes:
        region: the visitor's, by its number.
    """

    def __init__(self, region: int, *, lands_anywhere: bool = False) -> None:
        self.region = region
        self._looks_around = not lands_anywhere
        self.browses: list[Browse] = []
        self.looks: dict[str, Look] = {}
        self._last: Look | None = None

    def apply(self, event: Event, truth: Truth) -> None:
        """An event has arrived."""
        rows = [truth.row_of[product] for product in event.products()]
        if event.event_type == "impression":
            shown = [truth.row_of[product] for product in event.shown or ()]
            self._last = self.looks[event.decision_id or ""] = Look(event.timestamp, shown)
        elif event.decision_id is not None:
            self.looks[event.decision_id].clicked.update(rows)
        elif self._looks_around:
            category = int((event.category_id or "").removeprefix("category-"))
            passed = self._last.rows if self._last else []
            self.browses.append(Browse(event.timestamp, category, rows[0] if rows else None, passed))
            if self._last:
                self._last.browsed = True
        self._looks_around = True


class Grid:
    """Chances of a click on a grid of levels of match (L,) and Z attitudes to prices, by the shop's truth.

    Attitudes are equally likely: pairs of a sensitivity and a budget, of which a link uses one.
    """

    def __init__(self, truth: Truth, levels: Vector) -> None:
        is_logistic = truth.spec.link == "logistic"
        self.truth = truth
        self.levels = levels
        self.sensitivity = np.zeros(BUDGETS) if is_logistic else np.array(SENSITIVITIES)
        self.budget = (np.arange(BUDGETS) + 0.5) / BUDGETS if is_logistic else np.zeros(len(SENSITIVITIES))
        self.shape = (truth.spec.categories, len(levels), len(self.budget))
        self._order = np.concatenate(truth.members)
        self._place = np.argsort(self._order)
        self._starts = np.cumsum([0, *map(len, truth.members)])
        self._kept: dict[tuple[int, int], Vector] = {}

    def chances(self, rows: list[int], region: int, now_ms: int) -> Vector:
        """Of these products (n, L, Z); 0 for one that is still to come."""
        return self._masked(
            self._by_category(region, now_ms)[self._place[rows]], np.array(rows, dtype=np.int64), now_ms
        )

    def of_category(self, category: int, region: int, now_ms: int) -> Vector:
        """Of the category's products (n, L, Z), in the order of `Truth.members`."""
        found = self._by_category(region, now_ms)[self._starts[category] : self._starts[category + 1]]
        return self._masked(found, self.truth.members[category], now_ms)

    def expected(self, belief: Vector, region: int, now_ms: int) -> Vector:
        """The mean chance (P,) in a region under a belief (C, L, Z): the probability of level and attitude, for each category."""
        table = self._by_category(region, now_ms).reshape(len(self._order), -1)
        expected = np.empty(len(table))
        for code, (start, end) in enumerate(zip(self._starts, self._starts[1:], strict=False)):
            expected[start:end] = table[start:end] @ belief[code].ravel()
        found: Vector = np.where(self.truth.arrives_ms > now_ms, 0.0, expected[self._place])
        return found

    def _by_category(self, region: int, now_ms: int) -> Vector:
        key = region if self.truth.spec.local else 0, self.truth.phase(now_ms)
        if key not in self._kept:
            match, attitudes = self.levels[:, None, None], (self.sensitivity[:, None], self.budget[:, None])
            table = self.truth.chances_by(match, *attitudes, region, now_ms)
            self._kept[key] = np.ascontiguousarray(np.moveaxis(table, -1, 0)[self._order])
        return self._kept[key]

    def _masked(self, chances: Vector, rows: NDArray[np.int64], now_ms: int) -> Vector:
        masked: Vector = chances * (self.truth.arrives_ms[rows] <= now_ms)[:, None, None]
        return masked


class Likelihood:
    """Likelihood of a session's evidence, for visitors of a match m and an attitude z.

    log P = Σ_c `browsed`[c] log b_c(m) + Σ_c `logs`[c, m_c, z] + Σ over `some` (A, B) of log(e^A - e^B), with b the shares of the
    categories that the visitor browses, and A and B sums over c of the same form as the second: of a page whose clicks are all on
    their way or lost, A is the probability of seeing none, and B that of there being none.
    """

    def __init__(self, evidence: Evidence, grid: Grid, now_ms: int) -> None:
        self._grid = grid
        self._region = evidence.region
        self.browsed = np.zeros(grid.shape[0])
        self.clicked = np.zeros(grid.shape[0])
        self.logs = np.zeros(grid.shape)
        self.some: list[tuple[Vector, Vector]] = []
        for browse in evidence.browses:
            self._add_browse(browse)
        for look in evidence.looks.values():
            self._add_look(look, now_ms)

    def _add_browse(self, browse: Browse) -> None:
        code, at_ms = browse.category, browse.at_ms
        self.browsed[code] += 1
        total = self._grid.of_category(code, self._region, at_ms).sum(axis=0)
        if browse.row is not None:
            self.logs[code] += np.log(
                BROWSES_PRODUCT * self._grid.chances([browse.row], self._region, at_ms)[0] / total
            )
        elif total.any():
            passed = [row for row in browse.passed if self._grid.truth.category[row] == code]
            share = self._grid.chances(passed, self._region, at_ms).sum(axis=0) / total
            self.logs[code] += np.log(1 - BROWSES_PRODUCT + BROWSES_PRODUCT * share)

    def _add_look(self, look: Look, now_ms: int) -> None:
        truth = self._grid.truth
        silent = 0.0 if look.browsed else silence(truth.spec, look.at_ms, now_ms)
        is_clicked = np.array([row in look.clicked for row in look.rows])
        if truth.spec.acts_once and is_clicked.any():
            is_clicked = is_clicked[: int(is_clicked.argmax()) + 1]
        rows = look.rows[: len(is_clicked)]
        examined = truth.examination()[: len(rows), None, None]
        chances = self._grid.chances(rows, self._region, look.at_ms) * examined
        with np.errstate(divide="ignore"):
            seen = np.where(is_clicked[:, None, None], np.log(chances), np.log1p(chances * (silent - 1)))
        codes = truth.category[rows]
        np.add.at(self.clicked, codes[is_clicked], 1.0)
        if look.browsed or is_clicked.any():
            np.add.at(self.logs, codes, seen)
        else:
            self.some.append((self._by_category(codes, seen), self._by_category(codes, np.log1p(-chances))))

    def _by_category(self, codes: NDArray[np.int64], logs: Vector) -> Vector:
        summed = np.zeros(self._grid.shape)
        np.add.at(summed, codes, logs)
        return summed


def silence(spec: Spec, at_ms: int, now_ms: int) -> float:
    """The chance that a click on a page seen then has left no trace by now, each reaction after a pause of mean length."""

    def is_missing(pauses: int) -> float:
        waited_ms = max(0.0, now_ms - at_ms - pauses * MEAN_PAUSE_MS)
        return spec.lost + (1 - spec.lost) * (math.exp(-waited_ms / spec.delay_ms) if spec.delay_ms else 0.0)

    cart = 1 - ADDS_TO_CART + ADDS_TO_CART * is_missing(2) * (1 - CHECKS_OUT + CHECKS_OUT * is_missing(3))
    return is_missing(1) * cart


def region_number(event: Event) -> int:
    """The region that an event names, if as a device."""
    return REGIONS.index(event.region or event.device or "")
