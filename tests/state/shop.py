"""A small shop for tests: settings, a catalogue, a personalizer, and events that say only what matters."""

from typing import Any

import msgspec
import numpy as np

from jobs.settings import settings_from
from state.catalogue.product import Product
from state.choosing.choice import Chooser
from state.configuration import Settings
from state.events.event import Event
from state.feature_set import DIMENSION, FEATURE_SET
from state.model.learner import LearnerShard
from state.model.merger import Merger, ModelConditions
from state.model.predictor import Predictor
from state.model.sums import Example, Sums
from state.personalizer import Personalizer
from state.profile.effect import Effect
from state.session.forms import decode_session
from state.session.session import Session

T0 = 1_763_770_000_000
HOUR = 3_600_000
MINUTE = 60_000
SESSION = "session-1"


def settings(**overrides: Any) -> Settings:
    """Settings with overrides by section: `settings(exposure={"mode": "explicit"})`. Every event is answered at once."""
    overrides["profile"] = {"min_interval": 0} | overrides.get("profile", {})
    return settings_from(overrides)


def event(event_type: str = "product_view", at_ms: int = 0, **fields: Any) -> Event:
    """An event `at_ms` after the start; a view of product-1 of category-1 where nothing else is said."""
    defaults: dict[str, Any] = {"session_id": SESSION, "event_type": event_type, "timestamp": T0 + at_ms}
    if event_type in ("product_view", "add_to_cart", "checkout", "hover", "dwell", "feedback"):
        defaults |= {"product_id": "product-1", "category_id": "category-1"}
    if event_type == "category_view":
        defaults |= {"category_id": "category-1"}
    return msgspec.convert(defaults | fields, Event)


def shop(configuration: Settings | None = None, products: int = 40, categories: int = 4, seed: int = 7) -> Personalizer:
    """A personalizer over products product-0… in categories category-0…, round robin."""
    configuration = configuration or settings()
    chooser = Chooser(configuration, np.random.default_rng(seed))
    for i in range(products):
        chooser.catalogue.put(
            Product(f"product-{i}", f"category-{i % categories}", price=10.0 + i, rating=1.0 + i % 5, rating_count=i)
        )
    chooser.refresh(T0)
    return Personalizer(configuration, chooser, b"salt")


class Visit:
    """One session as an operator would hold it: state is encoded and decoded around each access."""

    def __init__(self, personalizer: Personalizer) -> None:
        self.personalizer = personalizer
        self.data: bytes | None = None
        self.effects: list[Effect] = []
        self.profile: dict[str, Any] | None = None

    @property
    def session(self) -> Session:
        """The session as stored."""
        assert self.data is not None
        return decode_session(self.data)

    def send(self, *events: Event, watermark_ms: int = 0, lag_ms: int = 10) -> Effect:
        """Applies events; each arrives `lag_ms` after its timestamp."""
        for item in events:
            stored = None if self.data is None else decode_session(self.data)
            now_ms = item.timestamp + lag_ms
            self._store(
                self.personalizer.apply(stored, item, record_ms=now_ms, now_ms=now_ms, watermark_ms=watermark_ms)
            )
        return self.effects[-1]

    def flush_pending(self, now_ms: int) -> Effect | None:
        """Publishes what is pending by then, as its timer does."""
        if self.data is None or not 0 < self.session.pending_ms <= now_ms:
            return None
        self._store(self.personalizer.publisher.publish_pending(self.session, SESSION, self.session.pending_ms))
        return self.effects[-1]

    def pass_watermark(self, watermark_ms: int) -> list[Effect]:
        """Fires timers as Flink would, until none is due."""
        fired = []
        while self.data is not None and 0 < self.session.timer_ms <= watermark_ms:
            timer_ms = self.session.timer_ms
            effect = self.personalizer.on_timer(self.session, SESSION, timer_ms, now_ms=watermark_ms)
            self._store(effect)
            fired.append(effect)
        return fired

    def records(self, kind: str) -> list[dict[str, Any]]:
        """All records of a kind so far, decoded."""
        found = (r.value for effect in self.effects for r in effect.records if r.kind == kind)
        return [msgspec.json.decode(line) for value in found for line in value.split(b"\n")]

    def examples(self) -> list[Example]:
        """All that the learner was told."""
        decoder = msgspec.msgpack.Decoder(list[Example])
        return [
            e
            for effect in self.effects
            for r in effect.records
            if r.kind == "examples"
            for e in decoder.decode(r.value)
        ]

    def impression(self, at_ms: int, items: int = 5, **fields: Any) -> Event:
        """An impression of the first items of the current profile."""
        assert self.profile is not None
        shown = [item["product_id"] for item in self.profile["score_data"][:items]]
        return event("impression", at_ms, decision_id=self.profile["decision_id"], shown=shown, **fields)

    def _store(self, effect: Effect) -> None:
        self.effects.append(effect)
        self.data = None if effect.session is None else effect.session.encode()
        if effect.delete:
            self.profile = None
        if effect.write is not None:
            self.profile = msgspec.json.decode(effect.write.profile)


def make_merger(
    half_life_ms: int | None = None,
    max_products: int = 1_000,
    feature_set: str = FEATURE_SET,
    dimension: int = DIMENSION,
    learned_from: str = "test",
) -> Merger:
    """A merger under plain conditions that began at the start."""
    conditions = ModelConditions(feature_set, "default", 1.0, half_life_ms, learned_from, max_products, dimension)
    return Merger(conditions, lineage="here", began_ms=T0)


def restored_merger(merger: Merger, conditions: ModelConditions | None = None) -> Merger:
    """The merger as it comes out of state, under the conditions of another configuration where some are given."""
    restored = Merger.decode(merger.encode(), conditions or merger.conditions)
    restored.products.merge(merger.products.rows(merger.products.product_ids), 1.0)
    restored.restore_base(merger.base)
    return restored


def predictor_of(examples: list[Example], dimension: int, now_ms: int = T0) -> Predictor:
    """A model that learned the examples in one shard."""

    shard = LearnerShard("default/0", Sums(dimension, None))
    shard.has_cells = True
    shard.learn(examples)
    merger = make_merger(dimension=dimension)
    merger.absorb(shard.drain_update(), now_ms)
    return Predictor(merger.snapshot(now_ms))
