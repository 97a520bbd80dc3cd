import time

from operators.timings import CLICK_BOUNDS_MS, FLUSH_MS, Histogram, Timings
from tests.operators.flink_fakes import Context, RuntimeContext


def buckets(runtime: RuntimeContext, name: str) -> dict[str, int]:
    begin = f"{name}_bucket{{le="
    return {
        key.removeprefix(begin).rstrip("}"): c.count for key, c in runtime.counters.items() if key.startswith(begin)
    }


def test_each_bucket_counts_all_that_is_not_above_its_bound() -> None:
    runtime = RuntimeContext(Context())
    histogram = Histogram(runtime, "took_ms", (10, 100))
    for value in (10, 11, 100, 101, -5):
        histogram.observe(value)
    histogram.flush()
    histogram.flush()  # counts nothing twice
    assert buckets(runtime, "took_ms") == {"10": 2, "100": 4, "+Inf": 5}
    assert runtime.counters["took_ms_sum"].count == 10 + 11 + 100 + 101


def test_every_bucket_is_there_before_the_first_value() -> None:
    runtime = RuntimeContext(Context())
    Timings(runtime)
    assert buckets(runtime, "click_to_redis_ms") == dict.fromkeys([*map(str, CLICK_BOUNDS_MS), "+Inf"], 0)


def test_the_oldest_event_that_waits_for_a_profile_counts() -> None:
    timings = Timings(RuntimeContext(Context()))
    timings.clicked("s", 1_000)
    timings.clicked("s", 2_000)
    assert timings.is_published("s") == 1_000
    assert timings.is_published("s") == 0


def test_what_comes_within_the_interval_is_handed_on_by_one_timer() -> None:
    context = Context()
    runtime = RuntimeContext(context)
    timings = Timings(runtime)
    now_ms = 10**12
    for at_ms in (now_ms, now_ms + 10, now_ms + 20):
        timings.called(time.perf_counter())
        timings.flush(at_ms, context)
    assert buckets(runtime, "call_us")["+Inf"] == 1
    assert context.processing_timers == {("", now_ms + FLUSH_MS)}
    timings.flush(now_ms + FLUSH_MS, context)
    assert buckets(runtime, "call_us")["+Inf"] == 3


def test_a_clock_that_is_set_back_hands_on_all_the_same() -> None:
    context = Context()
    runtime = RuntimeContext(context)
    timings = Timings(runtime)
    for at_ms in (10**12, 10**12 - 3_600_000):
        timings.called(time.perf_counter())
        timings.flush(at_ms, context)
    assert buckets(runtime, "call_us")["+Inf"] == 2
