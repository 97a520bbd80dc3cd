"""The learner's sums are the reference's weighted ridge: for any order, any duplication, any number of shards."""

import json
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from state.events.event import Event
from state.feature_set import DIMENSION, FEATURE_SET, NAMES
from state.model.learner import LearnerShard
from state.model.snapshot import Snapshot
from state.model.sums import Example
from state.personalizer import Personalizer
from state.profile.effect import Effect
from state.profile.publishing import Publisher
from state.session.forms import decode_session
from state.session.interest import Interest
from state.session.recent_events import logged
from state.session.session import Session
from state.session.slate import Slate
from tests.reference.comparison import assert_equal
from tests.reference.regression import PRODUCT_SEEN, Rules, causes_in_log, identity, regression
from tests.state.shop import T0, make_merger, settings, shop

WINDOW_MS, DISORDER_MS = 120_000, 60_000
ITEMS, SLATES, PRODUCTS = 4, 3, 6
Raw = dict[str, Any]
_examples = msgspec.msgpack.Decoder(list[Example])


class Job:
    """Sessions as the job holds them: state as bytes, timers fired as the watermark rises; keeps what comes out."""

    def __init__(self, personalizer: Personalizer) -> None:
        self.personalizer = personalizer
        self.states: dict[str, bytes] = {}
        self.decisions: list[Raw] = []
        self.examples: list[Example] = []

    def session(self, session_id: str) -> Session | None:
        """As stored."""
        state = self.states.get(session_id)
        return None if state is None else decode_session(state)

    def send(self, raw: Raw, now_ms: int, watermark_ms: int) -> None:
        """An event arrives after the watermark."""
        self.rise(watermark_ms)
        event, session_id = msgspec.convert(raw, Event), raw["session_id"]
        self._keep(
            session_id,
            self.personalizer.apply(
                self.session(session_id), event, record_ms=now_ms, now_ms=now_ms, watermark_ms=watermark_ms
            ),
        )

    def rise(self, watermark_ms: int) -> None:
        """Fires what is due."""
        for session_id in list(self.states):
            while (session := self.session(session_id)) is not None and 0 < session.timer_ms <= watermark_ms:
                self._keep(session_id, self.personalizer.on_timer(session, session_id, session.timer_ms, watermark_ms))

    def flush_pending(self, now_ms: int) -> None:
        """Publishes what is pending by then."""
        for session_id in list(self.states):
            session = self.session(session_id)
            if session is not None and 0 < session.pending_ms <= now_ms:
                self._keep(
                    session_id, self.personalizer.publisher.publish_pending(session, session_id, session.pending_ms)
                )

    def _keep(self, session_id: str, effect: Effect) -> None:
        assert not effect.counts.get("exposures_closed_early")
        if effect.session is None:
            self.states.pop(session_id, None)
        else:
            self.states[session_id] = effect.session.encode()
        for record in effect.records:
            if record.kind == "decisions":
                self.decisions.append(json.loads(record.value))
            elif record.kind == "examples":
                self.examples += _examples.decode(record.value)

    def learned(self, shards: list[int]) -> Snapshot:
        """The examples learned in shards, dealt out by the numbers in turn, and merged after every few."""
        bandit = settings().bandit
        learners = {n: LearnerShard.open(f"test/{n}", None, {}, DIMENSION, bandit, T0) for n in shards}
        merger = make_merger()
        for index, example in enumerate(self.examples):
            learner = learners[shards[index % len(shards)]]
            learner.learn([example])
            if index % 3 == 0:
                merger.absorb(learner.drain_update(), T0)
        for learner in learners.values():
            merger.absorb(learner.drain_update(), T0)
        return merger.snapshot(T0)


def settings_of(aggregate: str, mode: str, min_interval_ms: int = 0) -> Any:
    """Short windows, and room for all that is open."""
    return settings(
        profile={"min_interval": min_interval_ms},
        reward={"window": WINDOW_MS, "disorder": DISORDER_MS, "aggregate": aggregate},
        exposure={"mode": mode, "open_max": 128},
        decisions={"full_share": 0.0},
    )


ACTIONS = ("product_view", "add_to_cart", "checkout", "thumb", "rating", "impression", "category_view")
action = st.fixed_dictionaries(
    {
        "kind": st.sampled_from((*ACTIONS, "impression", "product_view")),
        "product": st.integers(0, PRODUCTS - 1),
        "slate": st.integers(0, SLATES - 1),
        "named": st.booleans(),
        "items": st.integers(1, ITEMS),
        "value": st.integers(1, 5),
        "has_id": st.booleans(),
        "copies": st.integers(1, 2),
    }
)
any_shards = st.lists(st.integers(0, 4), min_size=1, max_size=6)
either_aggregate = pytest.mark.parametrize("aggregate", ["max", "first"])


def raw_event(what: Raw, session_id: str, timestamp: int, name: str, slate: Slate | None) -> Raw:
    """An event in the form of the topic."""
    product = f"product-{what['product']}"
    raw: Raw = {"session_id": session_id, "timestamp": timestamp, "event_type": what["kind"]}
    raw["region"] = {"s": "south", "s1": "north", "s2": "south"}.get(session_id)
    if what["has_id"]:
        raw["event_id"] = name
    if what["named"] and slate is not None:
        raw["decision_id"] = slate.decision_id
    match what["kind"]:
        case "impression":
            ids = slate.product_ids if slate is not None else [product]
            shift = what["product"] % max(1, len(ids))  # a reader who re-sorts
            shown = [*ids[shift:], *ids[:shift]][: what["items"]]
            raw |= {"decision_id": slate.decision_id if slate is not None else "rolled-back", "shown": shown}
        case "checkout":
            raw["items"] = [{"product_id": product}, {"product_id": f"product-{what['value']}", "quantity": 2}]
        case "thumb":
            raw |= {"event_type": "feedback", "product_id": product}
            raw["feedback"] = {"kind": "thumb", "value": 1 if what["value"] > 2 else -1}
        case "rating":
            raw |= {"event_type": "feedback", "product_id": product}
            raw["feedback"] = {"kind": "rating", "value": what["value"]}
        case "category_view":
            raw["category_id"] = "category-1"
        case _:
            raw["product_id"] = product
    return raw


