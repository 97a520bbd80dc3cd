"""The blocking reader against a real server: the same chain, threads, forks."""

import os
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from serving.reader import Answer, ProfileReader, ReaderSettings, Reason, Source, blocking
from tests.serving.reader.servers import Shop, shop
from tests.serving.redis_data import profile_of
from tests.serving.slow_proxy import slow_proxy

SETTINGS = ReaderSettings(budget_ms=60_000, slow_ms=30_000)
QUICK = ReaderSettings(budget_ms=30, slow_ms=30, first_rest_ms=50, longest_rest_ms=50)


@pytest.fixture
def data() -> Iterator[Shop]:
    with shop() as found:
        yield found


def served(answer: Answer) -> tuple[Source, Reason | None]:
    return answer.served.source, answer.served.reason


def until_fresh(reader: ProfileReader, session_id: str) -> Answer:
    """Reads until the profile is a fresh one."""
    for _ in range(3_000):
        answer = reader.read(session_id)
        if answer.served.source == Source.PROFILE:
            return answer
        threading.Event().wait(0.02)
    pytest.fail("no fresh profile for a minute")


def test_it_answers_as_the_other_one_does(data: Shop) -> None:
    with ProfileReader(data.url, SETTINGS) as reader:
        assert reader.read("s0").content == profile_of("s0")
        assert served(reader.read("none", region="EU")) == (Source.REGION, Reason.NO_PROFILE)
        assert served(reader.read("none")) == (Source.ALL, Reason.NO_PROFILE)


def test_threads_share_a_reader(data: Shop) -> None:
    with ProfileReader(data.url, SETTINGS) as reader, ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda number: reader.read(f"s{number % 20}"), range(400)))
    assert Counter(map(served, answers)) == {(Source.PROFILE, None): 400}
    assert [answer.profile["session_id"] for answer in answers] == [f"s{number % 20}" for number in range(400)]


def test_a_thread_for_which_there_is_no_connection_is_answered_from_elsewhere(
    data: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocking, "MOST_CONNECTIONS", 0)
    with ProfileReader(data.url, SETTINGS) as reader:
        assert served(reader.read("s0")) == (Source.STATIC, Reason.OVERLOADED)


def test_a_server_that_is_stopped_and_wakes(data: Shop) -> None:
    with ProfileReader(data.url, QUICK) as reader:
        until_fresh(reader, "s0")
        data.server.stall()
        found = [served(reader.read("s0")) for _ in range(8)]
        data.server.wake()
        assert found[0] == (Source.STALE, Reason.REDIS_SLOW)
        assert (Source.STALE, Reason.BREAKER_OPEN) in found
        until_fresh(reader, "s0")


def test_a_server_that_is_killed_and_is_back(data: Shop) -> None:
    with ProfileReader(data.url, QUICK) as reader:
        until_fresh(reader, "s0")
        data.server.kill()
        found = [served(reader.read("s0")) for _ in range(8)]
        assert found[0][0] == Source.STALE
        assert found[-1] == (Source.STALE, Reason.BREAKER_OPEN)
        data.client = data.server.start()
        data.fill()
        until_fresh(reader, "s0")


def test_a_slow_server_is_answered_for_from_what_is_kept(data: Shop) -> None:
    with slow_proxy(data.socket) as slow, ProfileReader(slow.url, QUICK) as reader:
        until_fresh(reader, "s0")
        slow.delay_s = 0.5
        assert served(reader.read("s0")) == (Source.STALE, Reason.REDIS_SLOW)
        assert served(reader.read("s1")) == (Source.ALL, Reason.REDIS_SLOW)
        slow.delay_s = 0.0
        until_fresh(reader, "s1")


def test_a_login_that_is_never_answered_costs_the_budget(data: Shop) -> None:
    with ProfileReader(
        f"{data.url}&db=1".replace("?db=0&", "?"), QUICK
    ) as reader:  # another database takes a round trip
        data.server.stall()
        assert served(reader.read("s0")) == (Source.STATIC, Reason.REDIS_SLOW)
        data.server.wake()


def test_it_waits_for_a_write_by_looking_again(data: Shop) -> None:
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            data.put("s0", version=2)

    with ProfileReader(data.url, SETTINGS, pause=pause) as reader:
        answer = reader.read("s0", min_version=2, wait_ms=60_000)
    assert (served(answer), answer.profile["version"], len(pauses)) == ((Source.PROFILE, None), 2, 3)


def test_a_process_that_was_forked_has_connections_of_its_own(data: Shop) -> None:
    with ProfileReader(data.url, SETTINGS) as reader:
        reader.read("s0")
        ends, child = os.pipe(), 0
        child = os.fork()
        if not child:
            answer = reader.read("s1")
            os.write(ends[1], f"{answer.served.source} {answer.profile['session_id']}".encode())
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert os.read(ends[0], 100) == b"profile s1"
        assert reader.read("s2").profile["session_id"] == "s2"
        for end in ends:
            os.close(end)


def test_foreign_values_are_no_profile_and_no_error(data: Shop) -> None:
    data.client.rpush("heliotrope:profile:list", "x")
    data.client.set("heliotrope:profile:text", "\xff")
    with ProfileReader(data.url, SETTINGS) as reader:
        assert served(reader.read("list")) == (Source.ALL, Reason.NO_PROFILE)
        assert served(reader.read("text")) == (Source.ALL, Reason.NOT_A_PROFILE)
