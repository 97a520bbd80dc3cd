"""What is kept of users over their sessions, and what a new session is events of its user."""

from collections.abc import Sequence
from typing import Any

from pyflink.common import Row, Types
from pyflink.datastream import KeyedProcessFunction, RuntimeContext
from pyflink.datastream.state import ValueStateDescriptor

from operators.counters import Counters
from operators.task import begin_task, wall_clock_ms
from state.configuration import HOUR_MS, Settings
from state.events.accepted import AcceptedEvent, read_accepted
from state.session.hint import Hint
from state.users.user import User
from state.users.user_input import Forget, Hello, Listed, Message, read_message

HINT_TYPE = Types.ROW_NAMED(
    ["key", "value"], [Types.PRIMITIVE_ARRAY(Types.BYTE()), Types.PRIMITIVE_ARRAY(Types.BYTE())]
)
"""Row(key, value) for the topic of hints: a session and its hint."""

MOST_EVENTS = 1_000
"""Events of a user that are learned from in one batch: a shop may give the same id to all its guests."""
FLUSH_INTERVAL_MS = 1_000


class UserOperator(KeyedProcessFunction):  # type: ignore[misc]
    """Keyed by the user's hash; input: messages and accepted events as text, see `state/users/user_input.py`; output: hints.

    A timer in event time ends what is held, `users.ttl` after the user's last event, so state is bounded by the users of that
    time. The mark of an erasure stays for as long as an event from before it may still be accepted somewhere.
    """

    def __init__(self, settings: Settings, build_id: str) -> None:
        self._users = settings.users
        self._weights = settings.reward.weights
        self._mark_ms = (
            settings.events.allowed_lateness_ms + HOUR_MS
        )  # events are gathered for a while after they were accepted
        self._build_id = build_id

    def open(self, runtime_context: RuntimeContext) -> None:
        """Find the user's state."""
        begin_task(self._build_id)
        self._state = runtime_context.get_state(ValueStateDescriptor("user", Types.PICKLED_BYTE_ARRAY()))
        self._counters = Counters(runtime_context.get_metrics_group(), "users")
        self._flushed_ms = 0

    def close(self) -> None:
        """Hand on what was counted."""
        if hasattr(self, "_counters"):
            self._counters.flush()

    def process_element(self, value: Sequence[str], ctx: Any) -> list[Row]:
        """Take a batch in: messages in their order, then the events."""
        name = ctx.get_current_key()
        data = self._state.value()
        user = User() if data is None else User.decode(data)
        rows: list[Row] = []
        events: list[AcceptedEvent] = []
        for text in value:
            message = read_message(text)
            if message is None:
                events.append(read_accepted(text))
            else:
                rows += self._obey(name, user, message)
        if events:
            self._learn(user, events)
        self._store(user, data is not None, ctx)
        self._flush()
        return rows

    def on_timer(self, timestamp: int, ctx: Any) -> list[Row]:
        """Drop what is over."""
        data = self._state.value()
        user = None if data is None else User.decode(data)
        if user is None or timestamp < user.timer_ms:
            return []  # gone, or an earlier timer than the one that counts
        user.timer_ms = 0
        if user.expire(timestamp, self._users.ttl_ms, self._mark_ms) is None:
            self._counters.add("users_ended", 1)
        self._store(user, True, ctx)
        self._flush()
        return []

    def _obey(self, name: str, user: User, message: Message) -> list[Row]:
        match message:
            case Hello(session_id, at_ms):
                hint = user.hint(name, at_ms)
                if not user.meet(session_id, at_ms) or hint.is_empty:
                    self._counters.add("users_unknown", 1)
                    return []
                self._counters.add("hints", 1)
                return [Row(session_id.encode(), hint.encode())]
            case Listed(items, at_ms):
                is_taken = user.apply_list(items[: self._users.listed], at_ms)
                self._counters.add("user_lists" if is_taken else "user_lists_before_erasure", 1)
                return []
            case Forget(at_ms):
                self._counters.add("users_forgotten", 1)
                nothing = Hint(name).encode()
                return [Row(session.encode(), nothing) for session in user.forget(at_ms)]

    def _learn(self, user: User, events: list[AcceptedEvent]) -> None:
        left_out = user.learn(events[:MOST_EVENTS], self._weights, self._users.half_life_ms)
        self._counters.add("user_events", min(len(events), MOST_EVENTS) - left_out)
        self._counters.add("user_events_before_erasure", left_out)
        self._counters.add("user_events_beyond_most", max(0, len(events) - MOST_EVENTS))

    def _store(self, user: User, is_held: bool, ctx: Any) -> None:
        ends_ms = user.ends_ms(self._users.ttl_ms, self._mark_ms)
        if ends_ms is None:
            if is_held:
                self._state.clear()
            return
        if not user.timer_ms or ends_ms < user.timer_ms:
            user.timer_ms = ends_ms
            ctx.timer_service().register_event_time_timer(ends_ms)
        self._state.update(user.encode())

    def _flush(self) -> None:
        now_ms = wall_clock_ms()
        if now_ms - self._flushed_ms >= FLUSH_INTERVAL_MS:
            self._flushed_ms = now_ms
            self._counters.flush()
