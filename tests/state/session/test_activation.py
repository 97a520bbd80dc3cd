"""From cold to active: by events and their variety, or because other sessions went the same way."""

import pytest

from state.configuration import Session
from state.session.activation import matches, status_of
from state.session.recent_events import LoggedEvent
from tests.state.shop import T0

RULES = Session(warming_after=2, active_after=4, active_variety=3, active_match=3)
PARTNERS = {"a": [("b", 3.0), ("c", 2.0)], "b": [("a", 3.0)], "x": [("y", 2.0)]}


def views(*products: str, category: str = "c") -> list[LoggedEvent]:
    return [LoggedEvent(T0 + i, f"{i}".encode(), 1, [name], [category]) for i, name in enumerate(products)]


def partners(product: str) -> list[tuple[str, float]]:
    return PARTNERS.get(product, [])


@pytest.mark.parametrize(
    ("products", "status"),
    [
        ("", "cold"),
        ("m", "cold"),
        ("mm", "warming"),
        ("mmmm", "warming"),  # enough events, of one product in one category
        ("mmn", "warming"),
        ("mmmn", "active"),
        ("abc", "active"),  # three that other sessions viewed together
        ("abm", "warming"),
    ],
)
def test_a_session_becomes_active(products: str, status: str) -> None:
    assert status_of(views(*products), RULES, partners) == status


def test_a_match_needs_another_product_of_the_session() -> None:
    assert matches(["a"], partners) == 0
    assert matches(["a", "x"], partners) == 0
    assert matches(["a", "b", "c"], partners) == 3
    assert matches(["x", "y"], partners) == 1, "y's partners are not known"
