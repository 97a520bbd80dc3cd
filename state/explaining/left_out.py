"""What is not shown to a session whatever its worth, and why."""

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from state.candidates.sources.shelf import LEADING, Shelf, own_products
from state.choosing.choice import Chooser, Considered
from state.choosing.features import Context
from state.session.interest import bought_in
from state.session.session import Session

REASONS = (
    "thumb_down",
    "bought",
    "shown_too_often",
    "blocked",
    "only_elsewhere",
    "not_held",
    "out_of_stock",
    "no_source",
    "category_share",
    "personal_share",
    "less_likely",
)
"""Why a product is not shown: the visitor does not like it; it was bought; it was shown often enough; a rule blocks it; a rule
shows it in another category only; the job does not hold it (removed, or not among the best of its category); it is out of stock; no
source offers it; the list has enough of its category, or of what is personal; others are expected to earn more."""


class LeftOut(msgspec.Struct, frozen=True):
    """A product that cannot be shown now. `detail` says what is known besides the reason, "" for nothing."""

    product_id: str
    reason: str
    detail: str = ""


def left_out(
    session: Session, context: Context, chooser: Chooser, considered: Considered, asked: Sequence[str] = ()
) -> list[LeftOut]:
    """Return what is excluded from the session's lists, each product once, by the strongest reason; `asked` products that nothing
    excludes and that are no candidates come last."""
    ways = (
        _excluded(session, context, chooser, considered),
        _ruled_out(context, chooser, [*considered.candidates.product_ids, *asked]),
        _not_held(context, chooser.shelf, asked),
    )
    found: dict[str, LeftOut] = {}
    for way in ways:
        for each in way:
            found.setdefault(each.product_id, each)
    known = set(considered.candidates.product_ids) | set(found)
    return [*found.values(), *(LeftOut(product, "no_source") for product in asked if product not in known)]


def _excluded(session: Session, context: Context, chooser: Chooser, considered: Considered) -> Iterator[LeftOut]:
    """What the visitor has done with for good."""
    disliked = context.interest.disliked
    yield from (LeftOut(product, "thumb_down") for product in sorted(disliked))
    bought = bought_in(session.recent.events)
    offered, names = considered.candidates.offered, chooser.catalogue.product_ids
    for row in () if offered is None else offered.excluded:
        product = names[row]
        if product in disliked:
            continue
        if product in bought:
            yield LeftOut(product, "bought")
        else:
            yield LeftOut(product, "shown_too_often", f"{session.shown.get(product, 0)} times")


def _ruled_out(context: Context, chooser: Chooser, product_ids: Iterable[str]) -> Iterator[LeftOut]:
    """What the shop's rules keep out."""
    rules, catalogue = chooser.settings.rules, chooser.catalogue
    only: dict[str, list[str]] = {}
    for each in rules.only:
        only.setdefault(each.product, []).append(each.category)
    for product in product_ids:
        category = catalogue.category_of(product)
        if product in rules.block.products:
            yield LeftOut(product, "blocked", "rules.block.products")
        elif category in rules.block.categories:
            yield LeftOut(product, "blocked", f"rules.block.categories: {category}")
        elif product in only and context.last_category not in only[product]:
            yield LeftOut(product, "only_elsewhere", ", ".join(only[product]))


def _not_held(context: Context, shelf: Shelf, asked: Sequence[str]) -> Iterator[LeftOut]:
    """What sources name, and the job does not hold."""
    row_of, seek = shelf.catalogue.row_of, context.asked
    own = own_products(seek.interest)
    popular = shelf.popularity.of(seek.region, seek.now_ms)
    named = {
        "own": own,
        "bought_together": [name for product in own[:LEADING] for name, _ in shelf.together.bought_with(product)],
        "viewed_together": [name for product in own[:LEADING] for name, _ in shelf.together.viewed_with(product)],
        "bundles": shelf.bundles.parts_with(own[:LEADING], seek.now_ms),
        "user_lists": list(seek.interest.listed),
        "trending": [entry[0] for entry in popular.trends],
        "popular": [entry[0] for entry in popular.items],
        "": list(asked),
    }
    for source, product_ids in named.items():
        for product in product_ids:
            row = row_of.get(product)
            if row is None:
                yield LeftOut(product, "not_held", source)
            elif not shelf.catalogue.active[row]:
                yield LeftOut(product, "out_of_stock", source)
