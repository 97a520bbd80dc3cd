"""The ceiling: what one who knows the shop could attain, and who has to find out about each visitor as any method has to.

Such a player knows appeal, prices, the link, the regions' tastes, examination, losses, and the laws that visitors are drawn from
and act by. Of the visitor it knows what the session's events say, the same that every method gets. It shows the slate of the
largest expected clicks under its belief; to show something in order to learn more of the visitor is beyond it, so one who
planned ahead could get a little more.
"""

from benchmarks.lab.evidence import Evidence, Likelihood, region_number
from benchmarks.lab.method import Method, Page
from benchmarks.lab.posterior import Law, Pairs, Particles
from benchmarks.lab.truth import Truth
from state.catalogue.product import Product
from state.events.event import Event


class Attainable(Method):
    """Bayes' rule about the visitor, given the truth about the shop.

    Attributes:
        law: what infers the visitor.
    """

    def __init__(self, truth: Truth, seed: int) -> None:
        self.law: Law = Pairs(truth) if truth.spec.taste == "two" else Particles(truth, seed)
        self._truth = truth
        self._sessions: dict[str, Evidence] = {}
        self._decisions = 0

    def product(self, product: Product, now_ms: int) -> None:
        """See `Method.product`; the truth says when each comes."""

    def event(self, event: Event, now_ms: int) -> None:
        """See `Method.event`."""
        evidence = self._sessions.get(event.session_id)
        if evidence is None:
            evidence = self._sessions[event.session_id] = Evidence(
                region_number(event), lands_anywhere=self._truth.spec.lands_anywhere
            )
        evidence.apply(event, self._truth)

    def page(self, session_id: str, items: int, now_ms: int) -> Page:
        """See `Method.page`."""
        evidence, grid = self._sessions[session_id], self.law.grid
        belief = self.law.belief(Likelihood(evidence, grid, now_ms), evidence.region)
        rows = self._truth.best_slate(grid.expected(belief, evidence.region, now_ms))
        self._decisions += 1
        return Page(f"attainable-{self._decisions}", [self._truth.product_ids[row] for row in rows[:items]])
