"""What the bandit should have learned, recomputed from `user_interactions` and `decisions` alone: slow, plain, independent.

Imports nothing of what it checks. It knows the rules from the specification, not from the code:

- An event counts once; duplicates share an id, or time, type, product and category where they have none.
- An item was seen at its earliest impression; or, of a decision logged as implicit that no impression names, the first few items
  at the decision's time. An impression of a decision that is not in the log (a rolled-back slate) teaches nothing.
- What was only assumed to be seen is earned on, but not learned where the session had touched the product before: where the feature
  `product_seen` is above 0.
- A view, cart, checkout or feedback rewards an exposure of its product: the one whose decision it names, else the latest that is
  not after it; within the window, one exposure per product, never one of the slate that it brought about. An event that names its
  decision may precede the exposure by the disorder.
- An exposure's rewards, divided by the largest, become one by `max`, `sum` or `first`. All exposures weigh 1.
- Products are counted by the session's region as well, where it has one.
- What lies below the last rewarded item of its impression, and is not rewarded itself, was passed over.

Valid where a session keeps its region, no exposure closed early (`exposure.open_max`, `session.max_events`), impressions came
while their slate was one of the session's newest two, everything arrived within `reward.disorder`, and all windows are closed.
"""

import base64
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Record = Mapping[str, Any]
WEIGHTS = {"product_view": 1.0, "add_to_cart": 3.0, "checkout": 5.0}
THUMB = 3.0
LARGEST = 5.0
PRODUCT_SEEN = 9
"""Column of that feature in the set `shop-3`."""


@dataclass(frozen=True)
class Rules:
    """Of rewards and exposures."""

    window_ms: int
    disorder_ms: int
    aggregate: str = "max"
    implicit_items: int = 5


@dataclass
class Seen:
    """An exposure and the rewards that it earned, oldest first."""

    decision_id: str
    product_id: str
    at_ms: int
    place: int
    x: NDArray[np.float64]
    cause: str | None
    is_assumed: bool = False
    rewards: list[float] = field(default_factory=list)

    @property
    def is_learned(self) -> bool:
        """Not where the visitor may have gone on with what they knew, without a look at the list."""
        return not (self.is_assumed and self.x[PRODUCT_SEEN] > 0)


@dataclass
class Statistics:
    """A = Σ x xᵀ, b = Σ r x, the number of exposures, Σ r, Σ r², and exposures and Σ r per product, and per region and product.

    `passed` is Σ x xᵀ of what was passed over; `evidence` counts those, exposures below the first reward of their impression, the
    rewarded ones, and the rewarded ones below a first reward.
    """

    a: NDArray[np.float64]
    b: NDArray[np.float64]
    exposures: int = 0
    reward: float = 0.0
    reward_squared: float = 0.0
    products: dict[str, list[float]] = field(default_factory=dict)
    cells: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    passed: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)))
    evidence: list[int] = field(default_factory=lambda: [0, 0, 0, 0])


def regression(
    events: Iterable[Record], decisions: Iterable[Record], rules: Rules, causes: Mapping[str, str]
) -> Statistics:
    """The statistics. `causes` says which event brought a decision about, see `causes_in_log`."""
    exposures = _exposures(events := once(events), decisions, rules, causes)
    for event in sorted(events, key=lambda event: (event["timestamp"], identity(event))):
        _credit(event, exposures[event["session_id"]], rules)
    regions = {event["session_id"]: event.get("region") or "" for event in events}
    learned = [(regions[name], seen) for name, session in exposures.items() for seen in session if seen.is_learned]
    return _sums(learned, rules.aggregate)


def once(events: Iterable[Record]) -> list[Record]:
    """The first of each event, by session and id, in their order."""
    first: dict[tuple[str, str], Record] = {}
    for event in events:
        first.setdefault((event["session_id"], identity(event)), event)
    return list(first.values())


def identity(event: Record) -> str:
    """What duplicates share."""
    if event.get("event_id"):
        return str(event["event_id"])
    parts = (event["timestamp"], event["event_type"], event.get("product_id") or "", event.get("category_id") or "")
    return "|".join(map(str, parts))


def causes_in_log(events: Iterable[Record], decisions: Iterable[Record]) -> dict[str, str]:
    """The id of the event behind each decision: the newest that is no impression.

    A profile's version counts the session's distinct events in the log's order. Impressions ask for no slate, and one may have come
    while the slate was waiting.
    """
    asking: dict[str, list[str]] = defaultdict(list)
    for event in once(events):
        ids = asking[event["session_id"]]
        ids.append(ids[-1] if ids and event["event_type"] == "impression" else identity(event))
    return {d["decision_id"]: asking[d["session_id"]][d["profile_version"] - 1] for d in decisions}


