"""Reasons as sentences."""

from string import Formatter
from typing import Any

import pytest

from state.explaining.contenders import GENERAL, OWN_EFFECT
from state.explaining.left_out import REASONS
from state.profile.profile_items import REASON_CODES
from state.profile.reasons import SENTENCES, WHY_NOT, sentence, term_name


def test_every_code_has_a_sentence() -> None:
    assert set(SENTENCES) == set(REASON_CODES)
    assert set(WHY_NOT) == {"", *REASONS}


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        ({"code": "category_affinity", "category_id": "c3"}, "because you like c3"),
        ({"code": "product_affinity", "product_id": "p1"}, "because you viewed Kettle"),
        ({"code": "goes_together", "product_id": "p2"}, "goes together with p2"),
        ({"code": "popular_in_region", "region": "EU"}, "popular in EU"),
        ({"code": "trending", "region": "EU"}, "trending in EU"),
        ({"code": "exploration"}, "we are trying something new"),
        ({"code": "of_tomorrow {x}"}, "of tomorrow {x}"),
        ({}, "?"),
    ],
)
def test_a_sentence_names_what_the_reason_names(reason: dict[str, Any], text: str) -> None:
    assert sentence(reason, {"p1": "Kettle"}) == text


@pytest.mark.parametrize("code", [c for c, text in SENTENCES.items() if any(f[1] for f in Formatter().parse(text))])
def test_what_a_reason_lacks_leaves_no_gap(code: str) -> None:
    for empty in ({}, {"category_id": None, "product_id": "", "region": ""}):
        text = sentence({"code": code, **empty})
        assert text
        assert "{" not in text
        assert not text.endswith(" ")


def test_terms_have_names() -> None:
    assert term_name("category_affinity") == "category affinity"
    assert term_name(OWN_EFFECT) != OWN_EFFECT
    assert term_name(GENERAL) != GENERAL
