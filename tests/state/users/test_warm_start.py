"""A session of a known user: what it asks, what it takes, how that enters the choice, and that it is not published as its own."""

import json
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from state.configuration import Weights
from state.profile.effect import Effect
from state.session.hint import Hint
from state.session.interest import Interest
from state.session.log import Record, user_hash
from state.users.user_input import Forget, Hello, read_message
from state.users.warm_start import PRIOR_VIEWS, warmed
from tests.state.shop import SESSION, T0, Visit, event, settings, shop

ANN = user_hash("ann", b"salt")
LIKES = Hint(ANN, T0 - 1_000, 40.0, {"product-3": 12.0, "product-7": 8.0}, {"category-3": 30.0}, ["product-5"])


def told(effect: Effect) -> list[tuple[str, Any]]:
    """What a session says of its user."""
    return [(r.key.decode(), read_message(r.value.decode())) for r in effect.records if r.kind == "user"]


def give(visit: Visit, hint: Hint, at_ms: int = 50) -> Effect:
    session = None if visit.data is None else visit.session
    effect = visit.personalizer.apply_hint(session, SESSION, hint, T0 + at_ms)
    visit._store(effect)
    return effect


def searching(**fields: Any) -> Any:
    return event("search", 0, query="anything", **fields)


def shown_categories(visit: Visit) -> list[str]:
    assert visit.profile is not None
    of = visit.personalizer.chooser.catalogue.category_of
    return [of(item["product_id"]) for item in visit.profile["score_data"]]


def test_a_session_asks_once_for_each_user_that_it_meets() -> None:
    visit = Visit(shop())
    assert told(visit.send(searching())) == []
    assert told(visit.send(event(at_ms=1, user_id="ann"))) == [(ANN, Hello(SESSION, T0 + 1))]
    assert told(visit.send(event(at_ms=2, user_id="ann"))) == []
    assert told(visit.send(event(at_ms=3))) == []
    bob = user_hash("bob", b"salt")
    assert told(visit.send(event(at_ms=5, user_id="bob"))) == [(bob, Hello(SESSION, T0 + 5))]
    late = visit.send(event(at_ms=4, user_id="ann"))
    assert told(late) == []
    assert late.accepted is not None
    assert ANN in late.accepted, "an event that names its user is that user's, whoever came after"
    assert visit.session.user == bob


def test_another_user_does_not_inherit_the_hint() -> None:
    visit = Visit(shop())
    visit.send(event(user_id="ann"))
    give(visit, LIKES)
    assert visit.session.hint
    visit.send(event(at_ms=9, user_id="bob"))
    assert visit.session.hint == b""
    assert give(visit, LIKES).counts == {"hints_unwanted": 1}
    assert visit.session.hint == b""


def test_a_hint_leans_the_list_and_is_not_published_as_the_sessions_own() -> None:
    warm, plain = (Visit(shop(products=400, categories=20)) for _ in range(2))
    for visit in (warm, plain):
        visit.send(searching(user_id="ann"))
    before = warm.session
    effect = give(warm, LIKES)
    assert effect.counts == {"hints_taken": 1}
    assert warm.profile is not None
    assert plain.profile is not None
    assert warm.profile["category_data"][0]["category_id"] == "category-3"
    assert shown_categories(warm).count("category-3") >= shown_categories(plain).count("category-3") + 3
    for field in ("affinities", "windows", "counts", "version", "status", "generation"):
        assert warm.profile[field] == plain.profile[field]
    assert warm.profile["affinities"] == {"products": {}, "categories": {}}
    assert warm.profile["updated_at"] > plain.profile["updated_at"]
    assert warm.session.slates[-1].cause == before.slates[-1].cause, (
        "no reward for a slate that its own event brought about"
    )


def test_the_hint_stays_with_the_session_and_fades_with_its_events() -> None:
    visit = Visit(shop(settings(candidates={"max": 40}), products=400, categories=20))
    visit.send(event(user_id="ann", product_id="product-1", category_id="category-1"))
    give(visit, LIKES)
    shares = []
    for number in range(2, 40):
        visit.send(event(at_ms=number * 1_000, product_id="product-1", category_id="category-1"))
        assert visit.profile is not None
        scores = {row["category_id"]: row["score"] for row in visit.profile["category_data"]}
        shares.append(scores.get("category-3", 0.0))
    assert shares[0] > 0.3
    assert all(later < earlier for earlier, later in pairwise(shares))
    assert shares[-1] < 0.1
    own = visit.profile
    assert own is not None
    assert list(own["affinities"]["categories"]) == ["category-1"]


def test_a_hint_for_nobody_creates_nothing_and_one_twice_changes_nothing() -> None:
    visit = Visit(shop())
    assert give(visit, LIKES).session is None
    visit.send(searching())
    assert give(visit, LIKES).counts == {"hints_unwanted": 1}
    visit.send(event(user_id="ann"))
    give(visit, LIKES)
    again = give(visit, LIKES)
    assert (again.counts, again.write) == ({"hints_repeated": 1}, None)


