import json
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import redis
from msgspec import structs
from redis.exceptions import ResponseError

from operators.redis.errors import trouble_of
from operators.redis.profile_batch import BatchPacker
from operators.redis.profiles import BATCHES_IN_FLIGHT, ProfileWriter, RedisUnavailableError
from state.profile.effect import Write
from tests.redis_server import RedisServer


class Bench:
    """A writer with its counts; pauses run a step of the test instead of passing time."""

    def __init__(self, server: RedisServer, batch: int = 100, block_max_ms: int = 60_000) -> None:
        self.counts: Counter[str] = Counter()
        self.pauses: list[float] = []
        self.during_pause: Callable[[], object] = lambda: None
        client = redis.Redis.from_url(server.url, socket_timeout=0.2)
        self.writer = ProfileWriter(client, "shop", 3_600_000, batch, block_max_ms, self._count, self._pause)

    def _count(self, name: str, by: int) -> None:
        self.counts[name] += by

    def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.during_pause()


def write(generation: int = 1, version: int = 1, updated_at: int = 1, text: str = "") -> Write:
    head = {"schema": 1, "generation": generation, "version": version, "updated_at": updated_at}
    profile = json.dumps(head | {"session_id": 'a"b', "text": text}, separators=(",", ":")).encode()
    return Write(generation, version, updated_at, profile)


def stored(client: redis.Redis, session_id: str = "s") -> dict[str, Any]:
    value = client.get(f"shop:profile:{session_id}")
    assert isinstance(value, bytes)
    found = json.loads(value)
    assert isinstance(found, dict)
    return found


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_writes_with_life_and_notification(server: RedisServer) -> None:
    client = server.start()
    listener = client.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
    listener.subscribe("shop:profile-updated")
    listener.get_message(timeout=5)
    bench = Bench(server)
    bench.writer.put("s", write(version=3, updated_at=7))
    assert client.get("shop:profile:s") is None
    bench.writer.settle()
    assert stored(client)["version"] == 3
    assert 3_500_000 < int(str(client.pttl("shop:profile:s"))) <= 3_600_000
    message = listener.get_message(timeout=5)
    assert message is not None
    assert json.loads(message["data"]) == {"session_id": "s", "version": 3, "updated_at": 7}
    assert bench.counts["profiles_written"] == 1


def test_any_text_may_be_a_session_id_and_any_bytes_a_profile(server: RedisServer) -> None:
    client = server.start()
    bench = Bench(server)
    bench.writer.put('ü"\r\n$1', Write(1, 1, 1, b"\x00\r\n*\xff"))
    bench.writer.settle()
    assert client.get('shop:profile:ü"\r\n$1') == b"\x00\r\n*\xff"


@pytest.mark.parametrize(
    ("standing", "offered", "wins"),
    [
        ((5, 9, 9), (5, 10, 1), True),
        ((5, 9, 9), (5, 8, 99), False),
        ((5, 9, 9), (5, 9, 10), True),
        ((5, 9, 9), (5, 9, 9), True),
        ((5, 9, 9), (5, 9, 8), False),
        ((5, 9, 9), (6, 1, 1), True),
        ((5, 9, 9), (10, 1, 1), True),
        ((5, 9, 9), (4, 99, 99), False),
        ((1_763_769_990_001, 1, 1), (1_763_769_990_002, 1, 1), True),
        ((2**53 - 1, 2**53 - 1, 2**53 - 1), (2**53 - 1, 2**53 - 1, 2**53 - 2), False),
    ],
)
def test_a_newer_profile_is_never_overwritten(
    server: RedisServer, standing: tuple[int, int, int], offered: tuple[int, int, int], wins: bool
) -> None:
    client = server.start()
    for numbers in (standing, offered):
        bench = Bench(server)
        bench.writer.put("s", write(*numbers))
        bench.writer.settle()
    found = stored(client)
    assert (found["generation"], found["version"], found["updated_at"]) == (offered if wins else standing)
    assert bench.counts["profiles_written"] == (1 if wins else 0)
    assert bench.counts["profiles_stale"] == (0 if wins else 1)


