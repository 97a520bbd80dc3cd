"""Users over their sessions, on the real stack: what one session showed reaches the next, until it is erased."""

import json
import os
import signal
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from state.session.hint import Hint
from tests.integration.conftest import Stack
from tests.integration.shop import Shop, now_ms, open_shop

CATEGORIES, EACH, VISITS = 12, 10, 6
LIKED = "garden-3"
HOUR = 3_600_000


@pytest.fixture(scope="module")
def shop(stack: Stack) -> Iterator[Shop]:
    with open_shop(stack) as opened:
        ids = [f"garden-{c}-{n}" for c in range(CATEGORIES) for n in range(EACH)]
        for product in ids:
            opened.product(product, category_id=product.rpartition("-")[0], rating=4.0, rating_count=5)
        seen: set[str] = set()
        stack.wait_until(lambda: _shows_everything(opened, seen, set(ids)))
        yield opened


def _shows_everything(shop: Shop, seen: set[str], ids: set[str]) -> bool:
    """Events may overtake the catalogue. Each category has a visitor of its own: a model that has learned shows little else."""
    for category in range(CATEGORIES):
        session = shop.session()
        shop.send(session, "category_view", category_id=f"garden-{category}")
        seen |= {item["product_id"] for item in shop.profile_of_version(session, 1)["score_data"]}
    return len(seen & ids) > len(ids) // 2


def neutral(shop: Shop, session: str, **fields: Any) -> None:
    """An event that says nothing of what the visitor likes."""
    shop.send(session, "search", query="present", **fields)


def hints_of(shop: Shop, session: str) -> list[Hint]:
    records = shop.records(shop.stack.settings.kafka.topics.session_hints)
    return [Hint.decode(record.value) for record in records if record.key == session.encode()]


def hint_of(shop: Shop, session: str) -> Hint:
    """The session's first hint, awaited."""
    shop.stack.wait_until(lambda: bool(hints_of(shop, session)))
    return hints_of(shop, session)[0]


def list_for(shop: Shop, user: str, items: list[str] | None) -> None:
    value = None if items is None else json.dumps({"user_id": user, "items": items}).encode()
    shop.raw(value, user.encode(), shop.stack.settings.kafka.topics.user_lists)


MARKER = f"marker-{now_ms()}"


def told_of(shop: Shop, user: str) -> list[Hint]:
    """What a new session is told of the user: awaited through another user's session, which asks later and is always answered."""
    session, marker = shop.session(), shop.session()
    neutral(shop, session, user_id=user)
    shop.profile_of_version(session, 1)
    neutral(shop, marker, user_id=MARKER)
    hint_of(shop, marker)
    return hints_of(shop, session)


def meets(shop: Shop, user: str) -> Hint:
    """What a session is told of the user, tried anew until there is something to tell: events and lists take a moment."""
    found: list[Hint] = []

    def is_told() -> bool:
        found.extend(told_of(shop, user))
        return bool(found)

    shop.stack.wait_until(is_told)
    return found[0]


def browse(shop: Shop, user: str) -> str:
    session = shop.session()
    for number in range(EACH):
        shop.send(session, product_id=f"{LIKED}-{number}", category_id=LIKED, user_id=user)
    shop.profile_of_version(session, EACH)
    return session


@pytest.fixture(scope="module", autouse=True)
def marker(shop: Shop) -> None:
    """A user who always has a list, so that every session that asks for it is answered."""
    list_for(shop, MARKER, ["garden-0-0"])

    def is_answered() -> bool:
        session = shop.session()
        neutral(shop, session, user_id=MARKER)
        shop.profile_of_version(session, 1)
        return bool(hints_of(shop, session))

    shop.stack.wait_until(is_answered)


def liked(profile: dict[str, Any]) -> int:
    return sum(item["product_id"].startswith(f"{LIKED}-") for item in profile["score_data"])


