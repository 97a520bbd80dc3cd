"""Exposures of a session as they come, earn, enter the learner and close; pure bookkeeping over one `Session`."""

import hashlib
import math
from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from state.configuration import Settings
from state.events.event import Event
from state.feature_set import FEATURE_SET, Feature, value_in
from state.model.sums import FOLLOWED, Example
from state.session.exposure import (
    BELOW,
    PASSED,
    Exposure,
    Number,
    is_learned,
    mark_credited,
    open_for_ms,
    places_of,
    rewards_of,
    weights_of,
)
from state.session.group import group_of
from state.session.interest import CATEGORY_VIEW, weight_of
from state.session.log import LoggedOutcome, Record, decision_record, outcome, outcome_records
from state.session.recent_events import LoggedEvent
from state.session.session import Session
from state.session.shown import count_shown, count_unseen
from state.session.slate import Slate

DECISION_BEGIN = 12
"""Characters that all decisions of a task begin with."""
MOST_OF_ORDER = 40
"""Products of the shop's own order that a session keeps."""


class Attribution:
    """Effect of one input on a session's exposures; collects the records and examples to emit, and counts what goes wrong."""

    def __init__(
        self,
        session_id: str,
        session: Session,
        settings: Settings,
        event_id: str,
        now_ms: int,
        learners: Sequence[tuple[str, int]],
        drift_target: tuple[str, str] | None,
        examination: Sequence[float],
        *,
        follows_order: bool = False,
    ) -> None:
        self._session_id = session_id
        self._session = session
        self._settings = settings
        self._event_id = event_id
        self._now_ms = now_ms
        self._learners = learners
        self._drift_target = drift_target
        self._examination = examination
        self._follows_order = follows_order
        self.records: list[Record] = []
        self._outcomes: list[LoggedOutcome] = []
        self.examples: list[Example] = []
        self.closed: list[float] = []
        self.counts: dict[str, int] = {}

    def close_due(self, watermark_ms: int) -> None:
        """Close the exposures that no event can reward any more."""
        latest_ms = watermark_ms - open_for_ms(self._settings.reward)
        self._close([e for e in self._session.exposures if e.exposed_at_ms <= latest_ms])

    def close_evicted(self, evicted: Iterable[LoggedEvent]) -> None:
        """Close early what an event that leaves the session's log may have rewarded, so that its reward stands."""
        for event in evicted:
            products = set(event.products)
            due = [
                e for e in self._session.exposures if e.product_id in products and e.exposed_at_ms <= event.timestamp_ms
            ]
            self._count("exposures_closed_early", len(due))
            self._close(due)

    def expose_implicitly(self, event: LoggedEvent) -> None:
        """Take the first items of the current slate as seen, where the session's next event came late enough for that."""
        session, rules = self._session, self._settings.exposure
        if rules.mode == "explicit" or (rules.mode == "auto" and session.sends_impressions) or not session.slates:
            return
        slate = session.slates[-1]
        if slate.seen or event.timestamp_ms < slate.published_at_ms + rules.implicit_dwell_ms:
            return
        slate.implicit = True
        positions = range(min(rules.implicit_items, len(slate.product_ids)))
        self._expose(slate, [(position, position) for position in positions], slate.published_at_ms)
        self._bound()

    def expose_explicitly(self, event: Event) -> None:
        """Take what an impression shows as seen, and takes back what had been assumed of its slate."""
        self._session.sends_impressions = True
        if self._settings.exposure.mode == "implicit":
            return
        slate = self._session.slate(event.decision_id or "")
        if slate is None:
            self._count("impressions_of_unknown_decisions")
            if self._follows_order and not self._may_be_ours(event.decision_id or ""):
                self._session.shop_order = list(event.shown or ())[:MOST_OF_ORDER]
            return
        if slate.implicit:
            self._retract(slate)
        position_of = {product: position for position, product in enumerate(slate.product_ids)}
        for shown_position, product in enumerate(event.shown or ()):
            position = position_of.get(product)
            if position is None:
                self._count("impressions_of_unknown_products")
            elif not slate.seen >> position & 1:
                self._expose(slate, [(position, shown_position)], event.timestamp)
            else:
                self._see_earlier(slate, position, shown_position, event.timestamp)
        self._bound()

    def reward(self, products: Iterable[str]) -> None:
        """Bring the rewards of the products' exposures up to date and write each difference."""
        affected = set(products)
        if not affected:
            return
        exposures = [e for e in self._session.exposures if e.product_id in affected]
        if not exposures:
            return
        rewards = rewards_of(exposures, self._session.recent.events, self._settings.reward)
        for exposure, reward in zip(exposures, rewards, strict=True):
            if reward != exposure.reward:
                self._change_reward(exposure, reward)

    def credits(self, event: LoggedEvent) -> bool:
        """Return whether the event is of a kind that rewards; one that names a decision without an open exposure is counted.

        Whatever the visitor does with a product, it is not one that is shown in vain.
        """
        if event.kind == CATEGORY_VIEW or not weight_of(event, self._settings.reward.weights):
            return False
        if event.decision_id and not any(
            e.decision_id == event.decision_id and e.product_id in event.products for e in self._session.exposures
        ):
            self._count("rewards_without_exposure")
        for product in event.products:
            self._session.shown.pop(product, None)
        return True

    def queue_for_learning(self) -> None:
        """Hand the learner the exposures that it has not been told of."""
        self._queue([e for e in self._session.exposures if not e.queued])

    def discard(self) -> None:
        """Drop all exposures; those that the learner has not been told of are retracted in the log."""
        for exposure in self._session.exposures:
            if not exposure.queued:
                self._write("retract", exposure)
        self._session.exposures = []

    def finish(self) -> list[Record]:
        """Return all records, with what is for the learners.

        Examples go to each of them, given by their keys and numbers of shards. Where drift is watched, the rewards of closed
        exposures that are learned go to the first shard of the `drift_target`, given by its key and the session's variant.
        """
        self.records += outcome_records(self._session_id, self._outcomes)
        self._outcomes = []
        if self.examples:
            examples = _encoder.encode(self.examples)
            for key, shards in self._learners:
                shard = f"{key}/{shard_of(self._session_id, shards)}"
                self.records.append(Record("examples", shard.encode(), examples))
            self.examples = []
        if self._drift_target and self.closed:
            key, variant = self._drift_target
            self.records.append(Record("examples", f"{key}/0".encode(), msgspec.msgpack.encode({variant: self.closed})))
            self.closed = []
        return self.records

    def _expose(self, slate: Slate, shown_at: Sequence[tuple[int, int]], exposed_at_ms: int) -> None:
        """Takes items as seen; a pair is the position of an item and the one where it was shown."""
        if not shown_at:
            return
        self._log(slate)
        session, new, explored = self._session, 0, 0
        for position, shown_position in shown_at:
            slate.seen |= 1 << position
            product_id, x = slate.product_ids[position], slate.feature_bytes(position)
            exposure = Exposure(
                slate.decision_id,
                product_id,
                position,
                shown_position,
                exposed_at_ms,
                slate.cause,
                x,
                slate.implicit,
                slate.next_seq,
                explored=slate.explored[position],
                examination=self._examination_of(shown_position),
                arm=slate.arms[position] if slate.arms else 0,
            )
            self._write("exposure", exposure)
            session.exposures.append(exposure)
            count_shown(session.shown, product_id)
            new += is_new(slate.feature_set, x)
            explored += slate.explored[position]
        self._count("exposures", len(shown_at))
        self._count("exposures_new", new)
        self._count("exposures_explored", explored)

    def _see_earlier(self, slate: Slate, position: int, shown_position: int, exposed_at_ms: int) -> None:
        """Of several impressions of an item the earliest counts, in whichever order they arrive; a closed exposure stays."""
        found = (e for e in self._session.exposures if (e.decision_id, e.position) == (slate.decision_id, position))
        exposure = next(found, None)
        if exposure is None or (exposed_at_ms, shown_position) >= (exposure.exposed_at_ms, exposure.shown_position):
            return
        if exposure.queued:
            self._learn_difference(exposure, 0)
        exposure.exposed_at_ms, exposure.shown_position = exposed_at_ms, shown_position
        exposure.examination = self._examination_of(shown_position)
        exposure.seq += 1
        self._write("exposure", exposure)
        self._weigh(slate.decision_id)

    def _examination_of(self, shown_position: int) -> Number:
        return self._examination[shown_position] if shown_position < len(self._examination) else 1

    def _may_be_ours(self, decision_id: str) -> bool:
        """Whether it may be a decision that is kept no more: a task's have the same beginning."""
        begin = decision_id[:DECISION_BEGIN]
        return any(slate.decision_id[:DECISION_BEGIN] == begin for slate in self._session.slates)

    def _bound(self) -> None:
        """Closes the oldest exposures where too many are open."""
        excess = len(self._session.exposures) - self._settings.exposure.open_max
        if excess > 0:
            self._count("exposures_closed_early", excess)
            self._close(sorted(self._session.exposures, key=lambda e: e.exposed_at_ms)[:excess])

    def _log(self, slate: Slate) -> None:
        if not slate.logged:
            slate.logged = True
            kind: Literal["explicit", "implicit"] = "implicit" if slate.implicit else "explicit"
            self.records.append(decision_record(self._session_id, slate, kind))
            slate.full = None

    def _retract(self, slate: Slate) -> None:
        """Takes back what was assumed, except what is closed: that was learned, and must not be learned again."""
        for exposure in [e for e in self._session.exposures if e.decision_id == slate.decision_id and e.implicit]:
            exposure.seq += 1
            exposure.reward = 0
            self._learn_difference(exposure, 0)
            self._write("retract", exposure)
            self._session.exposures.remove(exposure)
            count_unseen(self._session.shown, exposure.product_id)
            self._count("exposures_retracted")
            self.reward([exposure.product_id])  # what it had earned may be another exposure's
            slate.seen &= ~(1 << exposure.position)
            slate.next_seq = max(slate.next_seq, exposure.seq + 1)
        slate.implicit = False

    def _change_reward(self, exposure: Exposure, reward: float) -> None:
        more = round(1_000 * (reward - exposure.reward))
        self._count("reward_milli", max(0, more))
        self._count("penalty_milli", max(0, -more))
        exposure.seq += 1
        exposure.reward = reward or 0
        if reward > 0:
            self._session.shown.pop(exposure.product_id, None)
        self._write("reward", exposure)
        self._weigh(exposure.decision_id)

    def _weigh(self, decision_id: str) -> None:
        """Teaches what changed of a decision's exposures: the reward of one may be the weight of others."""
        exposures = [e for e in self._session.exposures if e.decision_id == decision_id]
        model = self._settings.exposure.model
        weights = weights_of(exposures, model)
        places = places_of(exposures) if model == "auto" else [0] * len(exposures)
        for exposure, weight, place in zip(exposures, weights, places, strict=True):
            if exposure.queued:
                self._learn_difference(exposure, weight, place)

    def _close(self, closing: Sequence[Exposure]) -> None:
        if not closing:
            return
        self._queue([e for e in closing if not e.queued])
        named = [event for event in self._session.recent.events if event.reaction]
        for exposure in closing if named else ():
            mark_credited(exposure, named, self._settings.reward)
        self.closed += [exposure.reward for exposure in closing if is_learned(exposure)]
        gone = set(map(id, closing))
        self._session.exposures = [e for e in self._session.exposures if id(e) not in gone]

    def _queue(self, exposures: Sequence[Exposure]) -> None:
        for exposure in exposures:
            exposure.queued = True
        for decision_id in dict.fromkeys([exposure.decision_id for exposure in exposures]):
            self._weigh(decision_id)

    def _learn_difference(self, exposure: Exposure, weight: Number, place: int = 0) -> None:
        """Hands the learner the difference to what it was told of the exposure before, if that is to be learned.

        What an older release has taught goes on: half of an exposure would stay in the sums for ever.
        """
        known, told = exposure.learned_weight, exposure.place
        is_same = (known, exposure.learned_reward, told) == (weight, exposure.reward, place)
        if is_same or not (known or is_learned(exposure)):
            return
        earned, before = (exposure.reward if weight else 0.0), (exposure.learned_reward if known else 0.0)
        by_evidence = self._settings.exposure.model == "auto"
        now_rewarded, was_rewarded = by_evidence and earned > 0, by_evidence and before > 0
        self.examples.append(
            Example(
                exposure.exposed_at_ms,
                exposure.product_id,
                exposure.x,
                count=weight**2 - known**2,
                reward=weight * earned - known * before,
                reward_squared=earned**2 - before**2,
                position=exposure.shown_position if exposure.explored and exposure.arm != FOLLOWED else -1,
                seen=(weight > 0) - (known > 0),
                clicked=earned - before,
                region=group_of(self._session.region, self._session.moment, self._settings.bandit.groups),
                passed=bool(place & PASSED) - bool(told & PASSED),
                below=bool(place & BELOW) - bool(told & BELOW),
                rewarded=now_rewarded - was_rewarded,
                rewarded_below=(now_rewarded and bool(place & BELOW)) - (was_rewarded and bool(told & BELOW)),
                arm=exposure.arm,
            )
        )
        exposure.learned_weight, exposure.learned_reward, exposure.place = weight, exposure.reward, place

    def _write(self, kind: Literal["exposure", "reward", "retract"], exposure: Exposure) -> None:
        self._outcomes.append(outcome(kind, exposure, self._event_id, self._now_ms))

    def _count(self, name: str, by: int = 1) -> None:
        if by:
            self.counts[name] = self.counts.get(name, 0) + by


_encoder = msgspec.msgpack.Encoder()


def is_new(feature_set: str, x: bytes) -> bool:
    """Return whether the item's product had been in the shop for less than 30 days when it was chosen, by the feature `novelty`."""
    novelty = value_in(x, Feature.NOVELTY) if feature_set == FEATURE_SET else None
    return novelty is not None and novelty > _NOVELTY_AT_30_DAYS


_NOVELTY_AT_30_DAYS = math.exp(-1)


def shard_of(session_id: str, shards: int) -> int:
    """Return the learner shard of a session, the same on every machine."""
    if shards == 1:
        return 0
    return int.from_bytes(hashlib.blake2b(session_id.encode(), digest_size=4).digest(), "big") % shards
