"""Which bundles a visitor is offered: those of products that the visitor cares about, with all parts at hand."""

from collections.abc import Collection, Sequence

import msgspec

from state.bundle import Bundle
from state.catalogue import Catalogue
from state.interest import Interest
from state.merchandise import Merchandise
from state.sources.bundles import Bundles
from state.sources.together import Companions

DIGITS = 4
CONSIDERED = 20
"""Bundles of one primary product that are looked at for a profile, the oldest first: a bound for the work per event."""


class Proposal(msgspec.Struct, frozen=True):
    """A bundle in a profile; its score lies in [0, 1]."""

    primary_product: str
    bundle_items: list[str]
    discount: float
    score: float


def propose(
    interest: Interest,
    bought: Collection[str],
    bundles: Bundles,
    companions: Companions,
    catalogue: Catalogue,
    merchandise: Merchandise,
    now_ms: int,
    most: int,
) -> list[Proposal]:
    """The best bundles for a visitor, at most `most`, the highest score first.

    A bundle is offered where the session has a positive affinity to its primary product and has not bought that one already, it has
    not expired, and no part of it is disliked, blocked by the shop, or unknown to the catalogue here. Parts that the catalogue does
    not hold here are asked for, so that the bundle may be offered next time.
    """
    if not most or not len(bundles):
        return []
    dearest = max(interest.products.values(), default=0.0)
    found: list[tuple[float, str, Bundle]] = []
    for product_id in interest.products.keys() & bundles.primaries:
        affinity = interest.products[product_id]
        if affinity <= 0 or product_id in bought:
            continue
        for bundle in bundles.of_primary(product_id)[:CONSIDERED]:
            if bundle.is_valid(now_ms) and _is_at_hand(bundle, interest, catalogue, merchandise):
                found.append((-_score(bundle, affinity / dearest, companions), bundle.bundle_id, bundle))
    found.sort(key=_rank)
    return [
        Proposal(bundle.primary_product, bundle.bundle_items, round(bundle.discount, DIGITS), round(-negative, DIGITS))
        for negative, _, bundle in found[:most]
    ]


def _is_at_hand(bundle: Bundle, interest: Interest, catalogue: Catalogue, merchandise: Merchandise) -> bool:
    products = bundle.products
    if not interest.disliked.isdisjoint(products):
        return False
    rows = [catalogue.row_of.get(product_id) for product_id in products]
    absent = [product_id for product_id, row in zip(products, rows, strict=True) if row is None]
    if absent:
        catalogue.want(absent)
        return False
    return all(
        catalogue.active[row] and not merchandise.blocks(product_id)
        for product_id, row in zip(products, rows, strict=True)
    )


def _score(bundle: Bundle, share: float, companions: Companions) -> float:
    """Share of the affinity × mean of (1, companionship, discount), each in [0, 1].

    `share` is the affinity to the primary product over the session's largest one. Companionship is the mean over the items of
    1 - 1/lift where they are bought together with the primary product, 0 for others: the part of their sales that chance does not
    explain. So the score grows in each of the three, and without any affinity there is none.
    """
    lifts = dict(companions.bought_with(bundle.primary_product))
    together = sum(max(0.0, 1 - 1 / lift) for item in bundle.bundle_items if (lift := lifts.get(item, 0.0)) > 0)
    return share * (1 + together / len(bundle.bundle_items) + bundle.discount) / 3


def _rank(found: tuple[float, str, Bundle]) -> tuple[float, str]:
    return found[:2]


def as_listed(proposals: Sequence[Proposal], most_bytes: int) -> list[Proposal]:
    """The first of the proposals, as many as take no more than so many bytes as JSON."""
    listed: list[Proposal] = []
    size = 2
    for proposal in proposals:
        size += len(_encoder.encode(proposal)) + 1
        if size > most_bytes:
            break
        listed.append(proposal)
    return listed


_encoder = msgspec.json.Encoder()
