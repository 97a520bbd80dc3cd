import json
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
import redis

from operators.profile_writer import ProfileWriter, RedisUnavailableError
from state.personalizer import Write
from tests.redis_server import RedisServer, redis_server


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with redis_server() as started:
        yield started


class Bench:
    """A writer with its counts; pauses run a step of the test instead of passing time."""

    def __init__(self, client: redis.Redis, batch: int = 100, block_max_ms: int = 60_000) -> None:
        self.counts: Counter[str] = Counter()
        self.pauses: list[float] = []
        self.during_pause: Callable[[], object] = lambda: None
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


def stored(client: redis.Redis, session_id: str = "s") -> dict[str, object]:
    value = client.get(f"shop:profile:{session_id}")
    assert isinstance(value, bytes)
    found = json.loads(value)
    assert isinstance(found, dict)
    return found


def test_writes_with_life_and_notification_in_one_round_trip(server: RedisServer) -> None:
    client = server.start()
    listener = client.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
    listener.subscribe("shop:profile-updated")
    listener.get_message(timeout=5)
    bench = Bench(client)
    bench.writer.put("s", write(version=3, updated_at=7))
    assert client.get("shop:profile:s") is None
    bench.writer.flush()
    assert stored(client)["version"] == 3
    assert 3_500_000 < int(str(client.pttl("shop:profile:s"))) <= 3_600_000
    message = listener.get_message(timeout=5)
    assert message is not None
    assert json.loads(message["data"]) == {"session_id": "s", "version": 3, "updated_at": 7}
    assert bench.counts["profiles_written"] == 1


@pytest.mark.parametrize(
    ("standing", "offered", "wins"),
    [
        ((5, 9, 9), (5, 10, 1), True),
        ((5, 9, 9), (5, 8, 99), False),
        ((5, 9, 9), (5, 9, 10), True),
        ((5, 9, 9), (5, 9, 9), True),
        ((5, 9, 9), (5, 9, 8), False),
        ((5, 9, 9), (6, 1, 1), True),
        ((5, 9, 9), (4, 99, 99), False),
        ((1_763_769_990_001, 1, 1), (1_763_769_990_002, 1, 1), True),
    ],
)
def test_a_newer_profile_is_never_overwritten(
    server: RedisServer, standing: tuple[int, int, int], offered: tuple[int, int, int], wins: bool
) -> None:
    client = server.start()
    for numbers in (standing, offered):
        bench = Bench(client)
        bench.writer.put("s", write(*numbers))
        bench.writer.flush()
    found = stored(client)
    assert (found["generation"], found["version"], found["updated_at"]) == (offered if wins else standing)
    assert bench.counts["profiles_stale"] == (0 if wins else 1)


def test_flushes_by_size_and_keeps_only_the_newest_of_a_session(server: RedisServer) -> None:
    client = server.start()
    bench = Bench(client, batch=2)
    bench.writer.put("s", write(version=1))
    bench.writer.put("s", write(version=2))
    assert client.dbsize() == 0
    bench.writer.put("t", write())
    assert client.dbsize() == 2
    assert stored(client)["version"] == 2


def test_a_deletion_takes_a_pending_write_with_it(server: RedisServer) -> None:
    client = server.start()
    bench = Bench(client)
    bench.writer.put("s", write())
    bench.writer.flush()
    bench.writer.put("s", write(version=2))
    bench.writer.delete("s")
    bench.writer.flush()
    assert client.dbsize() == 0


def test_a_restarted_redis_gets_what_waited(server: RedisServer) -> None:
    client = server.start()
    bench = Bench(client)
    bench.writer.put("before", write())
    bench.writer.flush()
    server.kill()
    bench.writer.put("after", write())
    bench.during_pause = lambda: server.start() if len(bench.pauses) == 3 else None
    bench.writer.flush()
    assert stored(client, "after")["version"] == 1
    assert bench.pauses == sorted(bench.pauses)
    assert bench.counts["redis_retries"] >= 3


def test_a_redis_that_stays_away_raises_and_loses_nothing(server: RedisServer) -> None:
    client = server.start()
    server.kill()
    bench = Bench(client, block_max_ms=100)
    bench.writer.put("s", write())
    with pytest.raises(RedisUnavailableError, match="1 profiles wait"):
        bench.writer.flush()
    assert bench.writer.holds("s")