def test_a_new_session_of_a_known_user_begins_with_what_the_first_one_liked(shop: Shop) -> None:
    user = f"ann-{now_ms()}"
    browse(shop, user)
    hint = meets(shop, user)
    assert next(iter(hint.categories)) == LIKED
    assert hint.categories[LIKED] <= EACH
    counts: Counter[str] = Counter()
    for _ in range(VISITS):
        known, stranger = shop.session(), shop.session()
        neutral(shop, known, user_id=user)
        neutral(shop, stranger)
        warm = shop.profile_when(known, lambda profile: profile["category_data"][0]["category_id"] == LIKED)
        cold = shop.profile_of_version(stranger, 1)
        assert (warm["version"], warm["affinities"]) == (1, {"products": {}, "categories": {}})
        counts.update(warm=liked(warm), cold=liked(cold))
    assert counts["warm"] >= 2 * counts["cold"] + VISITS


def test_a_users_list_comes_with_the_hint_and_goes_when_it_is_removed(shop: Shop) -> None:
    user = f"bob-{now_ms()}"
    list_for(shop, user, ["garden-5-1", "garden-7-2"])
    assert meets(shop, user).items == ["garden-5-1", "garden-7-2"]
    list_for(shop, user, None)
    shop.stack.wait_until(lambda: not told_of(shop, user))


def test_a_bad_list_becomes_a_dead_letter(shop: Shop) -> None:
    key = f"carl-{now_ms()}".encode()
    shop.raw(b'{"user_id": "somebody else", "items": []}', key, shop.stack.settings.kafka.topics.user_lists)
    [record] = shop.records_when("dead_letters", lambda record: record.key == key)
    letter = json.loads(record.value)
    assert (letter["reason"], letter["topic"]) == ("key_mismatch", "user_lists")


def test_erasure_reaches_the_users_other_sessions_and_later_ones(shop: Shop) -> None:
    user = f"dora-{now_ms()}"
    first = browse(shop, user)
    hint = meets(shop, user)
    second = shop.session()
    neutral(shop, second, user_id=user)
    shop.profile_when(second, lambda profile: profile["category_data"][0]["category_id"] == LIKED)
    erasure = shop.send(first, "erase")
    after = shop.profile_when(second, lambda profile: profile["category_data"][0]["category_id"] != LIKED)
    assert after["version"] == 1
    shop.stack.wait_until(lambda: hints_of(shop, second)[-1] == Hint(hint.user))
    assert told_of(shop, user) == []
    list_for(shop, user, ["garden-5-1"])  # what is told now was asked after it, and holds the list alone
    newest = meets(shop, user)
    assert (newest.items, newest.categories, newest.products) == (["garden-5-1"], {}, {})
    [audit] = shop.records_when("audit", lambda record: json.loads(record.value)["timestamp"] == erasure["timestamp"])
    assert json.loads(audit.value)["user_hashes"] == [hint.user]
    list_for(shop, user, None)


def test_a_killed_task_manager_forgets_no_user_and_counts_nothing_twice(shop: Shop, stack: Stack) -> None:
    user = f"eva-{now_ms()}"
    browse(shop, user)
    assert meets(shop, user).total <= EACH
    os.kill(stack.record().processes["taskmanager-1"].pid, signal.SIGKILL)
    browse(shop, user)
    stack.wait_until(lambda: told_of(shop, user)[0].total > 2 * EACH - 0.01)
    assert told_of(shop, user)[0].total <= 2 * EACH
    stack.wait_until(stack.is_running)


def test_hints_do_not_move_event_time(shop: Shop, stack: Stack) -> None:
    """After a pause that only hints broke, nothing is late that was not before; and late events are found as before."""
    session = shop.session()
    event = shop.send(session, product_id="garden-1-1", category_id="garden-1")
    shop.profile_of_version(session, 1)
    stack.wait_until(lambda: now_ms() - event["timestamp"] > 2 * stack.settings.events.idle_timeout_ms)
    for _ in range(3):
        shop.raw(Hint("nobody").encode(), shop.session().encode(), stack.settings.kafka.topics.session_hints)
    shop.send(session, timestamp=now_ms() - 47 * HOUR, product_id="old")
    assert shop.profile_of_version(session, 2)["counts"]["applied"] == 2

    def is_late() -> bool:
        shop.send(session, timestamp=event["timestamp"] - 50 * HOUR, product_id="ancient")
        return any(record.key == session.encode() for record in shop.records("late_events"))

    stack.wait_until(is_late)
