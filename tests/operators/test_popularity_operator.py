"""The popularity operator over a real Redis: lists, trends, restarts, a Redis that is away, ends."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from operators.build import BUILD_ID
from operators.names import MOMENTS_KEY
from operators.popularity import END_OF_TIME_MS, MOST_LISTS, PopularityOperator
from operators.redis.lists import GROUP, PAUSE_S, PopularWriter
from state.popularity.listing import Listing
from state.popularity.moments import Moment
from tests.operators.flink_fakes import Context, RuntimeContext
from tests.redis_server import RedisServer, redis_server
from tests.state.shop import settings

MINUTE = 60_000
HOUR = 60 * MINUTE
START = 1_763_770_000_000 // HOUR * HOUR


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with redis_server() as running:
        running.start()
        yield running


def text(end_ms: int, lists: dict[str, dict[str, int]]) -> str:
    """A window as SQL hands it on; all products are of one category."""
    lines = [str(end_ms)]
    for name, counts in lists.items():
        total = sum(counts.values())
        lines += [f"{name}\x1fp\x1f{product}\x1f{count}" for product, count in counts.items()]
        if not name.startswith("@"):
            lines += [f"{name}\x1fc\x1fshoes\x1f{total}", f"{name}\x1ft\x1f\x1f{total}"]
    return "\x1e".join(lines)


class Bench:
    """The operator with state and Redis; `restart` makes it anew over the same state."""

    def __init__(self, server: RedisServer, **popularity: Any) -> None:
        self.settings = settings(redis={"url": server.url}, popularity=popularity)
        self.redis = redis.Redis.from_url(server.url)
        self.context = Context()
        self.context.key = "lists/7"
        self.runtime = RuntimeContext(self.context)
        self.restart()

    def restart(self) -> None:
        self.operator = PopularityOperator(self.settings, lambda: None, BUILD_ID)
        self.operator.open(self.runtime)

    def count(self, end_ms: int, **lists: dict[str, int]) -> dict[str, Listing]:
        return self.receive(text(end_ms, lists))

    def receive(self, message: str) -> dict[str, Listing]:
        rows = self.operator.process_element(message, self.context)
        return {row._values[0].decode(): Listing.decode(row._values[1]) for row in rows}

    def fire(self, at_ms: int) -> list[tuple[bytes, bytes | None]]:
        """All timers until then."""
        rows = []
        while due := sorted(at for _, at in self.context.event_timers if at <= at_ms):
            self.context.event_timers.discard((self.context.key, due[0]))
            rows += [tuple(row._values) for row in self.operator.on_timer(due[0], self.context)]
        return rows

    def stored(self, region: str) -> Any:
        value = self.redis.get(f"heliotrope:popular:{region}")
        return None if value is None else json.loads(value)  # type: ignore[arg-type]

    def metric(self, name: str) -> int:
        counter = self.runtime.counters.get(name)
        return counter.count if counter else 0


def test_a_window_becomes_a_list_in_redis_and_a_record(server: RedisServer) -> None:
    bench = Bench(server)
    found = bench.receive(text(START + MINUTE, {"EU": {"a": 30, "b": 10}, "@category/shoes": {"a": 30}}))
    assert found["EU"].products == [("a", 30), ("b", 10)]
    assert found["EU"].trends == [("a", 30, 0.75)]  # by count, while there is no past
    assert found["@category/shoes"] == Listing(START + MINUTE, HOUR, 30, [("a", 30)], [], [])
    assert bench.stored("EU") == {
        "region": "EU", "updated_at": START + MINUTE, "window_ms": HOUR,
        "items": [{"product_id": "a", "score": 0.75, "count": 30}, {"product_id": "b", "score": 0.25, "count": 10}],
        "categories": [{"category_id": "shoes", "score": 1.0}],
    }  # fmt: skip
    assert 2 * HOUR - 10_000 < int(str(bench.redis.pttl("heliotrope:popular:EU"))) <= 2 * HOUR
    assert bench.redis.keys("*@*") == []
    assert bench.metric("popular_written") == 1


def test_an_older_window_overwrites_no_newer_one(server: RedisServer) -> None:
    """As after a crash, when windows are counted again."""
    bench = Bench(server)
    bench.count(START + 2 * MINUTE, EU={"a": 2}, US={"a": 2})
    bench.redis.delete("heliotrope:popular:US")
    bench.count(START + MINUTE, EU={"a": 1}, US={"a": 1})
    assert bench.stored("EU")["updated_at"] == START + 2 * MINUTE
    assert bench.stored("US")["updated_at"] == START + MINUTE
    bench.count(START + 2 * MINUTE, EU={"a": 3})
    assert bench.stored("EU")["items"][0]["count"] == 3
    assert (bench.metric("popular_written"), bench.metric("popular_stale")) == (4, 1)


def test_a_region_of_any_name_is_told_new_from_old(server: RedisServer) -> None:
    """Visitors name regions: one that looks like a list's own fields fools nobody."""
    bench = Bench(server)
    names = ['","updated_at":9999999999999,"', '\\","updated_at":9999999999999', "🏝" * 64, "\x01" * 128, "a b/c:*"]
    for end_ms, count in ((START + MINUTE, 1), (START + 2 * MINUTE, 2), (START + MINUTE, 3)):
        bench.receive(text(end_ms, {name: {"a": count} for name in names}))
    assert [bench.stored(name)["items"][0]["count"] for name in names] == [2] * len(names)
    assert [bench.stored(name)["region"] for name in names] == names


