"""A picture for each product, drawn from what is known of it: the same product always looks the same."""

from hashlib import blake2b
from typing import NamedTuple

from serving.pages.html import Html, render
from serving.pages.motifs import MOTIFS, hue_of
from state.catalogue.product import Product

TURNS = (-8, -4, 0, 4, 8)


class Tint(NamedTuple):
    """Background and stroke of materials that a title names: degrees of hue and percent of saturation."""

    hue: int
    saturation: int


MATERIALS = {
    "copper": Tint(20, 55),
    "brass": Tint(42, 60),
    "walnut": Tint(26, 38),
    "wooden": Tint(32, 40),
    "leather": Tint(22, 42),
    "terracotta": Tint(14, 58),
    "bamboo": Tint(78, 38),
    "lavender": Tint(262, 45),
    "carbon": Tint(215, 8),
    "cast-iron": Tint(215, 10),
    "stainless": Tint(208, 16),
    "canvas": Tint(48, 30),
    "recycled": Tint(140, 28),
}


def picture(product: Product) -> str:
    """Draw one product as SVG. Nothing of its text is in it."""
    digest = blake2b(product.product_id.encode(), digest_size=4).digest()
    tint = _tint(product, digest[0])
    motif = MOTIFS.get(_thing(product)) or MOTIFS.get(product.category_id) or MOTIFS[""]
    return render(
        "picture",
        hue=tint.hue,
        saturation=tint.saturation,
        second=(tint.hue + 24 + digest[1] % 24) % 360,
        x=40 + digest[2] % 240,
        y=30 + digest[3] % 140,
        radius=60 + digest[1] % 50,
        turn=TURNS[digest[0] % len(TURNS)],
        motif=Html(motif),
    )


def _tint(product: Product, noise: int) -> Tint:
    first = (product.title or "").casefold().split(" ")[0]
    return MATERIALS.get(first) or Tint((hue_of(product.category_id) + noise % 36 - 18) % 360, 46)


def _thing(product: Product) -> str:
    """The last word of the title: what it is, without what it is like."""
    return (product.title or "").casefold().rpartition(" ")[2]
