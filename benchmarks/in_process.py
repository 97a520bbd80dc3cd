"""Heliotrope in process: the operators' calls on the pure core, in their order, without Flink, Kafka and Redis."""

import heapq

import msgspec
import numpy as np

from state.choosing.choice import Chooser
from state.configuration import Settings
from state.events.event import Event
from state.feature_set import DIMENSION
from state.model.learner import LearnerShard
from state.model.merger import Merger, conditions_of
from state.model.predictor import Predictor
from state.model.snapshot import Snapshot
from state.model.sums import Example
from state.personalizer import Personalizer
from state.profile.effect import Effect
from state.session.forms import decode_session
from state.session.session import Session

_examples = msgspec.msgpack.Decoder(list[Example])


class InProcess:
    """Session state is encoded and decoded around each input and the model travels as bytes, as in the job.

    Args:
        publish_every: a new model after so many inputs.

    Attributes:
        chooser: holds the catalogue and the stores of the other sources, to be fed.
        shards: the learner's shards by name.
        sessions: every session's state by id, as it is stored.
    """

    def __init__(self, settings: Settings, seed: int, publish_every: int = 50) -> None:
        self.settings = settings
        self.chooser = Chooser(settings, np.random.default_rng([seed, 20]))
        self.shards: dict[str, LearnerShard] = {}
        self.personalizer = Personalizer(settings, self.chooser, b"salt")
        self._merger = Merger(conditions_of(settings), "in process", 0)
        self._changed: set[str] = set()
        self.sessions: dict[str, bytes] = {}
        self._timers: list[tuple[int, str]] = []
        self._publish_every = publish_every
        self._inputs = 0

    def apply(self, event: Event, now_ms: int) -> Effect:
        """An event arrives at `now_ms`, which never goes back; its own timestamp may be older."""
        watermark_ms = now_ms - self.settings.popularity.allowed_lateness_ms
        self._fire_timers(watermark_ms)
        session = self.session(event.session_id)
        effect = self.personalizer.apply(session, event, record_ms=now_ms, now_ms=now_ms, watermark_ms=watermark_ms)
        self._carry_out(event.session_id, effect)
        self._inputs += 1
        if self._inputs % self._publish_every == 0:
            self.publish(now_ms)
        return effect

    def session(self, session_id: str) -> Session | None:
        """What is held of a session."""
        data = self.sessions.get(session_id)
        return None if data is None else decode_session(data)

    def publish(self, now_ms: int) -> None:
        """The shards' updates become a model, which is chosen with from now on."""
        for name in sorted(self._changed):
            self._merger.absorb(self.shards[name].drain_update(), now_ms)
        self._changed.clear()
        if not self._merger.is_empty():
            snapshot = Snapshot.decode(self._merger.snapshot(now_ms).encode())
            self.chooser.use_model(Predictor(snapshot))

    def _carry_out(self, session_id: str, effect: Effect) -> None:
        if effect.session is None:
            self.sessions.pop(session_id, None)
        else:
            self.sessions[session_id] = effect.session.encode()
        if effect.timer_ms is not None:
            heapq.heappush(self._timers, (effect.timer_ms, session_id))
        for record in effect.records:
            if record.kind == "examples":
                self._learn(record.key.decode(), _examples.decode(record.value))

    def _learn(self, name: str, examples: list[Example]) -> None:
        shard = self.shards.get(name)
        if shard is None:
            shard = self.shards[name] = LearnerShard.open(name, None, {}, DIMENSION, self.settings.bandit, 0)
        shard.learn(examples)
        self._changed.add(name)

    def _fire_timers(self, watermark_ms: int) -> None:
        while self._timers and self._timers[0][0] <= watermark_ms:
            timer_ms, session_id = heapq.heappop(self._timers)
            session = self.session(session_id)
            if session is not None and timer_ms >= session.timer_ms:
                effect = self.personalizer.on_timer(session, session_id, timer_ms, now_ms=watermark_ms)
                self._carry_out(session_id, effect)