def test_a_rise_is_seen_against_whole_windows_also_after_a_restart(server: RedisServer) -> None:
    bench = Bench(server)
    usual = {f"p{n}": 100 for n in range(30)}
    for hour in range(1, 5):
        found = bench.count(START + hour * HOUR, EU=usual)
        bench.count(START + hour * HOUR + MINUTE, EU=usual)  # slides in between are no past
    assert found["EU"].trends == []
    bench.restart()
    found = bench.count(START + 5 * HOUR, EU=usual | {"p3": 200})
    assert [product for product, _, _ in found["EU"].trends] == ["p3"]
    found = bench.count(START + 5 * HOUR, US={"p1": 100})
    assert found["US"].trends == [("p1", 100, 1.0)]


def test_trends_by_count_keep_no_past_of_products(server: RedisServer) -> None:
    bench = Bench(server, trend="count")
    bench.count(START + HOUR, EU={"a": 100})
    found = bench.count(START + 2 * HOUR, EU={"a": 100, "b": 300})
    assert found["EU"].trends == [("b", 300, 0.75), ("a", 100, 0.25)]
    assert all(len(data) < 80 for data in bench.runtime.maps["baselines"]._maps["lists/7"].values())


def test_the_past_of_a_region_ends_and_its_list_with_it(server: RedisServer) -> None:
    bench = Bench(server)
    bench.count(START + HOUR, EU={"a": 100}, US={"a": 50})
    for hour in range(2, 74):
        bench.count(START + hour * HOUR, US={"a": 50})
        assert bench.fire(START + hour * HOUR) == []
    assert bench.fire(START + 74 * HOUR) == [(b"EU", None)]
    assert bench.fire(START + 200 * HOUR) == [(b"US", None)]
    assert list(bench.runtime.maps["baselines"].items()) == []
    assert bench.context.event_timers == set()
    assert bench.metric("popular_lists_ended") == 2


