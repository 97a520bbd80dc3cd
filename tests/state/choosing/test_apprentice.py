"""`bandit.start: apprentice`: lists begin with the shop's own order, and go over to the model as that shows that it earns more."""

from collections import Counter
from typing import Any

import msgspec
import numpy as np
import pytest

from jobs.settings import settings_from
from state.configuration import Settings
from state.core.batch_core import Work
from state.explaining.contenders import contenders
from state.feature_set import DIMENSION
from state.kernels.core.layout import EVENT
from state.model.apprenticeship import LEAST_SHARE
from state.model.sums import CHOSEN, FOLLOWED, Example
from state.session.forms import decode_session
from state.session.hint import Hint
from state.session.record import FORM
from state.session.session import VERSION
from tests.state.core.scene import chooser_of
from tests.state.core.twin import CompiledHost
from tests.state.shop import SESSION, T0, Visit, event, predictor_of, settings, shop

ORDER = [f"product-{n}" for n in (31, 7, 12, 3, 22, 9, 35, 18)]


def apprentice(**overrides: Any) -> Settings:
    return settings(bandit={"start": "apprentice"}, **overrides)


def shown_by_shop(at_ms: int = 0) -> Any:
    return event("impression", at_ms, decision_id="of the shop", shown=ORDER)


def published(visit: Visit) -> list[str]:
    assert visit.profile is not None
    return [item["product_id"] for item in visit.profile["score_data"]]


def compared(followed: float, chosen: float) -> list[Example]:
    """300 exposures of either side with these rewards."""
    x = np.zeros(DIMENSION, np.float16)
    x[0] = 1
    return [
        Example(T0, f"product-{n % 40}", x.tobytes(), 1.0, reward, reward**2, arm=arm)
        for arm, reward in ((FOLLOWED, followed), (CHOSEN, chosen))
        for n in range(300)
    ]


def test_a_list_follows_what_the_shop_showed_and_says_with_which_probability() -> None:
    places: Counter[str] = Counter()
    for seed in range(60):
        visit = Visit(shop(apprentice(), seed=seed))
        visit.send(shown_by_shop(), event(at_ms=1_000))
        slate = visit.session.slates[-1]
        assert published(visit) == slate.product_ids
        chosen = [at for at, arm in enumerate(slate.arms) if arm == CHOSEN]
        places.update(model=len(chosen), all=sum(arm != 0 for arm in slate.arms))
        if not chosen:
            assert slate.product_ids[: len(ORDER)] == ORDER
        for at, arm in enumerate(slate.arms):
            if arm == FOLLOWED:
                assert slate.propensity[at] >= 1 - LEAST_SHARE
            elif arm == CHOSEN:
                assert 0 < slate.propensity[at] <= LEAST_SHARE
    assert places["model"] / places["all"] == pytest.approx(LEAST_SHARE, abs=0.06)


def test_a_decision_that_is_logged_in_full_says_the_mixs_probabilities() -> None:
    visit = Visit(shop(apprentice(decisions={"full_share": 1.0})))
    visit.send(shown_by_shop(), event(at_ms=1_000))
    full = visit.session.slates[-1].full
    assert full is not None
    first = dict(zip(full.product_ids, full.propensity, strict=True))
    assert first[ORDER[0]] >= 1 - LEAST_SHARE
    assert sum(first.values()) == pytest.approx(1)


def test_an_explanation_follows_the_order_too() -> None:
    personalizer = shop(apprentice())
    visit = Visit(personalizer)
    visit.send(shown_by_shop(), event(at_ms=1_000))
    context = personalizer.publisher.context(visit.session, T0 + 2_000)
    found = contenders(personalizer.chooser, personalizer.chooser.consider(context, 100))
    likely = {contender.product_id: contender.first for contender in found}
    assert likely[ORDER[0]] >= 1 - LEAST_SHARE


def test_without_an_order_the_model_chooses() -> None:
    visit = Visit(shop(apprentice()))
    visit.send(event(), event(at_ms=1_000, event_type="category_view"))
    assert visit.session.slates[-1].arms == b""


def test_by_default_what_the_shop_shows_is_not_followed() -> None:
    visit = Visit(shop(settings()))
    visit.send(shown_by_shop(), event(at_ms=1_000))
    assert not visit.session.shop_order
    assert visit.session.slates[-1].arms == b""


