"""Exposures that wait for their reward, and which event rewards which of them."""

from collections.abc import Sequence

import msgspec

from state.configuration import Reward
from state.feature_set import Feature, value_in
from state.session.interest import CATEGORY_VIEW, largest_weight, weight_of
from state.session.recent_events import LoggedEvent

PASSED, BELOW = 1, 2
"""Below the last reward of an impression without one of its own, and below the first one."""
Number = int | float
"""Whole numbers are kept as such: in state they take a byte instead of nine."""


class Exposure(msgspec.Struct, array_like=True, gc=False):
    """Product of a slate that was seen.

    `position` is where it was published and `shown_position` where it was shown, both from 0; `cause` the digest of the event
    that produced the slate; `x` its features as float16 bytes; `seq` numbers its outcomes; `reward` is the aggregate that
    was last written. `examination` is the probability that the place was looked at, 1 unless positions are modelled; `explored`
    says that the item was another than the best. `queued` says whether the learner has been told of it, and `learned_weight` and
    `learned_reward` with which weight and reward. `place` says where among its impression's rewards it was told to lie: `PASSED`
    and `BELOW` added up. `arm` says whose the item was where the list followed the shop's own order in part.
    """

    decision_id: str
    product_id: str
    position: int
    shown_position: int
    exposed_at_ms: int
    cause: bytes
    x: bytes
    implicit: bool
    seq: int = 0
    reward: Number = 0
    queued: bool = False
    explored: bool = False
    examination: Number = 1
    learned_weight: Number = 0
    learned_reward: Number = 0
    place: int = 0
    arm: int = 0

    @property
    def is_told(self) -> bool:
        """Whether the learner knows of it, or is to know."""
        return self.queued and bool(self.learned_weight or is_learned(self))


def is_learned(exposure: Exposure) -> bool:
    """Return whether the learner is told of it: not where it is assumed only, and the session had touched the product before.

    A visitor goes on with such a product whether it is listed or not, and nobody knows that the list was looked at: its reward
    would be that of the visitor's habit. By the feature `product_seen`, so that the log of decisions alone says it.
    """
    seen = value_in(exposure.x, Feature.PRODUCT_SEEN) if exposure.implicit else None
    return seen is None or seen <= 0


def open_for_ms(reward: Reward) -> int:
    """Return the time from an exposure to the watermark from which on no event rewards it any more: the first past window and
    disorder."""
    return reward.window_ms + reward.disorder_ms + 1


def weights_of(exposures: Sequence[Exposure], model: str) -> list[Number]:
    """Weigh each exposure of one decision, given the rewards of all of them.

    `all`: 1. `cascade` (Craswell, Zoeter, Taylor, Ramsey 2008, "An experimental comparison of click position-bias models",
    section 3.4, with the last click in place of the only one): what lies below the lowest rewarded item was not looked at, 0.
    `position` (the same, section 3.2, the examination hypothesis): the place's examination probability.
    """
    if model == "position":
        return [exposure.examination for exposure in exposures]
    if model == "cascade":
        last = max((e.shown_position for e in exposures if e.reward > 0), default=None)
        return [1 if last is None or e.shown_position <= last or e.reward else 0 for e in exposures]
    return [1] * len(exposures)


def places_of(exposures: Sequence[Exposure]) -> list[int]:
    """Say where each exposure of one decision lies among the rewards of its impression, of what the learner knows.

    An impression is what was seen at one time: its exposures close together, so that the answer does not depend on the order in
    which things become known.
    """
    rewarded: dict[int, list[int]] = {}
    for exposure in exposures:
        if exposure.is_told and exposure.reward > 0:
            rewarded.setdefault(exposure.exposed_at_ms, []).append(exposure.shown_position)
    places = []
    for exposure in exposures:
        shown = rewarded.get(exposure.exposed_at_ms)
        is_passed = shown is not None and exposure.shown_position > max(shown) and not exposure.reward
        is_below = shown is not None and exposure.shown_position > min(shown)
        places.append(PASSED * is_passed + BELOW * is_below)
    return places


