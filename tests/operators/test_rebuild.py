"""Redis loses data, and the session operator brings it back from state."""

import json
from typing import Any

import msgspec
import pytest
from pyflink.datastream import TimeDomain

from operators.names import POPULARITY_RECORD
from operators.redis.health import marker_key, new_marker
from operators.session.rebuild import MOST_AT_ONCE, Report, reports_key
from state.popularity.listing import Listing
from tests.operators.test_session_operator import BUCKET, Bench, now_ms
from tests.redis_server import RedisServer

MARKER = marker_key("heliotrope")
HOUR_MS = 3_600_000


pytestmark = pytest.mark.usefixtures("named_state")


@pytest.fixture
def bench(server: RedisServer) -> Bench:
    """An operator that has looked at Redis, with three sessions."""
    bench = Bench(server)
    bench.product("p1")
    for session_id in ("s", "t", "u"):
        bench.view(session_id)
        bench.view(session_id, event_type="search", product_id=None, query="q")
    bench.flush()
    bench.look()
    return bench


def profiles(bench: Bench) -> dict[str, bytes]:
    """All that stands in Redis, by session."""
    found: dict[str, bytes] = {}
    for key in bench.redis.scan_iter("heliotrope:profile:*"):
        found[key.decode().rpartition(":")[2]] = held(bench, key)
    return found


def held(bench: Bench, key: str) -> bytes:
    """The text under a key."""
    value: Any = bench.redis.get(key)
    assert isinstance(value, bytes)
    return value


def counted(bench: Bench, name: str) -> int:
    bench.operator._counters.flush()
    return bench.runtime.counters[name].count if name in bench.runtime.counters else 0


def report(bench: Bench) -> Report:
    value: Any = bench.redis.hget(reports_key("heliotrope"), BUCKET)
    return msgspec.json.decode(value, type=Report)


def test_a_bucket_that_is_new_writes_nothing_twice(bench: Bench) -> None:
    assert (counted(bench, "profiles_rebuilt"), counted(bench, "rebuilds")) == (0, 0)
    assert len(held(bench, MARKER)) == 32
    assert bench.redis.ttl(MARKER) == -1


def test_a_flushed_redis_gets_every_profile_back_as_it_was(bench: Bench) -> None:
    before, state = profiles(bench), bench.sessions()
    bench.redis.flushall()
    bench.look()
    assert profiles(bench) == before
    assert bench.sessions() == state
    assert 47 * HOUR_MS < int(str(bench.redis.pttl("heliotrope:profile:s"))) <= 48 * HOUR_MS
    told = report(bench)
    assert (told.sessions, told.written, told.is_done) == (3, 3, True)
    assert counted(bench, "profiles_rebuilt") == 3


def test_a_marker_that_is_another_asks_for_a_rebuild(bench: Bench) -> None:
    marker = new_marker()
    bench.redis.delete("heliotrope:profile:s")
    bench.redis.set(MARKER, marker)
    bench.look()
    assert profiles(bench).keys() == {"s", "t", "u"}
    assert report(bench).epoch.startswith(marker)
    assert held(bench, MARKER) == marker.encode()


def test_a_marker_of_another_type_is_replaced(bench: Bench) -> None:
    bench.redis.delete(MARKER, "heliotrope:profile:s")
    bench.redis.rpush(MARKER, "a")
    bench.redis.set(reports_key("heliotrope"), "of another program")
    bench.look()
    assert profiles(bench).keys() == {"s", "t", "u"}
    assert bench.redis.type(MARKER) == b"string"
    assert report(bench).is_done


def test_a_server_that_starts_with_an_old_dump_is_found_out_by_its_run(bench: Bench, server: RedisServer) -> None:
    marker, old = held(bench, MARKER), profiles(bench)["t"]
    bench.view("s")
    bench.flush()
    newest = profiles(bench)
    server.kill()
    bench.redis = server.start()
    bench.redis.set(MARKER, marker)
    bench.redis.set("heliotrope:profile:t", old)
    bench.look()
    assert profiles(bench) == newest


def test_what_was_erased_or_withdrawn_never_comes_back(bench: Bench) -> None:
    bench.view("s", event_type="erase", product_id=None)
    bench.view("t", event_type="consent", granted=False, product_id=None)
    bench.flush()
    assert profiles(bench).keys() == {"u"}
    bench.redis.flushall()
    bench.look()
    assert profiles(bench).keys() == {"u"}
    assert report(bench).sessions == 3