def test_an_active_session_takes_the_hint_without_a_new_list() -> None:
    visit = Visit(shop())
    visit.send(*(event(at_ms=number, user_id="ann") for number in range(6)))
    assert give(visit, LIKES).write is None
    assert Hint.decode(visit.session.hint) == LIKES


def test_an_empty_hint_takes_back_what_was_told_whatever_the_sessions_age() -> None:
    visit = Visit(shop())
    visit.send(*(event(at_ms=number, user_id="ann") for number in range(6)))
    give(visit, LIKES)
    effect = give(visit, Hint(ANN))
    assert effect.counts == {"hints_forgotten": 1}
    assert effect.write is not None
    assert visit.session.hint == b""


@pytest.mark.parametrize("farewell", [{"event_type": "erase"}, {"event_type": "consent", "granted": False}])
def test_erasure_and_withdrawal_reach_the_user(farewell: dict[str, Any]) -> None:
    visit = Visit(shop())
    visit.send(event(user_id="ann"))
    give(visit, LIKES)
    effect = visit.send(event(at_ms=10, **farewell))
    assert told(effect) == [(ANN, Forget(T0 + 10))]
    audit = next(json.loads(r.value) for r in effect.records if r.kind == "audit")
    assert audit["user_hashes"] == [ANN]
    assert (visit.session.user, visit.session.hint) == ("", b"")
    assert give(visit, LIKES).counts == {"hints_unwanted": 1}
    again = visit.send(event(at_ms=10, event_id="again", **farewell))
    assert told(again) == []


def test_an_erasure_names_whom_it_reaches() -> None:
    """From any session, also one that knew nothing; the session's own user as well."""
    visit = Visit(shop())
    assert [key for key, _ in told(visit.send(event("erase", user_id="ann")))] == [ANN]
    visit.send(event(at_ms=20, user_id="bob"))
    users = [key for key, _ in told(visit.send(event("erase", 30, user_id="ann")))]
    assert users == [user_hash("bob", b"salt"), ANN]


def test_without_consent_nobody_is_met() -> None:
    visit = Visit(shop(settings(consent={"default": "denied"})))
    assert told(visit.send(event(user_id="ann"))) == []


def test_no_plain_user_id_leaves_the_session() -> None:
    visit = Visit(shop())
    effects = [visit.send(event(user_id="ann-who-is-secret")), visit.send(event("erase", 9))]
    records = [record for effect in effects for record in effect.records]
    assert {record.kind for record in records} >= {"user", "audit"}
    assert visit.data is not None
    for record in records:
        assert b"secret" not in msgspec.msgpack.encode(_plain(record))
    assert b"secret" not in visit.data


def _plain(record: Record) -> tuple[bytes, bytes]:
    return record.key, record.value


AFFINITY = st.dictionaries(st.sampled_from(("a", "b", "c")), st.floats(0.01, 100), max_size=3)


@given(AFFINITY, AFFINITY, st.floats(0.01, 1e6), st.integers(0, 128), st.floats(0.01, 1))
def test_the_prior_weighs_no_more_than_its_views_and_each_event_lowers_it(
    mine: dict[str, float], theirs: dict[str, float], total: float, events: int, share: float
) -> None:
    own = Interest(mine, mine, sum(mine.values()), frozenset(), {}, events)
    hint = Hint("u", T0, total, theirs, theirs, [])
    mixed = warmed(own, hint, Weights(), share)
    prior = mixed.total - own.total
    assert 0 < prior <= share * min(total, PRIOR_VIEWS) + 1e-9
    later = warmed(Interest(mine, mine, own.total, frozenset(), {}, events + 1), hint, Weights(), share)
    ratio = (later.total - own.total) / prior
    assert 6 / 7 - 1e-6 <= ratio < 1, "smoothly: no event takes more than a seventh"
    for name, value in theirs.items():
        assert mixed.categories[name] - mine.get(name, 0.0) == pytest.approx(prior * value / total, rel=1e-6, abs=1e-9)
    assert mixed.own is own


def test_without_weight_or_knowledge_nothing_is_mixed_in() -> None:
    own = Interest({"a": 1.0}, {"c": 1.0}, 1.0)
    for unmoved in (warmed(own, LIKES, Weights(), 0.0), warmed(own, Hint("u", items=["p"]), Weights(), 0.5)):
        assert unmoved.own is own
        assert (unmoved.products, unmoved.categories, unmoved.total) == (own.products, own.categories, own.total)
    assert unmoved.listed == ["p"]


def test_hints_of_another_release_or_of_nobody_are_refused() -> None:
    for data in (b"", b"\x07" + LIKES.encode()[1:], LIKES.encode()[:-3], b"\x01junk"):
        with pytest.raises(ValueError, match="hint"):
            Hint.decode(data)
