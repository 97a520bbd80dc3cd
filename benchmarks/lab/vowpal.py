"""Vowpal Wabbit's contextual bandits with action-dependent features, set up as well as we can.

Candidates are found as Heliotrope finds them (`find_candidates`), and the context is the same session interest. The shared
namespace `u` holds the visitor's share of each liked category, the category of the newest event and the region; `a` holds the
product: its id, category, price, rating and how often it was shown here in vain; `m` how it matches the visitor: the share of its
category, whether it was looked at, the distance in price. `-q ua` makes hashed interactions of visitor and product, `-q am` of
product and match.

A slate is drawn slot by slot: what is above is taken out of the actions and the exploration distribution is asked for again
(drawing all slots from the first answer leaves the lower ones to ε alone, which earned far less). After the join window every
shown item is one example with cost -1 where it was clicked, and the probability that it was drawn with.
"""

from collections.abc import Callable

import numpy as np

from benchmarks.lab.joining import Joiner, Sessions
from benchmarks.lab.method import Method, Page
from state.candidates.candidates import find_candidates
from state.candidates.sources.shelf import Asked, Shelf
from state.catalogue.product import Product
from state.configuration import Settings
from state.events.event import Event
from state.kernels.columns import ProductColumn
from state.session.interest import Interest

CANDIDATES = 100
COMMON = "--quiet --cb_explore_adf -b 20 -q ua -q am --ignore_linear u"
STEPS = "--cb_type mtr --power_t 0"
"""Steps that do not shrink: in the shops that were tried they earned more for three of the four, for cover in one of two."""
VARIANTS = {
    "vw_epsilon": f"--epsilon 0.02 {STEPS} -l 0.1",
    "vw_bag": f"--bag 5 --epsilon 0.01 {STEPS} -l 0.05",
    "vw_cover": f"--cover 3 --epsilon 0.02 --nounif {STEPS} -l 0.05",
    "vw_squarecb": f"--squarecb --gamma_scale 3000 {STEPS} -l 0.1",
}
SMALLEST_PROPENSITY = 0.001

Example = tuple[str, str, float]
"""The shared line, the product's line, and the propensity."""


class VowpalWabbit(Method):
    """One of VARIANTS, or any arguments beside COMMON."""

    def __init__(self, arguments: str, seed: int, join_ms: int) -> None:
        import vowpalwabbit  # of the benchmarks' own lock: the other methods run without it

        self._vw = vowpalwabbit.Workspace(f"{COMMON} {arguments} --random_seed {seed + 1}")
        self._rng = np.random.default_rng([seed, 30])
        self._shelf = Shelf(Settings())
        self._catalogue = self._shelf.catalogue
        self._sessions = Sessions()
        self._region: dict[str, str] = {}
        self._joiner: Joiner[Example] = Joiner(join_ms)
        self._decisions = 0

    def product(self, product: Product, now_ms: int) -> None:
        """See `Method.product`."""
        self._catalogue.put(product)
        self._sessions.list_product(product.product_id, product.category_id)

    def event(self, event: Event, now_ms: int) -> None:
        """See `Method.event`."""
        if self._catalogue.refresh(now_ms):
            self._shelf.refresh()
        self._region[event.session_id] = event.region or event.device or ""
        self._sessions.apply(event)
        self._joiner.apply(event, now_ms)
        for waiting in self._joiner.due(now_ms):
            for product_id, (shared, line, propensity) in waiting.shown.items():
                self._learn(shared, line, propensity, is_clicked=product_id in waiting.clicked)

    def page(self, session_id: str, items: int, now_ms: int) -> Page:
        """See `Method.page`."""
        interest = self._sessions.interest(session_id)
        shared = self._shared(session_id, interest)
        product_ids, lines = self._lines(session_id, interest)
        order, propensities = self._draw([shared, *lines], items)
        self._decisions += 1
        decision_id = f"vw-{self._decisions}"
        shown = [product_ids[index] for index in order]
        examples = [(shared, lines[i], p) for i, p in zip(order, propensities, strict=True)]
        self._joiner.publish(decision_id, dict(zip(shown, examples, strict=True)))
        return Page(decision_id, shown)

    def some_update(self, session_id: str, now_ms: int) -> Callable[[], object]:
        """A call that learns one exposure, for timing."""
        interest = self._sessions.interest(session_id)
        shared, line = self._shared(session_id, interest), self._lines(session_id, interest)[1][0]
        return lambda: self._learn(shared, line, 0.1, is_clicked=False)

    def _learn(self, shared: str, line: str, propensity: float, *, is_clicked: bool) -> None:
        self._vw.learn([shared, f"0:{-1 if is_clicked else 0}:{propensity:.5f} {line}"])

    def _draw(self, lines: list[str], items: int) -> tuple[list[int], list[float]]:
        """Indices of products in the order to show, and each one's probability given those above it."""
        examples = self._vw.parse(lines)
        left = list(range(len(lines) - 1))
        order: list[int] = []
        propensities: list[float] = []
        for _ in range(min(items, len(left))):
            pmf = np.array(self._vw.predict([examples[0], *(examples[1 + index] for index in left)]))
            total = pmf.cumsum()
            place = int(total.searchsorted(self._rng.random() * total[-1], side="right"))
            propensities.append(max(SMALLEST_PROPENSITY, float(pmf[place] / total[-1])))
            order.append(left.pop(place))
        self._vw.finish_example(examples)
        return order, propensities

    def _shared(self, session_id: str, interest: Interest) -> str:
        liked = {name: value for name, value in interest.categories.items() if value > 0}
        total = sum(liked.values()) or 1.0
        shares = " ".join(f"{name}:{value / total:.3f}" for name, value in liked.items())
        last = self._sessions.last_category(session_id)
        return f"shared |u 1 last={last} region={self._region[session_id]} {shares}"

    def _lines(self, session_id: str, interest: Interest) -> tuple[list[str], list[str]]:
        catalogue = self._catalogue
        found = find_candidates(Asked(interest), self._shelf, CANDIDATES, self._rng)
        liked = {name: value for name, value in interest.categories.items() if value > 0}
        total = sum(liked.values()) or 1.0
        seen = catalogue.listed(name for name, value in interest.products.items() if value > 0)
        usual = float(catalogue.static[seen, ProductColumn.PRICE].mean()) if seen else None
        vain = self._sessions.shown_unrewarded(session_id)
        lines = []
        for row, product_id in zip(found.rows.tolist(), found.product_ids, strict=True):
            category = catalogue.category_ids[catalogue.category[row]]
            price, rating = (
                float(catalogue.static[row, ProductColumn.PRICE]),
                float(catalogue.static[row, ProductColumn.RATING]),
            )
            own = f"{product_id} {category} price:{price:.3f} rating:{rating / 5:.3f} vain:{vain.get(product_id, 0)}"
            match = f"share:{liked.get(category, 0.0) / total:.3f} known:{int(category in liked)}"
            distance = "" if usual is None else f"distance:{abs(price - usual):.3f}"
            lines.append(f"|a {own} |m {match} seen:{int(product_id in interest.products)} {distance}")
        return found.product_ids, lines
