"""Decisions as they are logged."""

import msgspec

from state.session.log import decision_record
from state.session.slate import FullChoice, Slate


def test_a_decision_without_candidates_is_logged_in_full_too() -> None:
    nothing = FullChoice([], b"", [])
    slate = Slate("d", 1, 1, 0, "thompson_linear", "default", "shop-3", b"", [], [], [], [], b"", nothing)
    logged = msgspec.json.decode(decision_record("s", slate, None).value)
    assert logged["items"] == []
    assert logged["candidates"] == []
