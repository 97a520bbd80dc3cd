"""Which bundles a visitor is offered: those of products that the visitor cares about, with all parts at hand."""

from collections.abc import Collection, Mapping, Sequence
from itertools import islice

import msgspec

from state.candidates.bundle import Bundle
from state.candidates.sources.bundles import Bundles
from state.candidates.sources.together import TogetherLists
from state.catalogue.catalogue import Catalogue
from state.choosing.merchandise import Merchandise
from state.session.interest import Interest, most_liked

DIGITS = 4
PRIMARIES = 10
"""Primary products that are looked at for a profile, those with the largest affinities."""
CONSIDERED = 20
"""Bundles of one primary product that are looked at, the oldest first: with PRIMARIES a bound for the work per event."""


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
    partners: TogetherLists,
    catalogue: Catalogue,
    merchandise: Merchandise,
    now_ms: int,
    most: int,
) -> list[Proposal]:
    """Return the best bundles for a visitor, at most `most`, the highest score first.

    A bundle is offered where the session has a positive affinity to its primary product and has not bought that one already, it has
    not expired, and no part of it is disliked, blocked by the shop, or unknown to the catalogue here. Parts that the catalogue does
    not hold here are asked for, so that the bundle may be offered next time.
    """
    liked = _liked_primaries(interest, bought, bundles) if most else []
    if not liked:
        return []
    largest = max(interest.products.values())
    found: list[tuple[float, str, Bundle]] = []
    for affinity, product_id in liked:
        lifts = dict(partners.bought_with(product_id))
        for bundle in bundles.of_primary(product_id)[:CONSIDERED]:
            if bundle.is_valid(now_ms):
                found.append((-_score(bundle, affinity / largest, lifts), bundle.bundle_id, bundle))
    found.sort(key=_score_and_id)
    at_hand = (one for one in found if _is_at_hand(one[2], interest, catalogue, merchandise))
    return [
        Proposal(bundle.primary_product, bundle.bundle_items, round(bundle.discount, DIGITS), round(-negative, DIGITS))
        for negative, _, bundle in islice(at_hand, most)
    ]


def _liked_primaries(interest: Interest, bought: Collection[str], bundles: Bundles) -> list[tuple[float, str]]:
    """The primary products with the largest affinities, largest first."""
    affinities = interest.products
    primaries = affinities.keys() & bundles.primaries
    return most_liked(((name, affinities[name]) for name in primaries if name not in bought), PRIMARIES)


def _is_at_hand(bundle: Bundle, interest: Interest, catalogue: Catalogue, merchandise: Merchandise) -> bool:
    products = bundle.products
    if not interest.disliked.isdisjoint(products):
        return False
    row_of = catalogue.row_of
    absent = [product_id for product_id in products if product_id not in row_of]
    if absent:
        catalogue.want(absent)
        return False
    return all(catalogue.active[row_of[product_id]] and not merchandise.blocks(product_id) for product_id in products)


def _score(bundle: Bundle, share: float, lifts: Mapping[str, float]) -> float:
    """Share of the affinity × mean of (1, togetherness, discount), each in [0, 1].

    `share` is the affinity to the primary product over the session's largest one, `lifts` are those of what is bought together
    with it. Togetherness is the mean over the items of
    1 - 1/lift where they are bought together with the primary product, 0 for others: the part of their sales that chance does not
    explain. So the score grows in each of the three, and without any affinity there is none.
    """
    together = sum(1 - 1 / lifts[item] for item in bundle.bundle_items if lifts.get(item, 0.0) > 1) if lifts else 0.0
    return share * (1 + together / len(bundle.bundle_items) + bundle.discount) / 3


def _score_and_id(found: tuple[float, str, Bundle]) -> tuple[float, str]:
    return found[:2]


def as_listed(proposals: Sequence[Proposal], most_bytes: int) -> list[Proposal]:
    """Return the proposals in their order, except those that would make them take more than so many bytes as JSON."""
    listed: list[Proposal] = []
    room = most_bytes - len("[]")
    for proposal in proposals:
        size = len(_encoder.encode(proposal)) + len(",")
        if size <= room:
            listed.append(proposal)
            room -= size
    return listed


_encoder = msgspec.json.Encoder()