def test_a_full_batch_goes_out_with_only_the_newest_of_a_session(server: RedisServer) -> None:
    client = server.start()
    bench = Bench(server, batch=2)
    bench.writer.put("s", write(version=1))
    bench.writer.put("s", write(version=2))
    assert client.dbsize() == 0
    bench.writer.put("t", write())
    wait_until(lambda: client.dbsize() == 2)
    assert stored(client)["version"] == 2
    assert bench.writer.holds("s")
    bench.writer.settle()
    assert not bench.writer.holds("s")
    assert bench.counts["profiles_written"] == 2


def test_a_deletion_takes_a_pending_write_with_it(server: RedisServer) -> None:
    client = server.start()
    bench = Bench(server)
    bench.writer.put("s", write())
    bench.writer.settle()
    bench.writer.put("s", write(version=2))
    bench.writer.put("t", write())
    bench.writer.delete("s")
    bench.writer.settle()
    assert client.keys() == [b"shop:profile:t"]
    assert bench.counts["profiles_written"] == 2


@pytest.mark.parametrize("last_is_deletion", [True, False])
def test_writes_and_deletions_in_flight_keep_their_order(server: RedisServer, last_is_deletion: bool) -> None:
    client = server.start()
    bench = Bench(server, batch=1)
    bench.writer.put("s", write(generation=9))
    bench.writer.settle()
    server.stall()
    if last_is_deletion:
        bench.writer.put("s", write(generation=10))
    bench.writer.delete("s")
    if not last_is_deletion:
        bench.writer.put("s", write(generation=1))
    server.wake()
    bench.writer.settle()
    assert client.exists("shop:profile:s") == (0 if last_is_deletion else 1)
    assert bench.counts["redis_retries"] == 0


def test_only_so_many_batches_are_in_flight(server: RedisServer) -> None:
    client = server.start()
    bench = Bench(server, batch=1, block_max_ms=100)
    bench.writer.put("first", write())
    bench.writer.settle()
    server.stall()
    sessions = [f"s{number}" for number in range(BATCHES_IN_FLIGHT + 1)]
    for session_id in sessions[:-1]:
        bench.writer.put(session_id, write())
    with pytest.raises(RedisUnavailableError, match="5 profiles wait"):
        bench.writer.put(sessions[-1], write())
    assert all(bench.writer.holds(session_id) for session_id in sessions)
    server.wake()
    bench.writer.settle()
    assert all(client.exists(f"shop:profile:{session_id}") for session_id in sessions)


def test_to_ask_what_has_arrived_waits_for_nothing(server: RedisServer) -> None:
    client = server.start()
    bench = Bench(server)
    bench.writer.put("s", write())
    bench.writer.put("t", write())
    bench.writer.settle()
    server.stall()
    bench.writer.put("s", write(version=2))
    bench.writer.send()
    assert bench.writer.have_arrived(["t", "unknown"])
    assert not bench.writer.have_arrived(["t", "s"])
    server.wake()
    bench.writer.settle()
    assert bench.writer.have_arrived(["t", "s"])
    assert stored(client)["version"] == 2


def test_a_send_takes_all_that_is_pending(server: RedisServer) -> None:
    client = server.start()
    bench = Bench(server)
    for version in (1, 2):
        bench.writer.put("s", write(version=version))
    bench.writer.delete("t")
    bench.writer.send()
    wait_until(lambda: client.exists("shop:profile:s"))
    assert stored(client)["version"] == 2
    wait_until(lambda: bench.writer.have_arrived(["s", "t"]))


