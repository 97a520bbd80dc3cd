"""No record on any topic stops the job, which is RUNNING all the while: each is applied or is a dead letter, exactly once."""

import base64
import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import starmap
from typing import Any, NamedTuple

import pytest

from cli.stack.flink_rest import FlinkRest
from state.events.event import Event, read_event
from state.events.rejection import PAYLOAD_LIMIT_BYTES, Rejection
from tests.integration import hostile
from tests.integration.conftest import Stack
from tests.integration.fuzzed import generated, lines
from tests.integration.hostile import Sent
from tests.integration.shop import Shop, now_ms, open_shop

PATIENCE_S = 180.0
"""Other work may share the machine."""
Place = tuple[int, int]
"""Partition and offset."""


class Letter(NamedTuple):
    """What is looked at of a dead letter."""

    reason: str
    key: bytes | None
    payload: bytes


@pytest.fixture(scope="module")
def shop(stack: Stack) -> Iterator[Shop]:
    with open_shop(stack) as opened:
        yield opened
        for text in hostile.STRANGE:  # in whichever order the partitions were read, none stays listed
            opened.queue(None, text.encode(), stack.settings.kafka.topics.products)


@pytest.fixture(autouse=True)
def undisturbed(stack: Stack) -> Iterator[None]:
    """The job has not failed meanwhile."""
    before = failures(stack)
    yield
    assert failures(stack) == before
    assert stack.is_running()


def failures(stack: Stack) -> list[str]:
    return FlinkRest(stack.flink).failures(stack.record().job.id)


def sent(shop: Shop, topic: str, records: Iterable[Sent]) -> dict[Place, Sent]:
    """Sends all at once; returns where each lies."""
    given = list(records)
    return dict(zip(shop.places(topic, [(each.key, each.value) for each in given]), given, strict=True))


def letters(shop: Shop, topic: str, places: Iterable[Place]) -> dict[Place, Letter]:
    """Dead letters of records at these places; one that came twice fails."""
    wanted, found = set(places), dict[Place, Letter]()
    for record in shop.records("dead_letters"):
        letter = json.loads(record.value)
        place = (
            letter.get("partition"),
            letter.get("offset"),
        )  # other tests send letters of their own, which came from nowhere
        if letter["topic"] == topic and place in wanted:
            assert place not in found, f"two dead letters of {topic} {place}"
            found[place] = Letter(letter["reason"], record.key, base64.b64decode(letter["payload_base64"]))
    return found


def check_letters(shop: Shop, topic: str, given: dict[Place, Sent]) -> dict[Place, Letter]:
    """Each record that is to be refused has its dead letter with its reason, its key and its bytes, and no good one has any."""
    refused = {place for place, each in given.items() if each.reason}
    shop.stack.wait_for(lambda: refused - letters(shop, topic, refused).keys(), set(), PATIENCE_S)
    found = letters(shop, topic, given)
    wrong = {
        place: (each, found.get(place))
        for place, each in given.items()
        if each.reason is not None and (found[place].reason if place in found else "") != each.reason
    }
    assert wrong == {}
    for place, letter in found.items():
        assert letter.key == given[place].key
        assert letter.payload == (given[place].value or b"")[:PAYLOAD_LIMIT_BYTES]
    return found


def test_hostile_events_are_applied_or_dead_letters_and_their_neighbours_get_profiles(shop: Shop) -> None:
    session = shop.session()
    given = sent(shop, "user_interactions", hostile.events(session))
    shop.send(session)
    good = sum(each.reason == "" for each in given.values())
    found = check_letters(shop, "user_interactions", given)
    shop.stack.wait_for(lambda: uncounted(shop, Counter({session: good + 1})), {}, PATIENCE_S)
    assert len(found) == len(given) - good
    job = shop.stack.record().job.id
    shop.stack.wait_until(lambda: FlinkRest(shop.stack.flink).counter(job, "session", "consent_refused") >= 4)
    healthy = shop.session()
    shop.send(healthy)
    assert shop.profile_of_version(healthy, 1)["counts"]["applied"] == 1


REFERENCES: dict[str, Callable[[], Iterator[Sent]]] = {
    "products": hostile.products,
    "bundles": hostile.bundles,
    "user_lists": hostile.user_lists,
    "popularity": hostile.popularity,
    "candidate_lists": hostile.candidate_lists,
    "bandit_model": hostile.bandit_model,
    "session_hints": lambda: hostile.session_hints(Shop.session()),
}


@pytest.mark.parametrize("topic", REFERENCES)
def test_a_hostile_record_of_any_other_topic_stops_nobody(shop: Shop, topic: str) -> None:
    name = str(getattr(shop.stack.settings.kafka.topics, topic))
    check_letters(shop, name, sent(shop, name, REFERENCES[topic]()))
    session = shop.session()
    shop.send(session, region="strange/esc\x1b[31m", user_id="\U0001f600\U0010ffff")
    assert shop.profile_of_version(session, 1)["counts"]["applied"] == 1


FUZZED = 600
SEED = 21
EVENT_FIELDS = [*Event.__struct_fields__]


def test_whatever_is_made_up_is_counted_once(shop: Shop) -> None:
    """All at once; what the reader takes is in its session's profile or in `late_events`, all else is a dead letter."""
    sessions, now = [shop.session() for _ in range(4)], now_ms()
    good = itertools.cycle(sessions)

    def event(kind: str) -> dict[str, Any]:
        fields = {"session_id": next(good), "event_type": kind, "timestamp": now, "product_id": "mixer", "query": "q"}
        rest = {"category_id": "kitchen", "decision_id": "d", "shown": ["mixer"], "duration_ms": 5}
        return fields | rest | {"feedback": {"kind": "thumb", "value": 1}}

    made = generated(lines(event, EVENT_FIELDS), FUZZED, SEED)
    read = [read_event(value, now_ms=now, max_bytes=65_536, max_future_ms=300_000) for _, value in made]
    given = sent(shop, "user_interactions", starmap(expected, zip(made, read, strict=True)))
    accepted = Counter(found.session_id for found in read if isinstance(found, Event))
    applied = sum(each.reason == "" for each in given.values())
    assert min(applied, len(given) - applied) >= 25, "some of both kinds; 50 and more were seen"
    for session in accepted:
        shop.send(session)  # an impression publishes nothing, and so would be the last that is counted
    letters_found = check_letters(shop, "user_interactions", given)
    assert len(letters_found) == sum(bool(each.reason) for each in given.values())
    shop.stack.wait_for(lambda: uncounted(shop, accepted + Counter(dict.fromkeys(accepted, 1))), {}, PATIENCE_S)


def expected(made: tuple[bytes, bytes], found: Event | Rejection) -> Sent:
    reason = str(found.reason) if isinstance(found, Rejection) else ""
    return Sent(*made, reason)


def uncounted(shop: Shop, accepted: Counter[str]) -> dict[str, int]:
    """By session how many of its events are in no profile and not among the late ones."""
    late = Counter(json.loads(record.value)["session_id"] for record in shop.records("late_events"))
    found: dict[str, int] = {}
    for session, count in accepted.items():
        profile = shop.profile(session)
        counted = late[session] + (sum(profile["counts"].values()) if profile is not None else 0)
        if counted != count:
            found[session] = count - counted
    return found
