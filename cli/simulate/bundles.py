"""Bundles for demonstrations: what a shop with this catalogue might offer together."""

from collections.abc import Iterator

import msgspec

from cli.simulate.shop import Shop

DISCOUNTS = (0.1, 0.15, 0.2)
PARTS = 3


def demo_bundles(shop: Shop) -> Iterator[tuple[str, bytes]]:
    """Yield key and value of a bundle for every third product of each category: it and the next two."""
    for category, rows in zip(shop.category_ids, shop.members, strict=True):
        for number, start in enumerate(range(0, len(rows) - PARTS + 1, PARTS)):
            primary, *items = (shop.product_ids[row] for row in rows[start : start + PARTS].tolist())
            bundle_id = f"{category}-{number}"
            fields = {"bundle_id": bundle_id, "primary_product": primary, "bundle_items": items}
            yield bundle_id, msgspec.json.encode(fields | {"discount": DISCOUNTS[number % len(DISCOUNTS)]})
