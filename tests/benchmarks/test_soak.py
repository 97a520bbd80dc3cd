"""The soak's verdicts and its crowd."""

import json
import random

from benchmarks.soak.crowd import ACTIVE, GARBAGE, TWICE, Crowd
from benchmarks.soak.verdict import judge

HOUR_S, EVERY_S = 3_600, 10
SECONDS = [float(at) for at in range(EVERY_S, HOUR_S + 1, EVERY_S)]


def series(level: float, noise: float, per_hour: float, seed: int = 3) -> list[float]:
    rng = random.Random(seed)
    return [level + rng.gauss(0, noise) + per_hour * at / HOUR_S for at in SECONDS]


def test_noise_around_a_level_is_flat() -> None:
    found = judge("rss_mb taskmanager-1", SECONDS, series(1_500, 10, 0))
    assert found is not None
    assert found.word == "flat"
    assert 74 < found.allowed < 76


def test_a_leak_grows_whatever_the_noise() -> None:
    found = judge("rss_mb taskmanager-1", SECONDS, series(1_500, 10, 300))
    assert found is not None
    assert found.word == "grows"
    assert abs(found.per_hour - 300) < 60


def test_a_filling_in_the_first_half_is_no_leak() -> None:
    values = [min(at, HOUR_S / 2) for at in SECONDS]
    found = judge("redis_keys", SECONDS, values)
    assert found is not None
    assert found.word == "flat"


def test_too_much_noise_is_called_unclear() -> None:
    found = judge("files taskmanager-1", SECONDS, series(100, 200, 10))
    assert found is not None
    assert found.word == "unclear"


def test_a_heap_is_judged_by_what_collections_leave() -> None:
    sawtooth = [100 + at % 150 / 1.5 for at in SECONDS]
    found = judge("heap_mb taskmanagers", SECONDS, sawtooth)
    assert found is not None
    assert found.mean < 190
    assert found.word == "flat"


def test_what_has_no_bound_is_not_judged() -> None:
    assert judge("dead_letters", SECONDS, series(10, 1, 100)) is None
    assert judge("rss_mb kafka", SECONDS[:5], SECONDS[:5]) is None


def test_the_crowd_repeats_itself_by_its_seed_and_stays_as_large() -> None:
    first, second = (Crowd(7, lambda session: None, "t") for _ in range(2))
    sent = [first.next(1_000 + number) for number in range(20_000)]
    assert sent == [second.next(1_000 + number) for number in range(20_000)]
    sessions = [sending.session for sending in sent]
    assert len(set(sessions[-2_000:])) <= ACTIVE + 2_000 * 0.1
    assert len(set(sessions) & set(sessions[-2_000:])) < len(set(sessions)) / 2  # most have gone
    garbage = [sending for sending in sent if b"no such" in sending.value]
    assert 0 < len(garbage) < 2 * GARBAGE * len(sent)
    again = len(sent) - len(garbage) - len({sending.value for sending in sent if sending not in garbage})
    assert 0.5 * TWICE < again / len(sent) < 2 * TWICE


def test_a_shopper_says_what_it_sees_and_versions_count_its_events() -> None:
    profile = {"decision_id": "d1", "score_data": [{"product_id": f"p{n}"} for n in range(20)]}
    crowd = Crowd(1, lambda session: profile, "t")
    sent = [crowd.next(1_000) for _ in range(2_000)]
    events = [json.loads(sending.value) for sending in sent if b"no such" not in sending.value]
    shown = [event for event in events if event["event_type"] == "impression"]
    assert shown
    assert all(set(event["shown"]) <= {f"p{n}" for n in range(20)} for event in shown)
    assert all(s.version in (0, int(json.loads(s.value)["event_id"].rpartition("-")[2])) for s in sent if s.version)