def _exposures(
    events: list[Record], decisions: Iterable[Record], rules: Rules, causes: Mapping[str, str]
) -> dict[str, list[Seen]]:
    exposures: dict[str, list[Seen]] = defaultdict(list)
    for decision in decisions:
        session, name = decision["session_id"], decision["decision_id"]
        impressions = [
            e
            for e in events
            if e["event_type"] == "impression" and e["session_id"] == session and e["decision_id"] == name
        ]
        for position, item in enumerate(decision["items"]):
            times = [(e["timestamp"], _place(e, item)) for e in impressions if item["product_id"] in e["shown"]]
            is_assumed = not impressions and decision["exposure"] == "implicit" and position < rules.implicit_items
            if is_assumed:
                times = [(decision["timestamp"], position)]
            if times:
                x = np.frombuffer(base64.b64decode(item["features"]), dtype=np.float16).astype(np.float64)
                at_ms, place = min(times)
                seen = Seen(name, item["product_id"], at_ms, place, x, causes.get(name), is_assumed)
                exposures[session].append(seen)
    return exposures


def _place(impression: Record, item: Record) -> int:
    """Where the item stood: the first place of several."""
    place: int = impression["shown"].index(item["product_id"])
    return place


def _credit(event: Record, exposures: list[Seen], rules: Rules) -> None:
    reward = _worth(event) / LARGEST
    if not reward:
        return
    products = {event.get("product_id"), *(line["product_id"] for line in event.get("items") or ())} - {None}
    for product in products:
        open_now = [
            seen
            for seen in exposures
            if seen.product_id == product
            and seen.cause != identity(event)
            and event["timestamp"] - rules.window_ms <= seen.at_ms
        ]
        named = [
            seen
            for seen in open_now
            if seen.decision_id == event.get("decision_id") and seen.at_ms <= event["timestamp"] + rules.disorder_ms
        ]
        before = [seen for seen in open_now if seen.at_ms <= event["timestamp"]]
        if named:
            named[0].rewards.append(reward)
        elif before:
            max(before, key=lambda seen: (seen.at_ms, seen.decision_id)).rewards.append(reward)


def _worth(event: Record) -> float:
    if event["event_type"] == "feedback":
        kind, value = event["feedback"]["kind"], float(event["feedback"]["value"])
        return THUMB * (value if kind == "thumb" else (value - 3) / 2)
    return WEIGHTS.get(event["event_type"], 0.0)


def _together(rewards: list[float], aggregate: str) -> float:
    """One number in [-1, 1]; with `max` the worst below zero counts against the best above."""
    if not rewards:
        return 0.0
    if aggregate == "first":
        return min(1.0, max(-1.0, rewards[0]))
    if aggregate == "sum":
        return min(1.0, max(-1.0, sum(rewards)))
    return min(1.0, max([0.0, *rewards])) + max(-1.0, min([0.0, *rewards]))


def _sums(exposures: list[tuple[str, Seen]], aggregate: str) -> Statistics:
    dimension = len(exposures[0][1].x) if exposures else 0
    total = Statistics(np.zeros((dimension, dimension)), np.zeros(dimension))
    total.passed = np.zeros((dimension, dimension))
    rewarded: dict[tuple[str, int], list[int]] = defaultdict(list)
    for _, seen in exposures:
        if _together(seen.rewards, aggregate) > 0:
            rewarded[seen.decision_id, seen.at_ms].append(seen.place)
    for region, seen in exposures:
        reward = _together(seen.rewards, aggregate)
        total.a += np.outer(seen.x, seen.x)
        total.b += reward * seen.x
        total.exposures += 1
        total.reward += reward
        total.reward_squared += reward**2
        counted = [total.products.setdefault(seen.product_id, [0, 0.0])]
        if region:
            counted.append(total.cells.setdefault((region, seen.product_id), [0, 0.0]))
        for each in counted:
            each[0] += 1
            each[1] += reward
        places = rewarded.get((seen.decision_id, seen.at_ms))
        is_below = places is not None and seen.place > min(places)
        if places is not None and seen.place > max(places) and not reward:
            total.passed += np.outer(seen.x, seen.x)
            total.evidence[0] += 1
        total.evidence[1] += is_below
        total.evidence[2] += reward > 0
        total.evidence[3] += is_below and reward > 0
    return total