def test_a_redis_that_hangs_is_found_out(server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("operators.redis.profiles.PATIENCE_S", 0.0)
    client = server.start()
    bench = Bench(server)
    bench.writer.put("s", write())
    bench.writer.settle()
    server.stall()
    bench.writer.put("s", write(version=2))
    bench.writer.send()
    bench.during_pause = server.wake
    assert bench.writer.have_arrived(["s"])
    assert bench.counts["redis_retries"] == 1
    assert stored(client)["version"] == 2


def test_a_restarted_redis_gets_what_waited(server: RedisServer) -> None:
    client = server.start()
    bench = Bench(server)
    bench.writer.put("before", write())
    bench.writer.settle()
    server.kill()
    bench.writer.put("after", write())
    bench.during_pause = lambda: server.start() if len(bench.pauses) == 3 else None
    bench.writer.settle()
    assert stored(client, "after")["version"] == 1
    assert bench.pauses == sorted(bench.pauses)
    assert bench.counts["redis_retries"] >= 3


def test_what_a_crash_of_redis_left_unanswered_is_sent_again_the_newest_of_each_session(server: RedisServer) -> None:
    client = server.start()
    bench = Bench(server, batch=2)
    bench.writer.put("first", write())
    bench.writer.settle()
    server.stall()
    for version in (1, 2):
        bench.writer.put("s", write(version=version))
        bench.writer.put("gone", write(version=version))
    bench.writer.delete("gone")
    server.kill()
    bench.during_pause = server.start
    bench.writer.put("t", write())
    bench.writer.settle()
    assert stored(client, "s")["version"] == 2
    assert stored(client, "t")["version"] == 1
    assert not client.exists("shop:profile:gone")
    assert bench.counts["redis_retries"] == 1


def test_a_redis_that_forgot_the_script_is_taught_it_again(server: RedisServer) -> None:
    client = server.start()
    bench = Bench(server)
    bench.writer.put("s", write())
    bench.writer.settle()
    client.script_flush()
    bench.writer.put("s", write(version=2))
    bench.writer.settle()
    assert stored(client)["version"] == 2
    assert bench.counts["redis_retries"] == 1


def test_a_redis_that_is_full_is_tried_until_it_has_room(server: RedisServer) -> None:
    client = server.start()
    bench = Bench(server, batch=1)
    bench.writer.put("s", write())
    bench.writer.settle()
    client.config_set("maxmemory", 1)
    bench.during_pause = lambda: client.config_set("maxmemory", 0) if len(bench.pauses) == 2 else None
    bench.writer.put("s", write(version=2))
    bench.writer.put("t", write())
    bench.writer.settle()
    assert stored(client)["version"] == 2
    assert stored(client, "t")["version"] == 1
    assert bench.counts["redis_retries"] == 2


def test_a_given_up_connection_can_write_no_more(server: RedisServer) -> None:
    client = server.start()
    bench = Bench(server, batch=1)
    bench.writer.put("s", write())
    bench.writer.settle()
    server.stall()
    bench.writer.put("s", write(version=2))
    bench.during_pause = server.wake
    bench.writer.delete("s")
    bench.writer.settle()
    assert bench.counts["redis_retries"] == 1
    [fence] = (key.decode() for key in client.keys("shop:fence:*"))  # type: ignore[union-attr]
    assert 0 < int(str(client.pttl(fence))) <= 3_600_000
    connection = client.connection_pool.get_connection()
    connection.send_packed_command([BatchPacker("shop", 1_000).pack({"s": write()}, fence)])
    with pytest.raises(ResponseError, match="FENCED"):
        connection.read_response()
    assert not client.exists("shop:profile:s")


def test_a_connection_that_was_closed_while_idle_is_opened_again_without_a_pause(server: RedisServer) -> None:
    client = server.start()
    bench = Bench(server)
    bench.writer.put("s", write())
    bench.writer.settle()
    client.client_kill_filter(_type="normal", skipme=True)
    bench.writer.put("s", write(version=2))
    bench.writer.settle()
    assert stored(client)["version"] == 2
    assert bench.pauses == []


def test_a_redis_that_stays_away_raises_and_loses_nothing(server: RedisServer) -> None:
    client = server.start()
    bench = Bench(server, batch=2, block_max_ms=100)
    bench.writer.put("s", write())
    bench.writer.settle()
    server.stall()
    bench.writer.put("s", write(version=2))
    bench.writer.put("t", write())
    bench.writer.put("u", write())
    server.kill()
    with pytest.raises(RedisUnavailableError, match="3 profiles wait"):
        bench.writer.settle()
    assert all(bench.writer.holds(session_id) for session_id in "stu")
    server.start()
    bench.writer.settle()
    assert stored(client, "s")["version"] == 2
    assert {*client.keys("shop:profile:*")} == {b"shop:profile:s", b"shop:profile:t", b"shop:profile:u"}  # type: ignore[misc]


def heard(bench: Bench, answers: list[Any], count: int) -> bool:
    bench.writer.listen()
    return len(answers) == count


FOREIGN = {
    "hash": lambda client, key: client.hset(key, "a", "b"),
    "list": lambda client, key: client.rpush(key, "a"),
    "set": lambda client, key: client.sadd(key, "a"),
    "sorted set": lambda client, key: client.zadd(key, {"a": 1}),
    "stream": lambda client, key: client.xadd(key, {"a": "b"}),
    "text": lambda client, key: client.set(key, "of another program"),
    "json": lambda client, key: client.set(key, '{"schema":1,"generation":"x"}'),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_key_of_another_program_is_overwritten_and_no_other_session_notices(server: RedisServer, kind: str) -> None:
    client = server.start()
    bench = Bench(server)
    FOREIGN[kind](client, "shop:profile:foreign")
    FOREIGN[kind](client, "shop:profile:gone")
    for session_id in ("before", "foreign", "after"):
        bench.writer.put(session_id, write(version=3))
    bench.writer.delete("gone")
    bench.writer.settle()
    assert [stored(client, name)["version"] for name in ("before", "foreign", "after")] == [3, 3, 3]
    assert 0 < int(str(client.pttl("shop:profile:foreign"))) <= 3_600_000
    assert not client.exists("shop:profile:gone")
    assert (bench.counts["profiles_written"], bench.counts["profiles_over_foreign"]) == (3, 1)
    assert (bench.counts["profiles_stale"], bench.counts["redis_retries"]) == (0, 0)


def test_a_foreign_key_in_the_place_of_a_fence_is_taken_for_none_of_another_connection(server: RedisServer) -> None:
    """A fence has a random name, so a key of that name is a fence whatever its type: the next connection has another."""
    client = server.start()
    bench = Bench(server)
    bench.writer.put("s", write())
    bench.writer.settle()
    client.hset(bench.writer._pipe.fence, "a", "b")
    bench.writer.put("s", write(version=2))
    bench.writer.settle()
    assert stored(client)["version"] == 2
    assert bench.counts["redis_errors_fenced"] == 1


def test_a_redis_that_is_full_deletes_all_the_same(server: RedisServer) -> None:
    """An erasure must not wait for room."""
    client = server.start()
    bench = Bench(server)
    for session_id in ("s", "gone"):
        bench.writer.put(session_id, write())
    bench.writer.settle()
    client.config_set("maxmemory", 1)
    were_gone: list[bool] = []

    def make_room() -> None:
        were_gone.append(not client.exists("shop:profile:gone"))
        client.config_set("maxmemory", 0)

    bench.during_pause = make_room
    bench.writer.put("s", write(version=2))
    bench.writer.delete("gone")
    bench.writer.settle()
    assert were_gone == [True]
    assert stored(client)["version"] == 2
    assert bench.counts["redis_errors_full"] == 1


@pytest.mark.parametrize(
    ("spoil", "mend", "trouble"),
    [
        (lambda c: c.config_set("maxmemory", 1), lambda c: c.config_set("maxmemory", 0), "full"),
        (lambda c: c.replicaof("localhost", "1"), lambda c: c.replicaof("no", "one"), "read_only"),
        (
            lambda c: c.acl_setuser("default", categories=["+@all"], keys=["other:*"], reset_keys=True, enabled=True),
            lambda c: c.acl_setuser("default", keys=["*"], enabled=True),
            "no_permission",
        ),
        (lambda c: c.script_flush(), lambda c: None, "no_script"),
    ],
    ids=["full", "read only", "no permission", "no script"],
)
def test_what_redis_refuses_is_named_and_tried_until_it_is_mended(
    server: RedisServer, spoil: Callable[[Any], Any], mend: Callable[[Any], Any], trouble: str
) -> None:
    client = server.start()
    bench = Bench(server)
    bench.writer.put("s", write())
    bench.writer.settle()
    spoil(client)
    bench.during_pause = lambda: mend(client)
    bench.writer.put("s", write(version=2))
    bench.writer.settle()
    assert stored(client)["version"] == 2
    assert bench.counts[f"redis_errors_{trouble}"] == bench.counts["redis_retries"] == 1


def test_a_redis_that_is_busy_or_cannot_save_is_named() -> None:
    """Redis cannot be made to give these two in a test's time."""
    assert trouble_of(ResponseError("BUSY Redis is busy running a script.")) == "busy"
    assert trouble_of(ResponseError("MISCONF Redis is configured to save RDB snapshots")) == "not_saving"


def test_the_failure_says_what_to_do(server: RedisServer) -> None:
    client = server.start()
    bench = Bench(server, block_max_ms=100)
    client.config_set("maxmemory", 1)
    bench.writer.put("s", write())
    with pytest.raises(RedisUnavailableError, match=r"1 profiles wait for Redis: Redis is full .*maxmemory"):
        bench.writer.settle()


def test_a_write_may_have_a_life_of_its_own(server: RedisServer) -> None:
    client = server.start()
    bench = Bench(server)
    bench.writer.delete("gone")
    for session_id, life_ms in (("a", 0), ("b", 60_000), ("c", 0), ("d", 90_000)):
        bench.writer.put(session_id, structs.replace(write(), life_ms=life_ms))
    bench.writer.settle()
    lives = [int(str(client.pttl(f"shop:profile:{session_id}"))) for session_id in "abcd"]
    assert [round(life_ms / 10_000) for life_ms in lives] == [360, 6, 360, 9]


def test_a_question_is_answered_between_the_batches(server: RedisServer) -> None:
    client = server.start()
    bench = Bench(server, batch=1)
    answers: list[Any] = []
    bench.writer.put("s", write())
    bench.writer.ask(b"*2\r\n$3\r\nGET\r\n$14\r\nshop:profile:s\r\n", answers.append)
    bench.writer.ask(b"*2\r\n$4\r\nINCR\r\n$14\r\nshop:profile:s\r\n", answers.append)
    bench.writer.put("t", write())
    wait_until(lambda: heard(bench, answers, 2))
    assert answers[0] == client.get("shop:profile:s")
    assert isinstance(answers[1], ResponseError)
    bench.writer.settle()
    assert stored(client, "t")["version"] == 1


def test_nobody_waits_for_an_answer_of_a_redis_that_is_away(server: RedisServer) -> None:
    client = server.start()
    bench = Bench(server, block_max_ms=100)
    answers: list[Any] = []
    bench.writer.put("s", write())
    bench.writer.settle()
    server.kill()
    for _ in range(3):
        bench.writer.ask(b"*1\r\n$4\r\nPING\r\n", answers.append)
        bench.writer.listen()
        bench.writer.settle()
    assert answers == []
    client = server.start()
    bench.writer.ask(b"*1\r\n$4\r\nPING\r\n", answers.append)
    wait_until(lambda: heard(bench, answers, 1))
    bench.writer.put("s", write(version=2))
    bench.writer.settle()
    assert stored(client)["version"] == 2


def test_closing_never_raises(server: RedisServer) -> None:
    server.start()
    bench = Bench(server, block_max_ms=100)
    bench.writer.put("s", write())
    server.kill()
    bench.writer.close()
    assert bench.counts["redis_retries"] >= 1
    other = Bench(server, block_max_ms=100)
    other.writer.put("s", write())
    with pytest.raises(RedisUnavailableError):
        other.writer.settle()
    tried = other.counts["redis_retries"]
    other.writer.close()
    assert other.counts["redis_retries"] == tried, "one that has failed is not tried again"


def test_closing_writes_what_is_pending_and_disconnects(server: RedisServer) -> None:
    client = server.start()
    bench = Bench(server)
    bench.writer.put("s", write())
    bench.writer.close()
    assert stored(client)["version"] == 1
    wait_until(lambda: dict(client.info("clients"))["connected_clients"] == 1)  # type: ignore[arg-type]