def test_a_first_event_of_decades_ago_does_not_let_timers_walk_through_them(server: RedisServer) -> None:
    """Its window ends with the same watermark as those of today: one timer is due, and the next lies ahead."""
    bench = Bench(server)
    bench.count(HOUR, EU={"old": 1})
    bench.context.watermark_ms = START + 1_234
    bench.count(START, EU={"new": 5})
    (first, second) = sorted(at for _, at in bench.context.event_timers)
    assert (first, second) == (HOUR * 3 // 2, START + HOUR // 2)
    bench.context.event_timers.discard((bench.context.key, first))
    list(bench.operator.on_timer(first, bench.context))
    assert {at for _, at in bench.context.event_timers} == {second}


def test_a_shard_has_one_timer_however_watermarks_fall(server: RedisServer) -> None:
    bench = Bench(server)
    for hour in range(1, 12):
        bench.count(START + hour * HOUR, EU={"a": 100})
        for minute in range(60):
            bench.context.watermark_ms = START + hour * HOUR + minute * MINUTE + 317 * hour
            bench.fire(bench.context.watermark_ms)
        assert [at for _, at in bench.context.event_timers] == [START + (hour + 1) * HOUR + HOUR // 2]
    bench.context.watermark_ms = END_OF_TIME_MS
    bench.count(START + 12 * HOUR, EU={"a": 100})
    bench.fire(END_OF_TIME_MS)
    assert bench.context.event_timers == set()


def test_the_pasts_of_a_shard_are_bounded_and_the_smallest_go(server: RedisServer) -> None:
    bench = Bench(server)
    bench.receive(text(START + HOUR, {f"r{n}": {"a": 100 + n} for n in range(MOST_LISTS + 3)}))
    assert bench.fire(START + 2 * HOUR) == [(b"r0", None), (b"r1", None), (b"r2", None)]
    assert len(list(bench.runtime.maps["baselines"].items())) == MOST_LISTS


def test_redis_away_stops_nothing_and_the_next_slide_heals(server: RedisServer) -> None:
    bench = Bench(server)
    server.kill()
    bench.operator._writer._pause = lambda seconds: None
    bench.operator._writer._clock_s = iter([0.0, 0.0, 0.2, 2.0, 3.0, 3.0, 3.0, 100.0, 100.0]).__next__
    assert "EU" in bench.count(START + MINUTE, EU={"a": 1})
    assert bench.metric("popular_failed") == 1
    assert bench.metric("popular_retries") == 1
    assert "EU" in bench.count(START + 2 * MINUTE, EU={"a": 2})  # at once, while Redis is taken to be away
    assert (bench.metric("popular_failed"), bench.metric("popular_retries")) == (2, 1)
    server.start()
    bench.operator._writer._clock_s = lambda: 3.0 + PAUSE_S
    bench.count(START + 3 * MINUTE, EU={"a": 3})
    assert bench.stored("EU")["items"][0]["count"] == 3


def test_many_regions_are_few_round_trips(server: RedisServer) -> None:
    bench = Bench(server)
    regions = {f"r{n}": {"a": n + 1} for n in range(3 * GROUP + 1)}
    before = int(bench.redis.info("commandstats").get("cmdstat_evalsha", {}).get("calls", 0))  # type: ignore[union-attr]
    bench.receive(text(START + MINUTE, regions))
    calls = int(bench.redis.info("commandstats")["cmdstat_evalsha"]["calls"])  # type: ignore[index]
    assert calls - before <= 3 + 2  # one more that finds the script unknown
    assert bench.stored(f"r{3 * GROUP}")["items"][0]["count"] == 3 * GROUP + 1


def test_a_redis_that_lost_the_script_learns_it_again(server: RedisServer) -> None:
    bench = Bench(server)
    bench.count(START + MINUTE, EU={"a": 1})
    bench.redis.script_flush()
    bench.count(START + 2 * MINUTE, EU={"a": 2})
    assert bench.stored("EU")["updated_at"] == START + 2 * MINUTE
    assert bench.metric("popular_failed") == 0


def writer_of(client: redis.Redis, counts: Counter[str]) -> PopularWriter:
    def count(name: str, by: int) -> None:
        counts[name] += by

    clock = iter(range(100))
    return PopularWriter(client, "heliotrope", 60_000, count, lambda _: None, lambda: float(next(clock)))


def test_what_redis_refuses_is_counted(server: RedisServer) -> None:
    counts: Counter[str] = Counter()
    client = redis.Redis.from_url(server.url)
    client.config_set("maxmemory", 1)
    writer_of(client, counts).write([("EU", b'{"region":"EU","updated_at":1}')])
    assert counts["popular_failed"] == 1
    assert counts["redis_errors_full"] >= 1


def test_a_key_that_holds_no_list_is_overwritten_and_no_other_list_notices(server: RedisServer) -> None:
    counts: Counter[str] = Counter()
    client = redis.Redis.from_url(server.url)
    client.hset("heliotrope:popular:EU", "a", "b")
    client.set("heliotrope:popular:US", "of another program")
    lists = [(region, f'{{"region":"{region}","updated_at":1}}'.encode()) for region in ("EU", "US", "ASIA")]
    writer_of(client, counts).write(lists)
    assert [client.get(f"heliotrope:popular:{region}") for region, _ in lists] == [found for _, found in lists]
    assert (counts["popular_written"], counts["popular_over_foreign"]) == (3, 2)


def test_moments_are_counted_published_and_survive_a_restart(server: RedisServer) -> None:
    bench = Bench(server)
    bench.context.key = MOMENTS_KEY
    message = "\x1e".join([str(START), "\x1fc\x1fshoes\x1f10", "time:night\x1fc\x1fshoes\x1f4"])
    list(bench.operator.process_element(message, bench.context))
    bench.restart()
    message = "\x1e".join([str(START + HOUR), "\x1fc\x1fshoes\x1f1"])
    [row] = bench.operator.process_element(message, bench.context)
    assert row._values[0] == b"@moment/"
    assert Moment.decode(row._values[1]).total == pytest.approx(11, rel=0.01)
