"""The operators of users and of their lists: answers, restarts, erasure, and that state comes to an end."""

import json
from typing import Any

import pytest
from pyflink.common import Row

from operators.build import BUILD_ID
from operators.users.user_lists import UserListOperator
from operators.users.users import MOST_EVENTS, UserOperator
from state.configuration import HOUR_MS
from state.events.accepted import accepted_lines
from state.session.hint import Hint
from state.session.log import user_hash
from state.users.user_input import Forget, Hello, Listed, encode_message
from tests.operators.flink_fakes import Context, RuntimeContext
from tests.state.shop import T0, event, settings

DAY = 24 * HOUR_MS
CONFIGURATION = settings(users={"ttl": "30 d", "half_life": "7 d", "listed": 3})
ANN = user_hash("ann", b"salt")


class Bench:
    """The operator of users; `restart` makes it anew over the same state."""

    def __init__(self) -> None:
        self.context = Context()
        self.runtime = RuntimeContext(self.context)
        self.begin()

    def restart(self) -> None:
        self.operator.close()
        self.begin()

    def begin(self) -> None:
        self.operator = UserOperator(CONFIGURATION, BUILD_ID)
        self.operator.open(self.runtime)

    def send(self, *messages: Any, user: str = "ann") -> list[tuple[str, Hint]]:
        """Messages, or accepted events as text; hints by session."""
        self.context.key = user
        texts = [message if isinstance(message, str) else encode_message(message) for message in messages]
        rows = [row._values for row in self.operator.process_element(texts, self.context)]
        return [(session.decode(), Hint.decode(hint)) for session, hint in rows]

    def pass_watermark(self, watermark_ms: int) -> None:
        """Fires timers as Flink would, until none is due."""
        while due := sorted(timer for timer in self.context.event_timers if timer[1] <= watermark_ms):
            self.context.key, timer_ms = due[0]
            self.context.event_timers.discard(due[0])
            assert list(self.operator.on_timer(timer_ms, self.context)) == []

    def held(self) -> int:
        return len(self.runtime.states["user"]._values)

    def count(self, name: str) -> int:
        self.operator._counters.flush()
        return self.runtime.counters[name].count if name in self.runtime.counters else 0


def view(product: str, at_ms: int = 0, category: str = "c1") -> str:
    lines = accepted_lines(event("product_view", at_ms, product_id=product), [category], [], [], "ann")
    assert lines is not None
    return lines


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_new_session_is_told_what_others_showed_and_what_was_listed(bench: Bench) -> None:
    assert bench.send(Hello("phone", T0)) == []
    bench.send(view("p1"), view("p1", 1), view("p2", 2, "c2"))
    bench.restart()
    bench.send(Listed(["p7", "p8", "p9", "p10"], T0))
    [(session, hint)] = bench.send(Hello("laptop", T0 + 7 * DAY))
    assert session == "laptop"
    assert (hint.user, hint.items, hint.seen_ms) == ("ann", ["p7", "p8", "p9"], T0 + 2)
    assert hint.products == pytest.approx({"p1": 1.0, "p2": 0.5}, rel=1e-6)
    assert hint.categories == pytest.approx({"c1": 1.0, "c2": 0.5}, rel=1e-6)
    assert bench.send(Hello("laptop", T0), user="bob") == []
    assert (bench.count("hints"), bench.count("users_unknown"), bench.count("user_events")) == (1, 2, 3)


def test_a_list_alone_is_an_answer_until_it_is_removed(bench: Bench) -> None:
    bench.send(Listed(["p7"], T0))
    [(_, hint)] = bench.send(Hello("s", T0))
    assert (hint.items, hint.products) == (["p7"], {})
    bench.send(Listed([], T0 + 1))
    assert bench.send(Hello("t", T0 + 2)) == []


def test_removing_an_unknown_users_list_leaves_no_state(bench: Bench) -> None:
    bench.send(Listed([], T0))
    assert bench.held() == 0
    assert bench.context.event_timers == set()


def test_erasure_is_told_to_the_users_sessions_and_holds_against_older_events(bench: Bench) -> None:
    bench.send(view("p1"), Hello("phone", T0))
    bench.send(Hello("laptop", T0 + 5))
    assert bench.send(Forget(T0 + 10)) == [("phone", Hint("ann")), ("laptop", Hint("ann"))]
    bench.restart()
    bench.send(view("p1", 9), view("p1", 10))
    bench.send(Listed(["p7"], T0 + 10))
    assert bench.send(Hello("tablet", T0 + 11)) == []
    assert (bench.count("user_events_before_erasure"), bench.count("user_lists_before_erasure")) == (2, 1)
    bench.send(view("p2", 12))
    [(_, hint)] = bench.send(Hello("watch", T0 + 12))
    assert list(hint.products) == ["p2"]


def test_an_erasure_counts_before_the_events_of_its_batch(bench: Bench) -> None:
    bench.send(view("p1", 9), Forget(T0 + 10))
    assert bench.send(Hello("s", T0 + 11)) == []


def test_state_and_timers_end(bench: Bench) -> None:
    bench.send(view("p1"), Hello("s", T0))
    bench.send(view("p1", 10 * DAY))
    bench.send(Listed(["p7"], T0 + 20 * DAY), user="bob")
    bench.send(Forget(T0), user="eve")
    assert (bench.held(), len(bench.context.event_timers)) == (3, 3)
    bench.pass_watermark(T0 + 3 * DAY)
    assert bench.held() == 2, "the mark of an erasure stays for as long as events from before it are accepted"
    bench.pass_watermark(T0 + 40 * DAY - 1)
    assert bench.held() == 2
    bench.restart()
    bench.pass_watermark(T0 + 40 * DAY)
    assert bench.held() == 1
    bench.pass_watermark(T0 + 50 * DAY)
    assert (bench.held(), bench.context.event_timers) == (0, set())
    assert bench.count("users_ended") == 3


def test_a_guest_of_everybody_does_not_stop_the_others(bench: Bench) -> None:
    bench.send(*(view("p1", number) for number in range(MOST_EVENTS + 7)))
    assert (bench.count("user_events"), bench.count("user_events_beyond_most")) == (MOST_EVENTS, 7)


class Lists:
    """The operator of lists."""

    def __init__(self) -> None:
        self.runtime = RuntimeContext(Context())
        self.operator = UserListOperator(CONFIGURATION, lambda: b"salt", BUILD_ID)
        self.operator.open(self.runtime)

    def send(self, key: bytes | None, value: bytes | None) -> tuple[Any, ...]:
        [row] = self.operator.process_element(Row(key, value, 3, 41, T0), None)
        return tuple(row._values)


def test_a_list_goes_on_under_the_users_hash_cut_to_its_bound() -> None:
    value = json.dumps({"user_id": "ann", "items": ["p1", "p2", "p3", "p4"]}).encode()
    message = encode_message(Listed(["p1", "p2", "p3"], T0))
    assert Lists().send(b"ann", value) == (ANN, message, None, None)
    assert Lists().send(b"ann", None) == (ANN, encode_message(Listed([], T0)), None, None)


def test_a_bad_list_is_a_dead_letter() -> None:
    lists = Lists()
    user, message, key, letter = lists.send(b"bob", b'{"user_id": "ann", "items": []}')
    assert (user, message, key) == (None, None, b"bob")
    told = json.loads(letter)
    assert (told["reason"], told["field"]) == ("key_mismatch", "user_id")
    assert (told["topic"], told["partition"], told["offset"], told["timestamp"]) == ("user_lists", 3, 41, T0)
    assert lists.runtime.counters["dead_letters_key_mismatch"].count == 1
