import base64
import json
import time
from typing import Any

import pytest
from pyflink.common import Row
from pyflink.datastream import TimeDomain

from operators.build import BUILD_ID
from operators.names import (
    BUNDLE_RECORD,
    CANDIDATES_RECORD,
    HINT_PARTITION,
    MODEL_KEY,
    MODEL_RECORD,
    POPULARITY_RECORD,
    WANTED,
)
from operators.session.agenda import Task
from operators.session.due_sessions import GRAIN_MS
from operators.session.operator import DUE_AT_ONCE, Secrets, SessionOperator
from operators.session.outbox import ACCEPTED
from operators.session.store import SESSIONS
from operators.task import StaleCodeError
from state.catalogue.assortment.records import product_key
from state.configuration import Settings
from state.events.accepted import LINE
from state.events.rejection import KEY_LIMIT_BYTES
from state.popularity.listing import Listing
from state.session.forms import decode_session
from state.session.hint import Hint
from state.session.log import user_hash
from state.together.listing import Pair, encode_list
from state.users.user_input import read_message
from tests.operators.flink_fakes import Context, RuntimeContext
from tests.redis_server import RedisServer
from tests.state.catalogue.assortment.records import listed_product
from tests.state.model.test_learning import base_of, made_examples
from tests.state.shop import settings

pytestmark = pytest.mark.usefixtures("named_state")


BUCKET = "b"
HOUR_MS = 3_600_000
UNREADABLE = b"\xffof no release"


class Bench:
    """An opened operator over a real Redis and fakes of Flink. All sessions are of one bucket."""

    def __init__(self, server: RedisServer, **overrides: Any) -> None:
        self.redis = server.start()
        redis_settings = {"url": server.url, "block_max": 100} | overrides.pop("redis", {})
        self.configuration: Settings = settings(redis=redis_settings, **overrides)
        self.context = Context()
        self.runtime = RuntimeContext(self.context)
        self.operator = self.opened()

    def opened(self) -> SessionOperator:
        operator = SessionOperator(self.configuration, lambda: Secrets(None, b"salt"), BUILD_ID)
        operator.open(self.runtime)
        return operator

    def send(
        self, payload: bytes | None, key: str, offset: int = 0, origin_key: bytes | None = b"k", lag_ms: int = 0
    ) -> list[Any]:
        return self.send_all([(key, payload)], offset, origin_key, lag_ms)

    def send_all(
        self, inputs: list[tuple[str, bytes | None]], offset: int = 0, origin_key: bytes | None = b"k", lag_ms: int = 0
    ) -> list[Any]:
        """A batch of inputs, each with its session."""
        self.context.key = BUCKET
        places = "".join(f"3 {offset + at} {now_ms() - lag_ms} " for at in range(len(inputs)))
        row = Row([key for key, _ in inputs], [payload for _, payload in inputs], [origin_key] * len(inputs), places)
        self.operator.process_element(row, self.context)
        return self.runtime.calls.drain()

    def view(self, session_id: str = "s", lag_ms: int = 0, **fields: Any) -> list[Any]:
        event = {"session_id": session_id, "event_type": "product_view", "timestamp": now_ms(), "product_id": "p1"}
        return self.send(json.dumps(event | fields).encode(), session_id, lag_ms=lag_ms)

    def refer(self, kind: str, key: bytes | None, value: bytes | None) -> list[Any]:
        self.operator.process_broadcast_element(Row(kind, key, value, 0, 0, now_ms()), self.context)
        return self.runtime.calls.drain()

    def product(self, product_id: str, **fields: Any) -> list[Any]:
        record = listed_product(product_id, **fields)
        return self.refer(CANDIDATES_RECORD, product_key(product_id), record.encode())

    def fire(self, domain: Any, timestamp: int, key: str) -> list[Any]:
        self.context.key, self.context.domain = key, domain
        self.operator.on_timer(timestamp, self.context)
        return self.runtime.calls.drain()

    def flush(self, session_id: str = "s") -> dict[str, Any] | None:
        timers = sorted(self.context.processing_timers)
        self.context.processing_timers.clear()
        for key, due_ms in timers:
            if due_ms != self.operator._rebuilder._next_ms.get(key):  # the look at Redis, see `look`
                self.fire(TimeDomain.PROCESSING_TIME, max(due_ms, now_ms()), key)
        return self.flush_writes(session_id)

    def timers(self) -> list[tuple[str, int]]:
        """The processing-time timers but that of the look at Redis, unless it is that of something else as well."""
        self.context.key = BUCKET
        others = {(BUCKET, entry.due_ms) for _, entry in self.operator._agenda.due(BUCKET, 2**62)}
        own = {*self.operator._rebuilder._next_ms.items()} - others
        return sorted(self.context.processing_timers - own)

    def look(self, key: str = BUCKET) -> None:
        """Lets the bucket see to what Redis holds, until it has looked with the newest answers and nothing is left to do."""
        for _ in range(4):
            self.operator._redis_health._next_ms = 0
            self.look_once(key)
            self.operator._writer.settle()
        while self.operator._rebuilder.is_busy_with(key):
            self.look_once(key)
        self.operator._writer.settle()

    def look_once(self, key: str = BUCKET) -> None:
        """One look, whatever its clock says."""
        self.fire(TimeDomain.PROCESSING_TIME, max(self.operator._rebuilder._next_ms.get(key, 0), now_ms()), key)

    def flush_writes(self, session_id: str = "s") -> dict[str, Any] | None:
        """As `flush`, but pending publications stay pending."""
        self.operator._writer.settle()
        return self.stored(session_id)

    def session(self, session_id: str = "s") -> bytes | None:
        """The session's state."""
        return self.sessions().get(session_id)

    def sessions(self) -> dict[str, bytes]:
        """The state of all sessions."""
        self.context.key = BUCKET
        return dict(self.runtime.maps[SESSIONS].items())

    def everything_stored(self) -> bytes:
        """All bytes of keyed state."""
        self.context.key = BUCKET
        return b"".join(bytes(data) for state in self.runtime.maps.values() for data in state.values())

    def damage(self, session_id: str) -> bytes:
        """Puts bytes in place of the session's state that nobody can read."""
        self.context.key = BUCKET
        self.runtime.maps[SESSIONS].put(session_id, UNREADABLE)
        return UNREADABLE

    def forget(self, session_id: str) -> None:
        """Takes the session's state away, as its end does."""
        self.context.key = BUCKET
        self.runtime.maps[SESSIONS].remove(session_id)

    def stored(self, session_id: str) -> dict[str, Any] | None:
        value: Any = self.redis.get(f"heliotrope:profile:{session_id}")
        return None if value is None else dict(json.loads(value))

    def pending(self) -> list[tuple[str, int]]:
        """Bucket and time of pending publications."""
        self.context.key = BUCKET
        entries = self.operator._agenda.due(BUCKET, 2**62)
        return sorted((BUCKET, entry.due_ms) for _, entry in entries if entry.task == Task.PENDING)

    def gauge(self, name: str) -> int:
        return self.runtime.distributions[name].value

    def count(self, name: str) -> int:
        self.operator._counters.flush()
        return self.runtime.counters[name].count if name in self.runtime.counters else 0


