"""Heliotrope as a method of the laboratory."""

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from benchmarks.in_process import InProcess
from benchmarks.lab.method import Method, Page
from jobs.settings import settings_from
from state.catalogue.product import Product
from state.choosing.features import Context
from state.configuration import Settings
from state.events.event import Event
from state.model.sums import Example
from state.session.interest import interest


class Heliotrope(Method):
    """The job in process. It publishes lists as long as the configuration has them, and pages show the first items, as shops do.

    Args:
        overrides: configuration by section, such as `{"bandit": {"policy": "lin_ucb"}}`.
        publish_every: a new model after so many inputs.
        candidates: most candidates, if they are to be more than the configuration admits.

    Attributes:
        job: what runs in process.
    """

    def __init__(
        self,
        overrides: dict[str, Any],
        seed: int,
        publish_every: int = 50,
        candidates: int | None = None,
    ) -> None:
        sections = {"profile": {"min_interval": 0}, "decisions": {"full_share": 0.0}, **overrides}
        self.settings: Settings = settings_from(sections)
        if candidates is not None:
            more = replace(self.settings.candidates, max=candidates)
            self.settings = replace(self.settings, candidates=more)
        self.job = InProcess(self.settings, seed, publish_every)

    def product(self, product: Product, now_ms: int) -> None:
        """See `Method.product`."""
        self.job.chooser.catalogue.put(product)

    def event(self, event: Event, now_ms: int) -> None:
        """See `Method.event`."""
        self.job.apply(event, now_ms)

    def page(self, session_id: str, items: int, now_ms: int) -> Page:
        """See `Method.page`."""
        session = self.job.session(session_id)
        assert session is not None, "a visitor asks for a page after an event"
        slate = session.slates[-1]
        return Page(slate.decision_id, slate.product_ids[:items])

    def speeds(
        self, session_id: str, now_ms: int, per_second: Callable[[Callable[[], object]], float]
    ) -> tuple[float, float, float]:
        """Slates and learned exposures per second, and milliseconds for a publication, as `per_second` times them."""
        session = self.job.session(session_id)
        assert session is not None
        slate = session.slates[-1]
        known = interest(session.recent.events, self.settings.reward.weights, self.settings.session.decay)
        context = Context(known, "", {}, now_ms)
        shard = next(iter(self.job.shards.values()))
        example = Example(now_ms, slate.product_ids[0], slate.feature_bytes(0), 1, 0.2, 0.04)
        slates = per_second(lambda: self.job.chooser.choose(context, profile_version=1, cause=b""))
        updates = per_second(lambda: shard.learn([example]))
        return slates, updates, 1_000 / per_second(lambda: self.job.publish(now_ms))
