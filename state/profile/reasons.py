"""Why an item is shown, or is not, as a person would say it: a sentence for each code."""

from collections.abc import Mapping
from typing import Any

NO_TITLES: Mapping[str, str] = {}

SENTENCES = {
    "well_rated": "others rate it well",
    "popular": "others like it",
    "new_arrival": "it is new here",
    "price_match": "its price is what you look for",
    "right_now": "it suits this moment",
    "category_affinity": "because you like {category}",
    "product_affinity": "because you viewed {product}",
    "goes_together": "goes together with {product}",
    "popular_in_region": "popular in {region}",
    "trending": "trending in {region}",
    "general": "a good choice on the whole",
    "exploration": "we are trying something new",
}
"""By the codes of `reasons` in a profile. What a code names may be missing, see `NAMELESS`."""

NAMELESS = {
    "category_affinity": "because you like its category",
    "product_affinity": "because you viewed it",
    "goes_together": "goes together with what you viewed",
    "popular_in_region": "popular where you are",
    "trending": "trending now",
}

TERMS = {
    "own_effect": "what it has earned itself",
    "general": "what any product earns here",
    "exploration": "exploration",
}
"""ModelConditions of an expected reward that are no reasons of their own, besides those that are."""

WHY_NOT = {
    "": "chance: it is in most lists",
    "thumb_down": "the visitor gave it a thumb down",
    "bought": "the visitor bought it",
    "shown_too_often": "shown often enough without a reward",
    "blocked": "a rule of the shop blocks it",
    "only_elsewhere": "a rule shows it in another category only",
    "not_held": "not held by the job: removed, or not among the best of its category",
    "out_of_stock": "out of stock",
    "no_source": "no source of candidates offers it",
    "category_share": "the list has enough of its category",
    "personal_share": "the list has enough of what is personal",
    "less_likely": "others promise more, or are less known",
}
"""By the codes of `state/explaining/left_out.py`."""


def sentence(reason: Mapping[str, Any], titles: Mapping[str, str] = NO_TITLES) -> str:
    """Return a reason of a profile in words; `titles` names products. A code of another release is told as it is."""
    code = str(reason.get("code", "?"))
    product = str(reason.get("product_id") or "")
    named = {
        "product": titles.get(product, product),
        "category": str(reason.get("category_id") or ""),
        "region": str(reason.get("region") or ""),
    }
    if code not in SENTENCES:
        return code.replace("_", " ")
    pattern = SENTENCES[code]
    if any(f"{{{name}}}" in pattern and not value for name, value in named.items()):
        pattern = NAMELESS[code]
    return pattern.format(**named)


def term_name(code: str) -> str:
    """Return a term's name for a table."""
    return TERMS.get(code, code.replace("_", " "))
