"""When Redis is left alone, and when it is asked again."""

from serving.reader.breaker import BreakerState, CircuitBreaker
from serving.reader.settings import ReaderSettings

SETTINGS = ReaderSettings(failures=3, first_rest_ms=250, longest_rest_ms=1_000)


class Breaker(CircuitBreaker):
    """One with a clock to set, that keeps what it counts."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.counted: list[str] = []
        super().__init__(SETTINGS, lambda: self.now_s, lambda name, count: self.counted.append(name))

    def fails(self, times: int) -> None:
        for _ in range(times):
            self.fail()


def test_it_opens_after_failures_in_a_row_only() -> None:
    breaker = Breaker()
    breaker.fails(2)
    breaker.succeed()
    breaker.fails(2)
    assert (breaker.state, breaker.allow()) == (BreakerState.CLOSED, True)
    breaker.fail()
    assert (breaker.state, breaker.allow()) == (BreakerState.OPEN, False)
    assert breaker.counted == ["breaker_opened"]


def test_after_a_rest_one_probe_goes_through_and_its_success_closes() -> None:
    breaker = Breaker()
    breaker.fails(3)
    breaker.now_s += 0.25
    assert [breaker.allow(), breaker.allow(), breaker.allow()] == [True, False, False]
    breaker.succeed()
    assert breaker.state == BreakerState.CLOSED
    assert all(breaker.allow() for _ in range(3))
    assert breaker.counted == ["breaker_opened", "breaker_closed"]


def test_each_failed_probe_doubles_the_rest_up_to_a_bound() -> None:
    breaker = Breaker()
    breaker.fails(3)
    for rest_s in (0.25, 0.5, 1.0, 1.0):
        breaker.now_s += rest_s - 0.001
        assert not breaker.allow()
        breaker.now_s += 0.001
        assert breaker.allow()
        breaker.fail()
    breaker.now_s += 1.0
    breaker.allow()
    breaker.succeed()
    breaker.fails(3)
    breaker.now_s += 0.25
    assert breaker.allow(), "the rest begins anew after a success"


def test_a_probe_that_says_nothing_is_followed_by_another() -> None:
    breaker = Breaker()
    breaker.fails(3)
    breaker.now_s += 0.25
    assert breaker.allow()
    breaker.now_s += 0.25
    assert breaker.allow()


def test_it_knows_a_slow_redis_from_a_silent_one() -> None:
    breaker = Breaker()
    breaker.fails(3)
    assert not breaker.is_slow
    breaker.answer_late()
    assert breaker.is_slow
    assert not breaker.allow()
    breaker.lose()
    assert not breaker.is_slow
