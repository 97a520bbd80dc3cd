"""Sections of the shop's own rules and of variety."""

from typing import Annotated

from msgspec import Meta

from state.configuration.types import Fraction, Identifier, Section

MOST_RULES = 100
"""Entries of each list of business rules."""


class Pin(Section, frozen=True):
    """Product at a fixed position, for everybody or if the visitor's newest event is of a category."""

    product: Identifier
    position: Annotated[int, Meta(ge=0, le=19)]
    category: Annotated[str, Meta(max_length=128)] = ""


class Bury(Section, frozen=True):
    """Amount by which the expected reward of a product, or of a category's products, is lowered in the choice."""

    product: Annotated[str, Meta(max_length=128)] = ""
    category: Annotated[str, Meta(max_length=128)] = ""
    factor: Fraction = 1.0
    offset: Annotated[float, Meta(ge=-1, le=0)] = 0.0


class Block(Section, frozen=True):
    """Product or category that is never shown."""

    products: Annotated[list[Identifier], Meta(max_length=MOST_RULES)] = []
    categories: Annotated[list[Identifier], Meta(max_length=MOST_RULES)] = []


class Only(Section, frozen=True):
    """Product that is shown only if the visitor's newest event is of a category."""

    product: Identifier
    category: Identifier


class BusinessRules(Section, frozen=True):
    """Rules of the shop for its lists, whatever the policy."""

    pin: Annotated[list[Pin], Meta(max_length=MOST_RULES)] = []
    bury: Annotated[list[Bury], Meta(max_length=MOST_RULES)] = []
    block: Block = Block()
    only: Annotated[list[Only], Meta(max_length=MOST_RULES)] = []


class Boosts(Section, frozen=True):
    """Amounts added to the expected reward of the newest, the best rated and the most viewed product; others get their part."""

    newer: Fraction = 0.0
    rated: Fraction = 0.0
    viewed: Fraction = 0.0


class Variety(Section, frozen=True):
    """Settings that keep a list from being more of the same; they act inside the choice."""

    category_share: Fraction = 0.5
    personal_share: Fraction = 0.9
    diversity: Fraction = 0.0
    times_shown: Annotated[int, Meta(ge=0, le=1_000)] = 10
    hide_bought: bool = True
    boosts: Boosts = Boosts()
