"""Heliotrope in process: the operators' calls on the pure core, in their order, without Flink, Kafka and Redis."""

import heapq
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np

from benchmarks.lab.method import Method, Page
from jobs.settings import settings_from
from state.choice import Chooser
from state.configuration import Settings
from state.event import Event
from state.feature_set import DIMENSION
from state.features import Context
from state.interest import interest
from state.learner import LearnerShard
from state.merger import Merger, terms_of
from state.model import Predictor, Snapshot
from state.personalizer import Effect, Personalizer
from state.product import Product
from state.session import Session
from state.sums import Example

_examples = msgspec.msgpack.Decoder(list[Example])


class Heliotrope(Method):
    """Session state is encoded and decoded around each input and the model travels as bytes, as in the job.

    Args:
        overrides: configuration by section, such as `{"bandit": {"policy": "lin_ucb"}}`.
        publish_every: a new model after so many inputs.
    """

    def __init__(self, overrides: dict[str, Any], seed: int, items: int, publish_every: int = 50) -> None:
        sections = {"profile": {"items": items, "min_interval": 0}, "decisions": {"full_share": 0.0}, **overrides}
        self.settings: Settings = settings_from(sections)
        self._chooser = Chooser(self.settings, np.random.default_rng([seed, 20]))
        self._personalizer = Personalizer(self.settings, self._chooser, b"salt")
        self._merger = Merger(terms_of(self.settings), "lab", 0)
        self._shards: dict[str, LearnerShard] = {}
        self._changed: set[str] = set()
        self._sessions: dict[str, bytes] = {}
        self._timers: list[tuple[int, str]] = []
        self._publish_every = publish_every
        self._inputs = 0

    def product(self, product: Product, now_ms: int) -> None:
        """See `Method.product`."""
        self._chooser.catalogue.put(product)

    def event(self, event: Event, now_ms: int) -> None:
        """See `Method.event`."""
        watermark_ms = now_ms - self.settings.popularity.allowed_lateness_ms
        self._fire_timers(watermark_ms)
        session = self._load(event.session_id)
        effect = self._personalizer.apply(session, event, record_ms=now_ms, now_ms=now_ms, watermark_ms=watermark_ms)
        self._carry_out(event.session_id, effect)
        self._inputs += 1
        if self._inputs % self._publish_every == 0:
            self._publish(now_ms)

    def page(self, session_id: str, items: int, now_ms: int) -> Page:
        """See `Method.page`."""
        session = self._load(session_id)
        assert session is not None, "a visitor asks for a page after an event"
        slate = session.slates[-1]
        return Page(slate.decision_id, slate.product_ids[:items])

    def speeds(
        self, session_id: str, now_ms: int, per_second: Callable[[Callable[[], object]], float]
    ) -> tuple[float, float, float]:
        """Slates and learned exposures per second, and milliseconds for a publication, as `per_second` times them."""
        session = self._load(session_id)
        assert session is not None
        slate = session.slates[-1]
        known = interest(session.recent.events, self.settings.reward.weights, self.settings.session.decay)
        context = Context(known, "", {}, now_ms)
        shard = next(iter(self._shards.values()))
        example = Example(now_ms, slate.product_ids[0], slate.feature_bytes(0), 1, 0.2, 0.04)
        slates = per_second(lambda: self._chooser.choose(context, profile_version=1, cause=b""))
        updates = per_second(lambda: shard.learn([example]))
        return slates, updates, 1_000 / per_second(lambda: self._publish(now_ms))

    def _load(self, session_id: str) -> Session | None:
        data = self._sessions.get(session_id)
        return None if data is None else Session.decode(data)

    def _carry_out(self, session_id: str, effect: Effect) -> None:
        if effect.session is None:
            self._sessions.pop(session_id, None)
        else:
            self._sessions[session_id] = effect.session.encode()
        if effect.timer_ms is not None:
            heapq.heappush(self._timers, (effect.timer_ms, session_id))
        for record in effect.records:
            if record.kind == "examples":
                self._learn(record.key.decode(), _examples.decode(record.value))

    def _learn(self, name: str, examples: list[Example]) -> None:
        shard = self._shards.get(name)
        if shard is None:
            shard = self._shards[name] = LearnerShard.open(name, None, {}, DIMENSION, self.settings.bandit, 0)
        shard.learn(examples)
        self._changed.add(name)

    def _publish(self, now_ms: int) -> None:
        for name in sorted(self._changed):
            self._merger.absorb(self._shards[name].take_update(), now_ms)
        self._changed.clear()
        if not self._merger.is_empty():
            snapshot = Snapshot.decode(self._merger.snapshot(now_ms).encode())
            self._chooser.use_model(Predictor(snapshot))

    def _fire_timers(self, watermark_ms: int) -> None:
        while self._timers and self._timers[0][0] <= watermark_ms:
            timer_ms, session_id = heapq.heappop(self._timers)
            session = self._load(session_id)
            if session is not None and timer_ms >= session.timer_ms:
                self._carry_out(
                    session_id, self._personalizer.on_timer(session, session_id, timer_ms, now_ms=watermark_ms)
                )