def records_of(rows: list[Any]) -> list[Any]:
    """The rows without those that only tell what was accepted, or what is asked for."""
    return [row for row in rows if row[0] not in (None, WANTED) or row[3] is not None or row[5] is not None]


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def test_an_event_becomes_a_profile(server: RedisServer) -> None:
    bench = Bench(server)
    bench.product("p1")
    bench.product("p2")
    assert records_of(bench.view()) == []
    profile = bench.flush()
    assert profile is not None
    assert {item["product_id"] for item in profile["score_data"]} == {"p1", "p2"}
    assert profile["counts"] == {"applied": 1, "duplicates": 0, "dropped": 0}


@pytest.mark.parametrize("payload", [None, b"", b"\x00\x00", b"\xff\xfe", b"{}", b"[]", b"{" + b"x" * 1_000_000])
def test_bad_input_is_a_dead_letter_and_leaves_no_state(server: RedisServer, payload: bytes | None) -> None:
    bench = Bench(server)
    [row] = bench.send(payload, "\x00 7", offset=41)
    kind, key, value = row[:3]
    letter = json.loads(value)
    assert (kind, key, letter["topic"], letter["partition"], letter["offset"]) == (
        "dead_letters", b"k", "user_interactions", 3, 41,
    )  # fmt: skip
    assert base64.b64decode(letter["payload_base64"]) == (payload or b"")[: 16 * 1024]
    assert letter["payload_bytes"] == len(payload or b"")
    assert bench.session() is None


