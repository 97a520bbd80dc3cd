"""The chain without any input or output: whatever Redis does, an answer of the right source, in time."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.reader.answer import Answer, ProfileRequest, Reason, Source
from serving.reader.chain import Behind, Chain, Clock, Fetch, Outcome, Pause
from serving.reader.notices import Notice
from serving.reader.settings import ReaderSettings
from tests.serving.redis_data import FIELDS, NOW_MS, list_of, profile_of

SETTINGS = ReaderSettings(budget_ms=50, stale_max_ms=10_000, list_max_age_ms=1_000, cache_entries=3, regions=3)


class World:
    """A chain with a clock to set and a Redis that is a dictionary, or does what a test says."""

    def __init__(self) -> None:
        self.now_s = 1_000.0
        self.redis: dict[str, bytes] = {}
        self.refuses: Reason | None = None
        self.delay_s = 0.0
        self.fetched: list[tuple[str, ...]] = []
        self.behind: list[tuple[str, ...]] = []
        self.notices: list[Notice] = []
        self.on_pause: Callable[[], None] = lambda: None
        clock = Clock(lambda: self.now_s, lambda: NOW_MS + 500)
        self.chain = Chain(SETTINGS, clock, publish=self.notices.append)

    def read(self, session_id: str = "s", **request: Any) -> Answer:
        steps, outcome = self.chain.read(ProfileRequest(session_id, **request)), None
        while True:
            try:
                step = steps.send(outcome)
            except StopIteration as end:
                answer: Answer = end.value
                return answer
            outcome = self._do(step)

    def arrive(self, keys: tuple[str, ...]) -> Outcome:
        """What Redis holds comes now."""
        return [self.chain.settle(key, self.redis.get(key)) for key in keys]

    def _do(self, step: Fetch | Pause | Behind) -> Outcome:
        if isinstance(step, Behind):
            self.behind.append(step.keys)
            return None
        if isinstance(step, Pause):
            self.now_s = max(self.now_s, step.until_s)
            self.on_pause()
            return None
        self.fetched.append(step.keys)
        if self.now_s + self.delay_s > step.until_s:
            self.now_s = step.until_s
            return Reason.REDIS_SLOW
        self.now_s += self.delay_s
        return self.refuses if self.refuses is not None else self.arrive(step.keys)

    def put(self, session_id: str, **fields: Any) -> None:
        self.redis[f"heliotrope:profile:{session_id}"] = profile_of(session_id, **fields)

    def put_list(self, region: str) -> None:
        self.redis[f"heliotrope:popular:{region}"] = list_of(region)


@pytest.fixture
def world() -> World:
    return World()


def served(answer: Answer) -> tuple[Source, Reason | None]:
    return answer.served.source, answer.served.reason


def test_a_fresh_profile_is_handed_on_as_it_stands_with_where_it_comes_from(world: World) -> None:
    world.put("s")
    answer = world.read()
    assert answer.content == profile_of("s")
    assert msgspec.json.decode(answer.to_json()) == {
        **msgspec.json.decode(profile_of("s")),
        "served": {"source": "profile", "age_ms": 500, "waited_ms": 0},
    }


def test_without_a_profile_come_the_region_the_whole_and_the_static_list(world: World) -> None:
    assert served(world.read(region="EU")) == (Source.STATIC, Reason.NO_PROFILE)
    world.now_s += 1
    world.put_list("_all")
    assert served(world.read(region="EU")) == (Source.ALL, Reason.NO_PROFILE)
    world.now_s += 1
    world.put_list("EU")
    answer = world.read(region="EU")
    assert served(answer) == (Source.REGION, Reason.NO_PROFILE)
    assert (answer.profile["session_id"], answer.profile["score_data"][0]["product_id"]) == ("s", "EU-best")
    assert served(world.read(region="_all")) == (Source.ALL, Reason.NO_PROFILE)
    assert served(world.read()) == (Source.ALL, Reason.NO_PROFILE)


def test_one_round_trip_brings_the_profile_and_the_lists_that_are_due(world: World) -> None:
    world.read(region="EU")
    world.read(region="EU")
    world.now_s += 1
    world.read()
    profile, eu, whole = "heliotrope:profile:s", "heliotrope:popular:EU", "heliotrope:popular:_all"
    assert world.fetched == [(profile, eu, whole), (profile,), (profile, whole)]


@pytest.mark.parametrize("reason", [Reason.REDIS_AWAY, Reason.REDIS_ERROR, Reason.BREAKER_OPEN, Reason.OVERLOADED])
def test_without_redis_the_profile_is_stale_until_it_is_too_old(world: World, reason: Reason) -> None:
    world.put("s", version=4)
    world.read()
    world.refuses = reason
    answer = world.read()
    assert (served(answer), answer.profile["version"]) == ((Source.STALE, reason), 4)
    world.now_s += 10.1
    assert served(world.read()) == (Source.STATIC, reason)


def test_without_redis_lists_are_shown_however_old(world: World) -> None:
    world.put_list("EU")
    world.put_list("_all")
    world.read(region="EU")
    world.refuses = Reason.REDIS_AWAY
    world.now_s += 100_000
    assert served(world.read(region="EU")) == (Source.REGION, Reason.REDIS_AWAY)
    assert served(world.read(region="US")) == (Source.ALL, Reason.REDIS_AWAY)


def test_an_erased_session_is_not_shown_from_what_was_kept(world: World) -> None:
    world.put("s")
    world.put_list("_all")
    world.read()
    del world.redis["heliotrope:profile:s"]
    assert served(world.read()) == (Source.ALL, Reason.NO_PROFILE)
    world.refuses = Reason.REDIS_AWAY
    assert served(world.read()) == (Source.ALL, Reason.REDIS_AWAY)


def test_a_session_that_was_forgotten_is_not_shown_either(world: World) -> None:
    world.put("s")
    world.read()
    world.chain.forget("s")
    world.refuses = Reason.REDIS_AWAY
    assert served(world.read()) == (Source.STATIC, Reason.REDIS_AWAY)


def test_what_is_no_profile_is_said_to_be_none_and_not_kept(world: World) -> None:
    world.redis["heliotrope:profile:s"] = b"garbage"
    world.redis["heliotrope:popular:_all"] = b"garbage"
    assert served(world.read()) == (Source.STATIC, Reason.NOT_A_PROFILE)


def test_a_slow_redis_costs_no_more_than_the_budget(world: World) -> None:
    world.delay_s = 0.5
    answer = world.read()
    assert (served(answer), answer.served.waited_ms) == ((Source.STATIC, Reason.REDIS_SLOW), 50)
    assert world.read(budget_ms=7).served.waited_ms == 7
    assert world.read(budget_ms=0).served.waited_ms == 0


def test_a_profile_that_comes_late_is_kept_and_announced_once(world: World) -> None:
    world.delay_s = 0.5
    world.read()
    world.put("s", version=3)
    world.arrive(world.fetched[-1])
    world.arrive(world.fetched[-1])
    assert world.notices == [Notice("s", 3, NOW_MS)]
    assert served(world.read()) == (Source.STALE, Reason.REDIS_SLOW)


def test_a_late_profile_that_was_shown_already_is_not_announced(world: World) -> None:
    world.put("s", version=3)
    world.read()
    world.delay_s = 0.5
    assert world.read().served.source == Source.STALE
    world.arrive(world.fetched[-1])
    assert world.notices == []


def test_under_pressure_what_is_kept_comes_first_and_the_rest_is_read_behind(world: World) -> None:
    world.put("s")
    world.put("new")
    world.read()
    world.chain.is_pressed = True
    assert served(world.read()) == (Source.STALE, Reason.PRESSURE)
    assert (len(world.fetched), len(world.behind)) == (1, 1)
    assert served(world.read("new")) == (Source.PROFILE, None), "there is nothing else to show"


def test_an_open_breaker_before_a_slow_redis_reads_behind_and_before_a_silent_one_does_not(world: World) -> None:
    world.refuses = Reason.BREAKER_OPEN
    assert served(world.read()) == (Source.STATIC, Reason.BREAKER_OPEN)
    assert world.behind == []
    world.chain.breaker.answer_late()
    assert served(world.read()) == (Source.STATIC, Reason.REDIS_SLOW)
    assert len(world.behind) == 1


def test_a_read_of_ones_own_write_waits_until_the_profile_knows_it(world: World) -> None:
    world.put("s", version=1)
    pauses: list[float] = []

    def write_after_two() -> None:
        pauses.append(world.now_s)
        if len(pauses) == 2:
            world.put("s", version=2, event_time=NOW_MS)

    world.on_pause = write_after_two
    wishes: tuple[dict[str, Any], ...] = ({"min_version": 2}, {"since_ms": NOW_MS})
    for request in wishes:
        pauses.clear()
        world.put("s", version=1)
        answer = world.read(wait_ms=1_000, **request)
        assert (served(answer), answer.profile["version"], len(pauses)) == ((Source.PROFILE, None), 2, 2)
        assert answer.served.waited_ms == 30


def test_it_waits_for_a_profile_that_is_not_there_yet(world: World) -> None:
    world.on_pause = lambda: world.put("s", version=1)
    assert served(world.read(min_version=1, wait_ms=1_000)) == (Source.PROFILE, None)


def test_it_waits_no_longer_than_it_may_and_says_so(world: World) -> None:
    world.put("s", version=1)
    answer = world.read(min_version=2, wait_ms=300)
    assert (served(answer), answer.served.waited_ms) == ((Source.PROFILE, Reason.NOT_YET), 300)
    assert world.read(min_version=2).served.waited_ms == 50, "without wait_ms the budget bounds the wait"
    assert served(world.read("none", min_version=2)) == (Source.STATIC, Reason.NOT_YET)


def test_it_does_not_wait_for_a_redis_that_went_away(world: World) -> None:
    world.put("s", version=1)

    def go_away() -> None:
        world.refuses = Reason.REDIS_AWAY

    world.on_pause = go_away
    answer = world.read(min_version=2, wait_ms=60_000)
    assert (served(answer), answer.served.waited_ms) == ((Source.PROFILE, Reason.REDIS_AWAY), 10)


def test_the_limit_holds_for_profiles_and_lists(world: World) -> None:
    world.put("s", items=5)
    world.put_list("_all")
    assert len(world.read(limit=2).profile["score_data"]) == 2
    assert len(world.read("none", limit=2).profile["score_data"]) == 2
    assert world.read(limit=5).content == profile_of("s", items=5)


def test_the_tag_is_of_the_content_and_not_of_how_it_was_served(world: World) -> None:
    world.put("s")
    fresh = world.read()
    world.refuses = Reason.REDIS_AWAY
    stale = world.read()
    assert (fresh.etag, stale.served.source) == (stale.etag, Source.STALE)
    world.refuses = None
    assert world.read(limit=1).etag != fresh.etag
    world.put("s", version=2)
    assert world.read().etag != fresh.etag


sessions = st.sampled_from(["a", "b", "c", "d", "a/b", "é"])
requests = st.builds(
    ProfileRequest,
    sessions,
    region=st.sampled_from(["", "EU", "US", "_all", "nowhere", "x" * 128]),
    limit=st.none() | st.integers(1, 25),
    min_version=st.none() | st.integers(0, 5),
    since_ms=st.none() | st.integers(NOW_MS - 1_000, NOW_MS),
    wait_ms=st.none() | st.integers(0, 500),
    budget_ms=st.none() | st.integers(0, 100),
)
values = st.none() | st.sampled_from([b"", b"{}", b"\xff", list_of("EU"), list_of("_all"), profile_of("a")])


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_whatever_redis_does_there_is_an_answer_in_time(data: st.DataObject) -> None:
    world = World()
    for _ in range(data.draw(st.integers(1, 6))):
        _disturb(world, data)
        request = data.draw(requests)
        began_s = world.now_s
        fields = {name: getattr(request, name) for name in request.__struct_fields__ if name != "session_id"}
        answer = world.read(request.session_id, **fields)
        took_ms = (world.now_s - began_s) * 1_000
        budget_ms = SETTINGS.budget_ms if request.budget_ms is None else request.budget_ms
        waits_ms = 0 if not request.waits else budget_ms if request.wait_ms is None else request.wait_ms
        assert took_ms <= waits_ms + budget_ms + 0.001
        _is_sound(answer, request)
        assert len(world.chain.profiles) <= 3
        assert len(world.chain.lists) <= 3


def _disturb(world: World, data: st.DataObject) -> None:
    world.now_s += data.draw(st.sampled_from([0.0, 0.5, 2.0, 20.0]))
    world.delay_s = data.draw(st.sampled_from([0.0, 0.001, 0.03, 0.5]))
    world.refuses = data.draw(st.none() | st.sampled_from(Reason))
    world.chain.is_pressed = data.draw(st.booleans())
    session_id = data.draw(sessions)
    if data.draw(st.booleans()):
        world.put(session_id, version=data.draw(st.integers(1, 5)), items=data.draw(st.integers(1, 20)))
    else:
        key = data.draw(st.sampled_from([f"profile:{session_id}", "popular:EU", "popular:_all"]))
        value = data.draw(values)
        world.redis.pop(f"heliotrope:{key}", None)
        if value is not None:
            world.redis[f"heliotrope:{key}"] = value
    for keys in (*world.behind, *world.fetched)[-3:]:  # what was given up comes late
        if data.draw(st.booleans()):
            world.arrive(keys)


def _is_sound(answer: Answer, request: ProfileRequest) -> None:
    profile = msgspec.json.decode(answer.to_json())
    assert set(profile) == FIELDS | {"served"}
    assert profile["session_id"] == request.session_id
    assert len(profile["score_data"]) <= (request.limit or 20)
    source, reason = served(answer)
    assert answer.served.age_ms >= 0
    assert answer.served.waited_ms >= 0
    if source == Source.PROFILE and reason is None:
        assert request.min_version is None or profile["version"] >= request.min_version
        assert request.since_ms is None or profile["event_time"] >= request.since_ms
    if source != Source.PROFILE:
        assert reason is not None
    assert (profile["version"] > 0) == (source in (Source.PROFILE, Source.STALE))
