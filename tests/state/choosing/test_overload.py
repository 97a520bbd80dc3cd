"""How the level follows the lag."""

from state.choosing.overload import LEAST_RECORDS, STRETCH_MS, Level, Overload
from state.configuration import Overload as Rules
from tests.state.shop import T0, event, settings, shop

RULES = Rules(spacing_after_ms=2_000, fewer_candidates_after_ms=5_000, recover_after_ms=3_000)


class Stream:
    """Records that come every 10 ms, each so late."""

    def __init__(self) -> None:
        self.overload = Overload(RULES)
        self.now_ms = T0

    def run(self, lag_ms: int, for_ms: int) -> list[Level]:
        """The levels at each judgement meanwhile."""
        levels = []
        for _ in range(for_ms // 10):
            self.now_ms += 10
            if self.overload.observe(self.now_ms - lag_ms, self.now_ms):
                levels.append(self.overload.level)
        return levels


def test_a_backlog_raises_the_level_by_one_step_at_a_time() -> None:
    stream = Stream()
    assert set(stream.run(1_999, 5_000)) == {Level.NORMAL}
    levels = stream.run(60_000, 1_000)
    assert levels == sorted(levels)
    assert levels.count(Level.SPACING) == 1
    assert levels[-1] is Level.FEWER_CANDIDATES
    assert stream.overload.lag_ms == 60_000


def test_between_the_thresholds_profiles_are_spaced_and_no_more() -> None:
    stream = Stream()
    assert stream.run(4_999, 10_000)[-1] is Level.SPACING


def test_a_level_is_left_after_a_while_below_half_of_its_threshold() -> None:
    stream = Stream()
    stream.run(10_000, 1_000)
    assert set(stream.run(2_600, 10_000)) == {Level.FEWER_CANDIDATES}, "more than half of 5 s"
    assert set(stream.run(2_400, 2_800)) == {Level.FEWER_CANDIDATES}, "not for long enough"
    stream.run(2_600, 200)
    assert set(stream.run(2_400, 2_800)) == {Level.FEWER_CANDIDATES}, "began anew"
    assert stream.run(2_400, 20_000)[-1] is Level.SPACING, "more than half of 2 s"
    assert stream.run(900, 5_000)[-1] is Level.NORMAL


def test_each_level_takes_its_own_time_to_be_left() -> None:
    stream = Stream()
    stream.run(10_000, 1_000)
    levels = stream.run(0, 7_000)
    assert levels == sorted(levels, reverse=True)
    for level in (Level.FEWER_CANDIDATES, Level.SPACING):
        assert 2_800 <= levels.count(level) * (STRETCH_MS + 10) <= 3_300
    assert levels[-1] is Level.NORMAL


def test_odd_records_switch_nothing() -> None:
    stream = Stream()
    for number in range(2_000):
        stream.now_ms += 10
        lag_ms = 86_400_000 if number % 5 < 2 else -86_400_000 if number % 5 == 2 else 50
        stream.overload.observe(stream.now_ms - lag_ms, stream.now_ms)
    assert stream.overload.level is Level.NORMAL
    for _ in range(LEAST_RECORDS - 1):
        stream.now_ms += 60_000
        stream.overload.observe(stream.now_ms - 86_400_000, stream.now_ms)
    assert stream.overload.level is Level.NORMAL


def test_records_without_a_time_say_nothing() -> None:
    overload = Overload(RULES)
    assert not any(overload.observe(missing, T0 + 50 * i) for i in range(100) for missing in (-1, 0, 999))
    assert overload.level is Level.NORMAL


def test_records_ahead_of_the_clock_are_not_late() -> None:
    stream = Stream()
    stream.run(-60_000, 1_000)
    assert (stream.overload.level, stream.overload.lag_ms) == (Level.NORMAL, 0)


def test_a_silence_ends_it() -> None:
    stream = Stream()
    stream.run(10_000, 1_000)
    overload, quiet_ms = stream.overload, stream.now_ms
    assert not overload.pass_time(quiet_ms + 2_999)
    assert overload.pass_time(quiet_ms + 3_000)
    assert (overload.level, overload.lag_ms) == (Level.SPACING, 0)
    assert overload.pass_time(quiet_ms + 6_000)
    assert overload.level is Level.NORMAL


def test_a_clock_that_is_set_back_does_not_stop_the_judgement() -> None:
    stream = Stream()
    stream.run(0, 1_000)
    stream.now_ms -= 3_600_000
    assert stream.run(10_000, 1_000)[-1] is Level.FEWER_CANDIDATES


def test_far_behind_the_policy_chooses_from_fewer_products() -> None:
    configuration = settings(candidates={"max": 40}, overload={"candidates": 10}, decisions={"full_share": 1.0})
    personalizer = shop(configuration, products=200)
    session = None
    found = []
    for number, level in enumerate((Level.NORMAL, Level.SPACING, Level.FEWER_CANDIDATES)):
        personalizer.publisher.overload.level = level
        now_ms = T0 + number * 60_000
        view = event("product_view", number * 60_000)
        effect = personalizer.apply(session, view, record_ms=now_ms, now_ms=now_ms, watermark_ms=0)
        session = effect.session
        assert session is not None
        full = session.slates[-1].full
        assert full is not None
        found.append(len(full.product_ids))
    assert min(found[:2]) > 10 >= found[2]


def test_more_candidates_are_never_made_of_it() -> None:
    personalizer = shop(settings(candidates={"max": 5}, overload={"candidates": 30}), products=200)
    personalizer.publisher.overload.level = Level.FEWER_CANDIDATES
    effect = personalizer.apply(None, event(), record_ms=T0, now_ms=T0, watermark_ms=0)
    assert effect.session is not None
    assert len(effect.session.slates[-1].product_ids) == 5