def test_an_error_of_ours_is_a_dead_letter_and_leaves_the_state(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(server, bandit={"policy": "ucb1"})
    bench.view()
    before = bench.session()
    monkeypatch.setattr("state.profile.publishing.build_profile", lambda *_: 1 / 0)
    [row] = records_of(bench.view(product_id="p9"))
    assert json.loads(row[2])["reason"] == "internal_error"
    assert bench.session() == before


def test_a_profile_that_the_compiled_core_leaves_and_python_cannot_make_is_tried_again(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a catalogue the compiled core chooses nothing. The event itself is applied, and stays so."""
    bench = Bench(server)
    bench.view()
    with monkeypatch.context() as fault:
        fault.setattr("state.profile.publishing.build_profile", lambda *_: 1 / 0)
        assert records_of(bench.view(product_id="p9")) == []
    assert bench.count("profiles_failed") == 1
    data = bench.session()
    assert data is not None
    session = decode_session(data)
    assert (session.applied, session.pending_ms > now_ms()) == (2, True)
    monkeypatch.setattr("operators.session.operator.wall_clock_ms", lambda: session.pending_ms)
    monkeypatch.setattr("operators.task.time.time_ns", lambda: session.pending_ms * 1_000_000)
    profile = bench.flush()
    assert profile is not None
    assert profile["counts"]["applied"] == 2


def test_a_call_of_the_compiled_core_that_fails_is_applied_event_by_event(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(server)
    monkeypatch.setattr("state.core.batch_core.run_batch", lambda at: 1 // 0)
    assert records_of(bench.view()) == []
    data = bench.session()
    assert data is not None
    assert decode_session(data).applied == 1
    assert (bench.count("core_calls_failed"), bench.count("inputs_by_python")) == (1, 1)


def test_a_session_that_is_not_the_streams_key_is_a_dead_letter(server: RedisServer) -> None:
    bench = Bench(server)
    event = {"session_id": "s", "event_type": "product_view", "timestamp": now_ms(), "product_id": "p1"}
    [row] = bench.send(json.dumps(event).encode(), "other")
    assert json.loads(row[2])["reason"] == "key_mismatch"


def test_a_dead_letter_fits_its_topic_whatever_the_records_key_was(server: RedisServer) -> None:
    """A key of zeros that is as long as a record may be is small on its way here, and none of ours is."""
    [row] = Bench(server).send(b"{", "s", origin_key=bytes(2_120_000))
    assert row[0] == "dead_letters"
    assert row[1] == bytes(KEY_LIMIT_BYTES)


@pytest.mark.parametrize("granted", ["false", 0, "no", None])
def test_a_consent_that_cannot_be_read_is_refused_loudly(server: RedisServer, granted: object) -> None:
    bench = Bench(server)
    bench.view()
    before = bench.session()
    event = {"session_id": "s", "event_type": "consent", "timestamp": now_ms(), "granted": granted}
    [row] = bench.send(json.dumps(event).encode(), "s")
    letter = json.loads(row[2])
    assert (letter["reason"], letter["field"]) == ("missing_field" if granted is None else "wrong_type", "granted")
    assert bench.count("consent_refused") == 1
    assert bench.session() == before
    bench.send(b'{"session_id": "s", "event_type": "search"}', "s")
    assert bench.count("consent_refused") == 1


def test_what_is_too_late_leaves_as_it_came(server: RedisServer) -> None:
    bench = Bench(server)
    bench.context.watermark_ms = now_ms()
    just_in_time = now_ms() - 48 * 3_600_000 + 1_000
    assert records_of(bench.view(timestamp=just_in_time)) == []
    [row] = bench.view(timestamp=just_in_time - 2_000)
    assert row[0] == "late_events"
    assert json.loads(row[2])["timestamp"] == just_in_time - 2_000
    assert bench.count("events_late") == 1


def test_a_removed_product_is_shown_no_more(server: RedisServer) -> None:
    bench = Bench(server)
    bench.product("p1")
    bench.product("p2")
    bench.view()
    bench.refer(CANDIDATES_RECORD, product_key("p1"), None)
    bench.view(timestamp=now_ms() + 1)
    profile = bench.flush()
    assert profile is not None
    assert [item["product_id"] for item in profile["score_data"]] == ["p2"]


def test_reference_data_comes_back_after_a_restart(server: RedisServer) -> None:
    bench = Bench(server)
    bench.product("p1")
    bench.operator = bench.opened()
    bench.view()
    profile = bench.flush()
    assert profile is not None
    assert [item["product_id"] for item in profile["score_data"]] == ["p1"]


def test_a_bad_product_or_model_is_a_dead_letter_of_its_topic(server: RedisServer) -> None:
    bench = Bench(server)
    [product] = bench.refer(CANDIDATES_RECORD, product_key("p1"), b"{}")
    [model] = bench.refer(MODEL_RECORD, MODEL_KEY, b"?")
    assert json.loads(product[2])["topic"] == "candidate_lists"
    assert json.loads(model[2])["topic"] == "bandit_model"
    assert list(bench.context.broadcast.items()) == []


def test_a_reference_record_that_fails_is_a_dead_letter_and_what_was_held_stays(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(server)
    bench.product("p1")
    before = list(bench.context.broadcast.items())
    with monkeypatch.context() as patched:
        patched.setattr("operators.session.reference_data.read_listed_product", lambda _: 1 / 0)
        [row] = bench.refer(CANDIDATES_RECORD, product_key("p1"), b"?")
    assert json.loads(row[2])["reason"] == "internal_error"
    [row] = bench.refer(MODEL_RECORD, MODEL_KEY + b":\xff", b"?")
    assert json.loads(row[2])["reason"] == "not_utf8"
    assert list(bench.context.broadcast.items()) == before


def test_a_model_tells_how_much_of_the_catalogue_was_exposed(server: RedisServer) -> None:
    """Of four products listed the model knows two."""
    bench = Bench(server)
    for product in ("product-0", "product-1", "unseen", "unseen too"):
        bench.product(product)
    seen = [e for e in made_examples(3, 40) if e.product_id in ("product-0", "product-1", "product-2")]
    assert bench.refer(MODEL_RECORD, MODEL_KEY, base_of(seen).encode()) == []
    bench.view()
    assert bench.gauge("catalogue_exposed_permille") == 500


def bundle(bundle_id: str, **fields: Any) -> bytes:
    known = {"bundle_id": bundle_id, "primary_product": "p1", "bundle_items": ["p2"], "discount": 0.1}
    return json.dumps(known | fields).encode()


def test_a_bundle_is_in_the_profile_also_after_a_restart_until_it_is_removed(server: RedisServer) -> None:
    bench = Bench(server)
    bench.product("p1")
    bench.product("p2")
    assert bench.refer(BUNDLE_RECORD, b"b1", bundle("b1")) == []
    for offered in (1, 0):
        bench.operator = bench.opened()
        bench.view(event_id=f"view-{offered}")
        profile = bench.flush()
        assert profile is not None
        assert len(profile["bundled_discount_suggestions"]) == offered
        bench.refer(BUNDLE_RECORD, b"b1", None)


def test_a_bundle_that_cannot_be_used_or_held_is_a_dead_letter_of_its_topic(server: RedisServer) -> None:
    bench = Bench(server, bundles={"max": 1})
    bench.refer(BUNDLE_RECORD, b"b1", bundle("b1"))
    for value, reason in ((bundle("b2", discount=2), "invalid_value"), (bundle("b2"), "bundles_full")):
        [row] = bench.refer(BUNDLE_RECORD, b"b2", value)
        letter = json.loads(row[2])
        assert (row[0], letter["reason"], letter["topic"]) == ("dead_letters", reason, "bundles")
        assert bench.count(f"dead_letters_{reason}") == 1


def test_broadcast_state_holds_no_more_lists_than_the_operator(server: RedisServer) -> None:
    bench = Bench(server, together={"max_products": 2})
    partners = encode_list([Pair("p2", 4.0, 9.0)])
    for number in range(5):
        bench.refer(CANDIDATES_RECORD, f"together/bought/p{number}".encode(), partners)
    held = [name for name, _ in bench.context.broadcast.items()]
    assert held == ["candidates/together/bought/p3", "candidates/together/bought/p4"]


def test_a_write_that_a_crash_lost_is_made_again(server: RedisServer) -> None:
    bench = Bench(server)
    bench.product("p1")
    bench.view()
    [(key, due_ms)] = bench.timers()
    bench.operator = bench.opened()  # the buffer is lost, state and timer are restored
    before_start_ms = min(due_ms, now_ms() - 1_000)
    bench.fire(TimeDomain.PROCESSING_TIME, before_start_ms, key)
    profile = bench.flush()
    assert profile is not None
    assert profile["version"] == 1


def test_a_state_that_cannot_be_read_stops_no_other_session(server: RedisServer) -> None:
    """In all that timers do: it stays as it is, and its time comes again."""
    bench = Bench(server, profile={"min_interval": "1 min"})
    bench.product("p1")
    for session_id in ("good", "bad"):
        bench.view(session_id)
        bench.view(session_id, timestamp=now_ms() + 1)
    damaged = bench.damage("bad")
    bench.operator = bench.opened()  # what was written before may be lost, and is written again
    bench.redis.flushall()
    for key, due_ms in sorted(bench.context.processing_timers):
        bench.fire(TimeDomain.PROCESSING_TIME, due_ms + HOUR_MS, key)
    bench.operator._writer.settle()
    assert (bench.stored("good") or {})["version"] == 2
    assert bench.stored("bad") is None
    assert bench.count("sessions_unreadable") >= 2  # written again, published
    for _ in range(4):
        key, due_ms = min(bench.context.event_timers, key=lambda timer: timer[1])
        bench.context.event_timers.remove((key, due_ms))
        bench.fire(TimeDomain.EVENT_TIME, due_ms, key)
    assert bench.sessions() == {"bad": damaged}
    assert len(bench.context.event_timers) == 1


def test_an_error_of_ours_at_a_sessions_time_stops_no_other(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(server, bandit={"policy": "ucb1"})  # the Python core's
    for session_id in ("good", "bad"):
        bench.view(session_id)
    on_timer = bench.operator._personalizer.on_timer
    calls = []

    def fails_once(*given: Any) -> Any:
        calls.append(given)
        return 1 / 0 if len(calls) == 1 else on_timer(*given)

    monkeypatch.setattr(bench.operator._personalizer, "on_timer", fails_once)
    while len(bench.sessions()) == 2:
        key, due_ms = min(bench.context.event_timers, key=lambda timer: timer[1])
        bench.context.event_timers.remove((key, due_ms))
        bench.fire(TimeDomain.EVENT_TIME, due_ms, key)
    assert bench.count("timers_failed") == 1
    assert len(bench.context.event_timers) == 1
    [(key, due_ms)] = bench.context.event_timers
    bench.fire(TimeDomain.EVENT_TIME, due_ms, key)
    assert bench.sessions() == {}


def test_redis_away_stops_the_operator_instead_of_losing_profiles(server: RedisServer) -> None:
    from operators.redis.profiles import RedisUnavailableError

    bench = Bench(server)
    server.kill()
    with pytest.raises(RedisUnavailableError):
        bench.view()
    assert bench.operator._writer.holds("s")


def test_state_and_timers_end_with_the_session(server: RedisServer) -> None:
    bench = Bench(server)
    bench.product("p1")
    at_ms = now_ms()
    bench.view(timestamp=at_ms)
    while bench.context.event_timers:
        key, due_ms = min(bench.context.event_timers, key=lambda timer: timer[1])
        bench.context.event_timers.remove((key, due_ms))
        assert due_ms < at_ms + 48 * 3_600_000 + GRAIN_MS
        bench.fire(TimeDomain.EVENT_TIME, due_ms, key)
    assert bench.session() is None


def test_erasure_takes_the_profile_and_pending_writes_away(server: RedisServer) -> None:
    bench = Bench(server)
    bench.view()
    assert bench.flush() is not None
    bench.view(timestamp=now_ms() + 1, product_id="p2")
    erase = {"session_id": "s", "event_type": "erase", "timestamp": now_ms() + 2}
    [row] = bench.send(json.dumps(erase).encode(), "s")
    assert row[0] == "audit"
    assert "s" not in json.loads(row[2]).values()
    assert bench.flush() is None
    bench.view(timestamp=now_ms() - 1_000)
    assert bench.flush() is None


@pytest.mark.parametrize("wish", [{"event_type": "erase"}, {"event_type": "consent", "granted": False}])
def test_no_state_keeps_what_was_forgotten(server: RedisServer, wish: dict[str, Any]) -> None:
    """The mark alone stays, of the session's id and times: nothing of what it saw, said or was shown, nor of its user."""
    bench = Bench(server)
    bench.product("shown-1")
    bench.view(product_id="seen-1", category_id="seen-2", user_id="ann", region="told-1", context={"weather": "told-2"})
    assert bench.flush() is not None
    before = bench.everything_stored()
    traces = (b"seen-", b"shown-1", b"told-", user_hash("ann", b"salt").encode())
    assert all(trace in before for trace in traces)
    bench.send(json.dumps({"session_id": "s", "timestamp": now_ms() + 1} | wish).encode(), "s")
    assert bench.flush() is None
    assert [trace for trace in traces if trace in bench.everything_stored()] == []


def test_code_of_another_build_is_refused(server: RedisServer) -> None:
    bench = Bench(server)
    with pytest.raises(StaleCodeError, match="restart the TaskManagers"):
        SessionOperator(bench.configuration, lambda: Secrets(None, b""), "another").open(bench.runtime)


SPACED: dict[str, Any] = {"profile": {"min_interval": "60 s"}, "decisions": {"log": "published"}}


def test_what_waits_for_the_interval_is_published_by_its_timer(server: RedisServer) -> None:
    bench = Bench(server, **SPACED)
    bench.product("p1")
    assert [row[0] for row in bench.view()] == ["decisions"]
    started_ms = now_ms()
    assert bench.pending() == []
    for _ in range(3):
        assert records_of(bench.view(timestamp=now_ms() + 1, event_id=str(time.time_ns()))) == []
    [(key, due_ms)] = bench.pending()
    assert started_ms + 59_000 < due_ms <= started_ms + 60_000
    profile = bench.flush_writes()
    assert profile is not None
    assert profile["counts"]["applied"] == 1
    assert [row[0] for row in bench.fire(TimeDomain.PROCESSING_TIME, due_ms, key)] == ["decisions"]
    profile = bench.flush_writes()
    assert profile is not None
    assert profile["counts"]["applied"] == 4
    assert bench.count("profiles_coalesced") == 2
    assert bench.fire(TimeDomain.PROCESSING_TIME, due_ms, key) == []


def test_every_call_that_leaves_a_debt_has_it_paid(server: RedisServer) -> None:
    bench = Bench(server, **SPACED)
    bench.product("p1")
    sessions = ("a", "b", "c")
    for session_id in sessions:
        bench.view(session_id)
        bench.view(session_id, timestamp=now_ms() + 1)
    for key, due_ms in bench.pending():
        bench.fire(TimeDomain.PROCESSING_TIME, due_ms, key)
    for session_id in sessions:
        profile = bench.flush_writes(session_id)
        assert profile is not None
        assert profile["counts"]["applied"] == 2


def test_a_timer_of_an_earlier_debt_pays_no_later_one(server: RedisServer) -> None:
    bench = Bench(server, **SPACED)
    bench.view()
    bench.view(timestamp=now_ms() + 1)
    [(key, due_ms)] = bench.pending()
    assert bench.fire(TimeDomain.PROCESSING_TIME, due_ms - 2, key) == []
    profile = bench.flush_writes()
    assert profile is not None
    assert profile["version"] == 1


def test_a_debt_outlives_a_restart(server: RedisServer) -> None:
    bench = Bench(server, **SPACED)
    bench.product("p1")
    bench.view()
    bench.view(timestamp=now_ms() + 1, product_id="p2")
    [(key, due_ms)] = bench.pending()
    bench.flush_writes()
    bench.operator = bench.opened()
    bench.fire(TimeDomain.PROCESSING_TIME, due_ms, key)
    profile = bench.flush_writes()
    assert profile is not None
    assert profile["version"] == 2


def test_a_debt_of_a_session_that_was_erased_is_void(server: RedisServer) -> None:
    bench = Bench(server, **SPACED)
    bench.view()
    bench.view(timestamp=now_ms() + 1)
    [(key, due_ms)] = bench.pending()
    erase = {"session_id": "s", "event_type": "erase", "timestamp": now_ms() + 2}
    bench.send(json.dumps(erase).encode(), "s")
    bench.fire(TimeDomain.PROCESSING_TIME, due_ms, key)
    assert bench.flush_writes() is None
    bench.forget("s")
    assert bench.fire(TimeDomain.PROCESSING_TIME, due_ms, key) == []


def test_an_error_of_ours_in_a_timer_stops_no_one(server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(server, **SPACED)
    bench.view()
    bench.view(timestamp=now_ms() + 1)
    [(key, due_ms)] = bench.pending()
    with monkeypatch.context() as broken:
        broken.setattr("state.profile.publishing.build_profile", lambda *_: 1 / 0)
        assert bench.fire(TimeDomain.PROCESSING_TIME, due_ms, key) == []
    assert bench.count("profiles_failed") == 1
    [(key, again_ms)] = bench.pending()
    bench.fire(TimeDomain.PROCESSING_TIME, again_ms, key)
    profile = bench.flush_writes()
    assert profile is not None
    assert profile["version"] == 2


def test_a_batch_sets_few_timers_and_takes_each_session_once(server: RedisServer) -> None:
    """Two hundred events of a hundred sessions: one look at what was written, one at what is pending."""
    bench = Bench(server)
    at_ms = now_ms()
    events = [
        (
            f"s{n % 100}",
            {"session_id": f"s{n % 100}", "event_type": "product_view", "timestamp": at_ms - n, "product_id": "p1"},
        )
        for n in range(200)
    ]
    rows = bench.send_all([(key, json.dumps(event).encode()) for key, event in events])
    assert len(bench.sessions()) == 100
    assert len(bench.context.processing_timers) <= 2
    assert len(bench.context.event_timers) <= 2
    assert sum(row[ACCEPTED].count(LINE) + 1 for row in rows if row[ACCEPTED]) == 200
    assert len(rows) <= 3  # slides that the events fall into, and the product that is asked for
    for key in ("s0", "s99"):
        profile = bench.flush(key)
        assert profile is not None
        assert profile["counts"]["applied"] == 2


def test_more_sessions_than_one_call_should_look_at_end_in_several(server: RedisServer) -> None:
    bench = Bench(server)
    at_ms = now_ms()
    for number in range(3 * DUE_AT_ONCE):
        event = {"session_id": f"s{number}", "event_type": "search", "query": "q", "timestamp": at_ms}
        bench.send(json.dumps(event).encode(), f"s{number}")
    bench.flush()
    [(key, due_ms)] = bench.context.event_timers
    bench.fire(TimeDomain.EVENT_TIME, due_ms, key)
    ended = [len(bench.sessions())]
    while bench.sessions():
        timer = min(bench.context.processing_timers, key=lambda timer: timer[1])
        bench.context.processing_timers.remove(timer)
        bench.fire(TimeDomain.PROCESSING_TIME, max(timer[1], now_ms()), timer[0])
        ended.append(len(bench.sessions()))
    assert list(dict.fromkeys(ended)) == [2 * DUE_AT_ONCE, DUE_AT_ONCE, 0]
    assert bench.count("sessions_ended") == 3 * DUE_AT_ONCE
    bench.context.key = BUCKET
    assert dict(bench.runtime.maps["due"].items()) == {}
    bench.flush()
    assert dict(bench.runtime.maps["agenda"].items()) == {}


def test_a_backlog_spaces_profiles_and_says_so_until_it_is_worked_off(server: RedisServer) -> None:
    bench = Bench(server, overload={"recover_after": 200, "spacing": "60 s"})
    assert (bench.gauge("overload_level"), bench.gauge("event_lag_ms")) == (0, 0)
    sent = 0

    def behind(lag_ms: int, level: int) -> None:
        nonlocal sent
        deadline_ms = now_ms() + 10_000
        while bench.gauge("overload_level") != level and now_ms() < deadline_ms:
            sent += 1
            view = {"session_id": "s", "event_type": "product_view", "timestamp": now_ms(), "product_id": "p1"}
            bench.send(json.dumps(view | {"event_id": f"e{sent}"}).encode(), "s", lag_ms=lag_ms)
            time.sleep(0.002)

    behind(7_000, 2)
    assert bench.gauge("event_lag_ms") >= 6_900
    assert bench.count("overload_entered") == 2
    behind(0, 0)
    assert bench.gauge("overload_level") == 0
    [*_, (key, due_ms)] = bench.pending()
    bench.fire(TimeDomain.PROCESSING_TIME, due_ms, key)
    profile = bench.flush_writes()
    assert profile is not None
    assert sum(profile["counts"].values()) == sent
    assert bench.count("profiles_coalesced") > 0


def test_overload_ends_in_a_silence_too(server: RedisServer) -> None:
    bench = Bench(server, overload={"recover_after": 100})
    while bench.gauge("overload_level") != 2:
        bench.send(b"?", "\x00 1", lag_ms=60_000)
        time.sleep(0.01)
    for _ in range(2):
        due_ms = max(due for _, due in bench.context.processing_timers)
        time.sleep(max(0.1, (due_ms - now_ms()) / 1_000))
        bench.fire(TimeDomain.PROCESSING_TIME, due_ms, "\x00 1")
    assert (bench.gauge("overload_level"), bench.gauge("event_lag_ms")) == (0, 0)


def test_a_popularity_list_is_kept_and_a_bad_one_is_a_dead_letter_of_its_topic(server: RedisServer) -> None:
    bench = Bench(server)
    good = Listing(now_ms(), 3_600_000, 5, [("p1", 5)], [], []).encode()
    assert bench.refer(POPULARITY_RECORD, b"EU", good) == []
    [row] = bench.refer(POPULARITY_RECORD, b"EU", b"?")
    letter = json.loads(row[2])
    assert (letter["topic"], letter["reason"]) == ("popularity", "invalid_value")
    assert dict(bench.context.broadcast.items()) == {"popularity/EU": good}
    bench.refer(POPULARITY_RECORD, b"EU", None)
    assert dict(bench.context.broadcast.items()) == {}


def told_of_users(rows: list[Any]) -> list[Any]:
    return [read_message(row[2].decode()) for row in rows if row[0] == "user"]


def hint(bench: Bench, value: bytes | None, session_id: str = "s", key: bytes | None = None) -> list[Any]:
    bench.context.key = BUCKET
    row = Row([session_id], [value], [session_id.encode() if key is None else key], f"{HINT_PARTITION} 0 {now_ms()} ")
    bench.operator.process_element(row, bench.context)
    return bench.runtime.calls.drain()


def test_a_session_asks_for_its_user_and_its_profile_follows_the_answer(server: RedisServer) -> None:
    bench = Bench(server)
    bench.product("p1")
    bench.product("p2", category_id="c2")
    rows = bench.view(user_id="ann")
    [hello] = told_of_users(rows)
    assert hello.session_id == "s"
    user = user_hash("ann", b"salt")
    assert [row[1] for row in rows if row[0] == "user"] == [user.encode()]
    before = bench.flush()
    assert hint(bench, Hint(user, 0, 50.0, {"p2": 50.0}, {"c2": 50.0}, []).encode()) == []
    after = bench.flush()
    assert before is not None
    assert after is not None
    assert [row["category_id"] for row in before["category_data"]][:1] == ["c1"]
    assert [row["category_id"] for row in after["category_data"]] == ["c2", "c1"]
    assert after["affinities"] == before["affinities"]
    assert bench.count("hints_taken") == 1


def test_a_hint_never_creates_a_session_and_one_that_is_no_good_is_counted(server: RedisServer) -> None:
    bench = Bench(server)
    good = Hint(user_hash("ann", b"salt"), 0, 50.0, {"p2": 50.0}, {"c2": 50.0}, []).encode()
    assert hint(bench, good, "nobody") == []
    assert len(hint(bench, None, "nobody")) == 1
    bench.view(user_id="ann")
    stored = bench.session()
    assert stored is not None
    not_a_number = Hint(user_hash("ann", b"salt"), 0, 50.0, {"p2": float("nan")}, {}, []).encode()
    for bad in (b"\x09" + good[1:], good.replace(b"p2", b"\xff\xff"), not_a_number, b""):
        [row] = hint(bench, bad)
        letter = json.loads(row[2])
        assert (letter["topic"], letter["partition"]) == ("session_hints", 0)
        assert base64.b64decode(letter["payload_base64"]) == bad
    [row] = hint(bench, good, "s\ufffd", key=b"s\xff")
    assert json.loads(row[2])["field"] == "key"
    assert bench.sessions() == {"s": stored}
    assert (bench.count("hints_unwanted"), bench.count("hints_failed")) == (1, 6)
    due_ms = -(-decode_session(stored).timer_ms // GRAIN_MS) * GRAIN_MS
    assert bench.context.event_timers == {(BUCKET, due_ms)}


def test_times_are_counted_by_bucket_and_exposures_by_variant(server: RedisServer) -> None:
    bench = Bench(server)
    bench.product("p1")
    bench.view(lag_ms=70)
    profile = bench.flush()
    assert profile is not None
    shown = [item["product_id"] for item in profile["score_data"]]
    bench.view(event_type="impression", product_id=None, decision_id=profile["decision_id"], shown=shown)
    bench.operator.close()
    clicks = {name: counter.count for name, counter in bench.runtime.counters.items() if "click_to_redis" in name}
    assert clicks["click_to_redis_ms_bucket{le=60}"] == 0
    assert clicks["click_to_redis_ms_bucket{le=+Inf}"] == 1  # an impression writes no profile
    assert bench.runtime.counters["exposures{variant=default}"].count == len(shown)
    assert bench.runtime.counters["sessions_stored"].count == 2
    assert bench.runtime.counters["session_bytes_stored"].count > 0


def test_a_flood_of_dead_letters_is_counted_in_one(server: RedisServer) -> None:
    bench = Bench(server)
    bench.operator._letters._tokens, bench.operator._letters._per_ms = 3.0, 0.0
    rows = bench.send_all([(f"s{at}", b"no json") for at in range(10)])
    reasons = [json.loads(row[2])["reason"] for row in rows if row[0] == "dead_letters"]
    assert reasons == ["not_json"] * 3 + ["not_stored"]
    assert json.loads(rows[-1][2])["not_stored"] == {"not_json": 7}
    assert bench.runtime.counters["dead_letters_not_json"].count == 10
    assert bench.runtime.counters["dead_letters_not_stored"].count == 7


def test_a_redis_that_is_full_by_its_budget_gets_no_profiles_of_one_event(server: RedisServer) -> None:
    bench = Bench(server, redis={"max_bytes": 1_048_576, "short_ttl": 60_000}, profile={"min_interval": 0})
    bench.product("p1")
    bench.view("s")
    bench.flush()
    bench.redis.set("other", bytes(1_100_000))
    bench.look()
    assert bench.gauge("redis_memory_level") == 2
    bench.view("s", product_id="p1", event_type="add_to_cart")
    bench.view("t")
    bench.flush()
    assert bench.stored("t") is None
    assert 0 < int(str(bench.redis.pttl("heliotrope:profile:s"))) <= 60_000
    bench.redis.delete("other")
    bench.redis.memory_purge()
    bench.look()
    bench.view("t", event_type="add_to_cart")
    assert bench.flush("t") is not None