def test_a_profile_whose_life_is_over_stays_away_and_others_keep_the_life_that_was_left(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = now_ms() + 40 * HOUR_MS
    monkeypatch.setattr("operators.session.operator.wall_clock_ms", lambda: later)
    bench.redis.flushall()
    bench.look()
    assert 7 * HOUR_MS < int(str(bench.redis.pttl("heliotrope:profile:s"))) <= 8 * HOUR_MS
    monkeypatch.setattr("operators.session.operator.wall_clock_ms", lambda: later + 8 * HOUR_MS)
    bench.redis.flushall()
    bench.look()
    assert profiles(bench) == {}


def test_a_loss_while_the_job_was_down_is_found_at_its_next_start(bench: Bench) -> None:
    before = profiles(bench)
    bench.redis.flushall()
    bench.operator = bench.opened()
    bench.look()
    assert profiles(bench) == before


def test_a_start_without_a_loss_writes_nothing_again(bench: Bench) -> None:
    bench.operator = bench.opened()
    bench.look()
    assert counted(bench, "rebuilds") == 0


def test_many_sessions_come_back_a_few_at_a_time_and_a_crash_in_between_begins_anew(server: RedisServer) -> None:
    bench = Bench(server)
    names = [f"s{number}" for number in range(3 * MOST_AT_ONCE)]
    for name in names:
        bench.view(name)
    bench.flush()
    bench.look()
    bench.redis.flushall()
    for _ in range(3):
        bench.operator._redis_health._next_ms = 0
        bench.look_once()
        bench.operator._writer.settle()
    assert 0 < len(profiles(bench)) <= 2 * MOST_AT_ONCE
    bench.operator = bench.opened()
    bench.look()
    assert profiles(bench).keys() == set(names)


def test_a_session_whose_timer_fires_meanwhile_is_not_missed(server: RedisServer) -> None:
    """It moves from one list of due sessions to another, which the rebuild may have behind it."""
    bench = Bench(server, redis={"rebuild_per_second": 1})
    bench.product("p1")
    bench.view("first", timestamp=now_ms() - 2_000)
    bench.view("s", timestamp=now_ms() - 1_000)
    bench.view("s", event_type="search", product_id=None, query="q")
    bench.flush()
    shown = bench.stored("s")
    assert shown is not None
    bench.view("s", event_type="impression", product_id=None, decision_id=shown["decision_id"], shown=["p1"])
    bench.flush()
    bench.look()
    bench.redis.flushall()
    for _ in range(2):
        bench.operator._redis_health._next_ms = 0
        bench.look_once()
        bench.operator._writer.settle()
    assert bench.operator._rebuilder.is_busy_with(BUCKET)
    first_due_ms = min(due_ms for _, due_ms in bench.context.event_timers)
    bench.fire(TimeDomain.EVENT_TIME, first_due_ms, BUCKET)
    bench.look()
    assert profiles(bench).keys() == {"first", "s"}


def test_events_come_first_and_a_redis_that_is_away_is_no_reason_to_fail(bench: Bench, server: RedisServer) -> None:
    server.kill()
    for _ in range(3):
        bench.operator._redis_health._next_ms = 0
        bench.look_once()
    bench.redis = server.start()
    bench.look()
    assert profiles(bench).keys() == {"s", "t", "u"}


def test_the_regions_lists_come_back_as_well(bench: Bench) -> None:
    listing = Listing(now_ms(), HOUR_MS, 4, [("p1", 3), ("p2", 1)], [], [("c", 4)])
    for region in ("EU", "_all", "@category/c"):
        bench.refer(POPULARITY_RECORD, region.encode(), listing.encode())
    bench.operator._chooser.shelf.popularity.of("EU", now_ms())
    bench.redis.flushall()
    bench.look()
    lists = {*bench.redis.scan_iter("heliotrope:popular:*")}
    assert lists == {b"heliotrope:popular:EU", b"heliotrope:popular:_all"}
    found = json.loads(held(bench, "heliotrope:popular:EU"))
    assert found["items"] == [
        {"product_id": "p1", "score": 0.75, "count": 3},
        {"product_id": "p2", "score": 0.25, "count": 1},
    ]
    assert found["categories"] == [{"category_id": "c", "score": 1.0}]


def test_a_redis_that_does_not_tell_its_run_goes_by_the_marker_alone(bench: Bench) -> None:
    bench.redis.acl_setuser("default", categories=["+@all"], commands=["-info"], enabled=True)
    bench.operator = bench.opened()
    bench.look()
    before = profiles(bench)
    for key in bench.redis.scan_iter("heliotrope:*"):
        bench.redis.delete(key)
    bench.look()
    assert profiles(bench) == before


def test_what_an_old_dump_has_of_an_erased_session_is_deleted(bench: Bench) -> None:
    old = held(bench, "heliotrope:profile:s")
    bench.view("s", event_type="erase", product_id=None)
    bench.flush()
    bench.redis.flushall()
    bench.redis.set("heliotrope:profile:s", old)
    bench.look()
    assert profiles(bench).keys() == {"t", "u"}


def test_an_error_of_ours_leaves_events_going(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: object) -> list[str]:
        raise OSError("the state cannot be read")

    monkeypatch.setattr("operators.session.due_sessions.DueSessions.chunks", broken)
    bench.redis.flushall()
    bench.look()
    assert counted(bench, "rebuilds_failed") == 1
    bench.view("s")
    bench.flush()
    assert profiles(bench).keys() == {"s"}