def test_a_users_list_is_an_order_too_but_what_was_shown_comes_first() -> None:
    visit = Visit(shop(apprentice()))
    visit.send(event(user_id="ann"))
    session = visit.session
    hint = Hint(session.user, T0, 0.0, {}, {}, ORDER[::-1])
    effect = visit.personalizer.apply_hint(session, SESSION, hint, T0 + 100)
    assert effect.session is not None
    slate = effect.session.slates[-1]
    assert {item for item, arm in zip(slate.product_ids, slate.arms, strict=True) if arm == FOLLOWED} <= set(ORDER)
    follows = [item for item in slate.product_ids if item in ORDER and item != "product-1"][:3]
    assert follows == ORDER[::-1][:3]
    visit.data = effect.session.encode()
    visit.send(shown_by_shop(1_000), event(at_ms=2_000, user_id="ann"))
    first = [item for item, arm in zip(published(visit), visit.session.slates[-1].arms, strict=True) if arm == FOLLOWED]
    assert first[:2] == [item for item in ORDER if item in first][:2]


def test_what_cannot_be_shown_is_passed_over() -> None:
    personalizer = shop(apprentice())
    personalizer.chooser.catalogue.remove(ORDER[0])
    personalizer.chooser.refresh(T0 + 5_000)
    visit = Visit(personalizer)
    visit.send(shown_by_shop(), event(at_ms=6_000))
    assert ORDER[0] not in published(visit)
    assert ORDER[1] in published(visit)[:3]


def test_the_learner_hears_whose_each_exposure_was_and_what_is_taken_back() -> None:
    visit = Visit(shop(apprentice()))
    visit.send(shown_by_shop(), event(at_ms=1_000))
    slate = visit.session.slates[-1]
    visit.send(visit.impression(2_000, items=6))
    visit.send(event(at_ms=3_000, product_id=slate.product_ids[0], decision_id=slate.decision_id))
    visit.pass_watermark(T0 + 2 * 3_600_000)
    arms: Counter[tuple[str, int]] = Counter()
    for example in visit.examples():
        arms[example.product_id, example.arm] += round(example.count)
    expected = {(slate.product_ids[at], slate.arms[at]): 1 for at in range(6)}
    assert {key: count for key, count in arms.items() if count} == expected
    assert {example.position for example in visit.examples() if example.arm == FOLLOWED} == {-1}
    """What follows an order is drawn otherwise for each place, so it says nothing of the places."""


@pytest.mark.parametrize(("followed", "chosen", "is_over"), [(0.1, 0.9, True), (0.9, 0.1, False), (0.1, 0.1, False)])
def test_the_model_takes_over_once_it_earns_more(followed: float, chosen: float, is_over: bool) -> None:
    visit = Visit(shop(apprentice()))
    visit.personalizer.chooser.use_model(predictor_of(compared(followed, chosen), DIMENSION))
    visit.send(shown_by_shop(), event(at_ms=1_000))
    slate = visit.session.slates[-1]
    assert bool(slate.arms) != is_over
    assert bool(visit.session.shop_order) != is_over


def test_a_session_with_an_order_stays_in_pythons_form() -> None:
    visit = Visit(shop(apprentice()))
    visit.send(shown_by_shop(), event(at_ms=1_000))
    assert visit.data is not None
    assert visit.data[:1] == VERSION
    assert decode_session(visit.data).shop_order == ORDER


def test_the_compiled_core_takes_over_with_the_model() -> None:
    configuration = settings_from({"bandit": {"start": "apprentice"}, "profile": {"min_interval": 0}})
    chooser = chooser_of(configuration, 1, odd_names=False)
    host = CompiledHost(configuration, chooser, 2)

    def send(number: int, **fields: Any) -> None:
        told = {"session_id": SESSION, "event_id": f"e{number}", "timestamp": T0 + 1_000 * number} | fields
        host.run([Work(EVENT, SESSION, msgspec.json.encode(told), T0 + 1_000 * number)], T0 + 1_000 * number, T0)

    send(1, event_type="impression", decision_id="of the shop", shown=["p3", "p6", "p9"])
    send(2, event_type="product_view", product_id="p1")
    assert host.ways["compiled"] == 0
    assert decode_session(host.sessions[SESSION]).slates[-1].arms
    chooser.use_model(predictor_of(compared(0.1, 0.9), DIMENSION, T0))
    for number in range(3, 8):
        send(number, event_type="product_view", product_id=f"p{number}")
    assert host.ways["compiled"] > 0
    assert host.sessions[SESSION][:1] == FORM
    assert not decode_session(host.sessions[SESSION]).shop_order
