"""Players that are given a piece of what ours lacks: the truth's own features, or coefficients that are as good as known."""

import sys
from dataclasses import replace

import numpy as np

from benchmarks.lab.joining import REWARDING, Sessions
from benchmarks.lab.method import Method, Page
from benchmarks.lab.ours import Heliotrope
from benchmarks.lab.truth import REGIONS, Vector, Visitor
from benchmarks.lab.world import World
from state.candidates.candidates import find_candidates
from state.candidates.sources.shelf import Asked, Shelf
from state.catalogue.product import Product
from state.configuration import Settings
from state.events.event import Event

LONGER = 5
"""Visitors of the log that coefficients are taken from, for each of the run's own."""
OTHERS = 1_000_000
"""Number of its first visitor: other people than those of the run."""
NEVER = sys.maxsize
TERMS = 8
RIDGE = 1.0
"""Its terms have no prior of their own, so that this weighs next to nothing."""


class OracleFeatures(Method):
    """Linear Thompson sampling on the truth's own terms: match, appeal, price, and their products.

    Candidates and confidence are those of our configuration. It learns from the same impressions and clicks, as they come.
    """

    def __init__(self, world: World, seed: int) -> None:
        self._world = world
        self._settings = Settings()
        self._shelf = Shelf(self._settings)
        self._sessions = Sessions()
        self._rng = np.random.default_rng([seed, 60])
        self._visitors: dict[str, Visitor] = {}
        self._shown: dict[str, dict[str, Vector]] = {}
        self._precision = RIDGE * np.eye(TERMS)
        self._rewards = np.zeros(TERMS)
        self._exposures = self._clicks = 1.0
        self._decisions = 0

    def product(self, product: Product, now_ms: int) -> None:
        """See `Method.product`."""
        self._shelf.catalogue.put(product)
        self._sessions.list_product(product.product_id, product.category_id)

    def event(self, event: Event, now_ms: int) -> None:
        """See `Method.event`."""
        if self._shelf.catalogue.refresh(now_ms):
            self._shelf.refresh()
        self._sessions.apply(event)
        terms = self._shown.get(event.decision_id or "", {})
        if event.event_type == "impression":
            matrix = np.array(list(terms.values()))
            self._precision += matrix.T @ matrix
            self._exposures += len(matrix)
        elif event.event_type in REWARDING:
            for product in event.products():
                found = terms.pop(product, None)  # the first reaction is the reward
                if found is not None:
                    self._rewards += found
                    self._clicks += 1

    def page(self, session_id: str, items: int, now_ms: int) -> Page:
        """See `Method.page`."""
        asked = Asked(self._sessions.interest(session_id))
        found = find_candidates(asked, self._shelf, self._settings.candidates.max, self._rng)
        matrix = self._terms(session_id, found.product_ids, now_ms)
        order = np.argsort(-(matrix @ self._drawn()), kind="stable")[:items].tolist()
        self._decisions += 1
        decision_id = f"oracle-{self._decisions}"
        product_ids = [found.product_ids[index] for index in order]
        self._shown[decision_id] = dict(zip(product_ids, matrix[order], strict=True))
        return Page(decision_id, product_ids)

    def _drawn(self) -> Vector:
        """Coefficients drawn from their posterior, narrowed by our confidence."""
        rate = self._clicks / (self._clicks + self._exposures)
        factor = np.linalg.inv(np.linalg.cholesky(self._precision))
        spread = self._settings.bandit.confidence * np.sqrt(rate * (1 - rate))
        drawn: Vector = factor.T @ (factor @ self._rewards + spread * self._rng.standard_normal(TERMS))
        return drawn

    def _terms(self, session_id: str, product_ids: list[str], now_ms: int) -> Vector:
        """The truth's terms (n, TERMS) of these products for the session's visitor."""
        truth = self._world.truth
        if session_id not in self._visitors:
            self._visitors[session_id] = truth.visitor(self._world.sessions[session_id])
        visitor = self._visitors[session_id]
        rows = [truth.row_of[product] for product in product_ids]
        match, appeal = visitor.match[truth.category[rows]], truth.appeal(REGIONS.index(visitor.region), now_ms)[rows]
        price = truth.price_term(visitor, rows)
        ones = np.ones(len(rows))
        products = (match * appeal, match * price, appeal * price, match * appeal * price)
        return np.column_stack([ones, match, appeal, price, *products])


def with_coefficients(world: World, seed: int) -> Heliotrope:
    """Ours with the model that it learns of LONGER times as many others in the same shop and time, and no more learning."""
    spec = world.truth.spec
    crowded = replace(spec, visitors=LONGER * spec.visitors, gap_ms=spec.gap_ms // LONGER)
    others = World(crowded, seed, first_visitor=OTHERS)
    teacher = Heliotrope({}, seed)
    others.run(teacher)
    teacher.job.publish(others.now_ms)
    predictor = teacher.job.chooser.predictor
    assert predictor is not None, "so many visitors teach a model"
    taught = Heliotrope({}, seed, publish_every=NEVER)
    taught.job.chooser.use_model(predictor)
    return taught