class FixedDecisions(Publisher):
    """Slates are given: nothing is chosen, so that events can come in any order."""

    def _choose(self, session: Session, session_id: str, cause: bytes, now_ms: int) -> tuple[Slate, Interest]:
        return session.slates[-1], Interest({}, {}, 0.0)


def given_slates(seed: int, causes: list[Raw]) -> list[Slate]:
    """Slates of random items and features, each brought about by one of the events."""
    rng = np.random.default_rng(seed)
    return [
        Slate(
            decision_id=f"decision-{number}",
            published_at_ms=T0,
            profile_version=1,
            model_version=0,
            policy="uniform",
            variant="default",
            feature_set=FEATURE_SET,
            cause=logged(msgspec.convert(cause, Event), []).digest,
            product_ids=[f"product-{p}" for p in rng.permutation(PRODUCTS)[:ITEMS]],
            category_ids=[""] * ITEMS,
            propensity=[0.5] * ITEMS,
            explored=[False] * ITEMS,
            features=rng.standard_normal((ITEMS, DIMENSION)).astype(np.float16).tobytes(),
        )
        for number, cause in enumerate(causes)
    ]


def test_the_reference_reads_the_feature_that_it_means() -> None:
    assert (FEATURE_SET, NAMES[PRODUCT_SEEN]) == ("shop-3", "product_seen")


@either_aggregate
@given(
    actions=st.lists(st.tuples(action, st.integers(0, 240_000)), min_size=SLATES, max_size=14),
    order=st.randoms(use_true_random=False),
    shards=any_shards,
)
@limits(deadline=None, max_examples=150)
def test_any_order_and_duplication_give_the_references_sums(
    aggregate: str, actions: list[tuple[Raw, int]], order: Any, shards: list[int]
) -> None:
    """The decisions are fixed. The watermark is as far as it may be: nothing is more than `reward.disorder` behind it."""
    rough = [raw_event(what | {"has_id": True}, "s", T0 + at, f"e{i}", None) for i, (what, at) in enumerate(actions)]
    slates = given_slates(len(actions), rough[:SLATES])
    events = [
        raw_event(what | {"has_id": True}, "s", T0 + at, f"e{i}", slates[what["slate"]])
        for i, (what, at) in enumerate(actions)
    ]
    arrivals = [event for event, (what, _) in zip(events, actions, strict=True) for _ in range(what["copies"])]
    order.shuffle(arrivals)
    settings, chooser = settings_of(aggregate, "explicit"), shop().chooser
    job = Job(Personalizer(settings, chooser, b""))
    job.personalizer.publisher = FixedDecisions(settings, chooser)
    session = Session.begin(T0)
    session.slates = slates
    job.states["s"] = session.encode()
    for index, event in enumerate(arrivals):
        watermark_ms = min(later["timestamp"] for later in arrivals[index:]) + DISORDER_MS - 1
        job.send(event, T0 + 500_000, watermark_ms)
    job.rise(T0 + 10_000_000)
    causes = {slate.decision_id: identity(cause) for slate, cause in zip(slates, rough, strict=False)}
    expected = regression(arrivals, job.decisions, Rules(WINDOW_MS, DISORDER_MS, aggregate), causes)
    if expected.exposures:
        assert_equal(job.learned(shards), expected)
    else:
        assert not job.examples


@either_aggregate
@given(
    steps=st.lists(
        st.tuples(action, st.integers(100, 50_000), st.integers(0, DISORDER_MS - 1), st.integers(0, 2)),
        min_size=4,
        max_size=30,
    ),
    shards=any_shards,
    min_interval_ms=st.sampled_from([0, 20, 20_000, 60_000]),
)
@limits(deadline=None, max_examples=150)
def test_the_logs_alone_give_the_learners_sums(
    aggregate: str, steps: list[tuple[Raw, int, int, int]], shards: list[int], min_interval_ms: int
) -> None:
    """Slates are chosen as in the job, some after several events; stays count as exposure until an impression says otherwise;
    events come late and twice."""
    job = Job(shop(settings_of(aggregate, "auto", min_interval_ms), products=PRODUCTS, categories=2))
    log: list[Raw] = []
    now_ms = watermark_ms = T0
    for number, (what, later_ms, back_ms, who) in enumerate(steps):
        now_ms += later_ms
        job.flush_pending(now_ms)
        session = job.session(f"s{who}")
        slates = [s for s in session.slates if s.published_at_ms > now_ms - WINDOW_MS] if session is not None else []
        slate = slates[what["slate"] % len(slates)] if slates else None
        if what["kind"] == "impression":
            back_ms = 0  # a late one may find an event that names it credited to an exposure that has closed
        raw = raw_event(what, f"s{who}", now_ms - back_ms, f"e{number}", slate)
        for copy in range(what["copies"]):
            log.append(raw)
            job.send(raw, now_ms + copy, watermark_ms)
        watermark_ms = max(watermark_ms, now_ms - back_ms)
    job.rise(now_ms + 10_000_000)
    rules = Rules(WINDOW_MS, DISORDER_MS, aggregate)
    expected = regression(log, job.decisions, rules, causes_in_log(log, job.decisions))
    if expected.exposures:
        assert_equal(job.learned(shards), expected)
    else:
        assert not job.examples