def rewards_of(exposures: Sequence[Exposure], events: Sequence[LoggedEvent], settings: Reward) -> list[float]:
    """Return the aggregate reward of each exposure: a function of the two sets alone, whatever the order of arrival.

    An event rewards exposures of its own products only: the one its decision names, else the latest that is not after it; within
    the window, one exposure per product, and never one of the slate that it produced. An event that names its decision may come
    before the exposure by as much as the disorder. `events` are oldest first. What an event has earned a closed exposure is not
    earned again, see `mark_credited`.
    """
    if not exposures:
        return []
    credited: dict[int, list[float]] = {}
    largest = largest_reward(settings)
    first_ms = min([exposure.exposed_at_ms for exposure in exposures]) - settings.disorder_ms
    exposed: dict[str, list[int]] = {}
    for place, exposure in enumerate(exposures):
        exposed.setdefault(exposure.product_id, []).append(place)
    are_exposed = exposed.keys()
    for event in events:
        if event.timestamp_ms < first_ms or event.kind == CATEGORY_VIEW or are_exposed.isdisjoint(event.products):
            continue
        weight = weight_of(event, settings.weights)
        if not weight:
            continue
        digest, decision_id, credited_before = event.digest, event.decision_id, event.credited
        for product in event.products:
            if product not in exposed or product in credited_before:
                continue
            index = _credited_exposure(exposures, exposed[product], event, digest, decision_id, settings)
            if index is not None:
                reward = weight / largest * _boost(exposures[index], settings.affinity_boost)
                credited.setdefault(index, []).append(reward)
    rewards = [0.0] * len(exposures)
    for index, earned in credited.items():
        rewards[index] = aggregate(earned, settings.aggregate)
    return rewards


def mark_credited(exposure: Exposure, events: Sequence[LoggedEvent], settings: Reward) -> None:
    """Note, as the exposure closes, which events that name its decision are credited to it. Without that they would be credited to
    another exposure of the product, to which they go only where the named one was never seen."""
    product = exposure.product_id
    for event in events:
        if event.decision_id != exposure.decision_id or product not in event.products or product in event.credited:
            continue
        if _is_in_time(event, exposure, settings) and event.digest != exposure.cause:
            event.mark_credited(product)


def _is_in_time(event: LoggedEvent, exposure: Exposure, settings: Reward) -> bool:
    return -settings.disorder_ms <= event.timestamp_ms - exposure.exposed_at_ms <= settings.window_ms


def _boost(exposure: Exposure, affinity_boost: float) -> float:
    """1 + boost × affinity in [0, 1) of the session for the product when it was shown: what the source paper does.

    It learns that liked products are rewarded, which they would be anywhere; predictions for them come out too high.
    """
    if not affinity_boost:
        return 1.0
    affinity = value_in(exposure.x, Feature.PRODUCT_AFFINITY)
    return 1.0 + affinity_boost * max(0.0, affinity or 0.0)


def aggregate(rewards: Sequence[float], how: str) -> float:
    """Return one number in [-1, 1] from an exposure's rewards, oldest first. A thumb down counts against the best of the others."""
    if not rewards:
        return 0.0
    if how == "first":
        return max(-1.0, min(1.0, rewards[0]))
    if how == "sum":
        return max(-1.0, min(1.0, sum(rewards)))
    return min(1.0, max(0.0, *rewards)) + max(-1.0, min(0.0, *rewards))


def largest_reward(settings: Reward) -> float:
    """Return what rewards are divided by, so that they lie in [-1, 1]."""
    return largest_weight(settings.weights)


def _credited_exposure(
    exposures: Sequence[Exposure],
    of_product: Sequence[int],
    event: LoggedEvent,
    digest: bytes,
    decision_id: str,
    settings: Reward,
) -> int | None:
    """Which of the product's exposures, given by their indices, the event is credited to."""
    latest: int | None = None
    for index in of_product:
        exposure = exposures[index]
        if exposure.cause == digest or not _is_in_time(event, exposure, settings):
            continue
        if decision_id and exposure.decision_id == decision_id:
            return index
        if event.timestamp_ms >= exposure.exposed_at_ms and (
            latest is None or _recency(exposure) > _recency(exposures[latest])
        ):
            latest = index
    return latest


def _recency(exposure: Exposure) -> tuple[int, str]:
    return (exposure.exposed_at_ms, exposure.decision_id)
