from state.configuration import Reward
from state.events.event import EVENT_TYPES, Event, read_event
from state.session.exposure import Exposure, mark_credited, rewards_of
from state.session.recent_events import LoggedEvent, logged

RULES = Reward()
CHECKOUT_OF_TWO = ["p1", "p2"]


def exposure(decision_id: str, product_id: str, at_ms: int) -> Exposure:
    return Exposure(decision_id, product_id, 0, 0, at_ms, b"cause", b"", implicit=False)


def checkout(products: list[str], decision_id: str) -> LoggedEvent:
    return LoggedEvent(5_000, b"e1", EVENT_TYPES.index("checkout"), products, [""] * len(products), decision_id)


def test_what_a_closed_exposure_has_earned_is_earned_by_no_other() -> None:
    """The event names the older of two lists that both showed the product; that exposure closes first."""
    older, newer = exposure("d1", "p1", 1_000), exposure("d2", "p1", 2_000)
    events = [checkout(["p1"], "d1")]
    assert rewards_of([older, newer], events, RULES) == [1.0, 0.0]
    mark_credited(older, events, RULES)
    assert rewards_of([newer], events, RULES) == [0.0]
    mark_credited(older, events, RULES)
    assert events[0].credited == ["p1"]
    assert events[0].decision_id == "d1"


def test_the_other_products_of_the_event_go_on_earning() -> None:
    events = [checkout(CHECKOUT_OF_TWO, "d1")]
    mark_credited(exposure("d1", "p1", 1_000), events, RULES)
    same_list, another = exposure("d1", "p2", 1_000), exposure("d2", "p2", 2_000)
    assert rewards_of([same_list, another], events, RULES) == [1.0, 0.0]
    assert rewards_of([another], events, RULES) == [1.0]  # as of a list that was never seen


def test_only_what_was_credited_to_the_exposure_is_marked() -> None:
    """An event outside the window, and the one that brought the list about, go to another exposure."""
    late, cause = exposure("d1", "p1", 5_000 - RULES.window_ms - 1), exposure("d1", "p1", 1_000)
    events = [checkout(["p1"], "d1")]
    cause.cause = events[0].digest
    for closing in (late, cause, exposure("d2", "p1", 1_000)):
        mark_credited(closing, events, RULES)
    assert rewards_of([exposure("d3", "p1", 2_000)], events, RULES) == [1.0]


def test_a_visitor_cannot_mark_a_reward_as_credited() -> None:
    """The mark is a NUL in the event's bytes; a decision id that brings one names no list."""
    event = read_event(
        b'{"session_id": "s", "event_type": "product_view", "timestamp": 5000, "product_id": "p1",'
        b' "decision_id": "d1\\u0000p1"}',
        now_ms=5_000,
        max_bytes=1_000,
        max_future_ms=0,
    )
    assert isinstance(event, Event)
    entry = logged(event, [""])
    assert (entry.decision_id, entry.credited) == ("", [])
    assert rewards_of([exposure("d1", "p1", 1_000)], [entry], RULES) == [0.2]
