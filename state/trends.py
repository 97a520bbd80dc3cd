"""The trending products that a profile proposes."""

from typing import Any

from state.catalogue import Catalogue
from state.interest import Interest
from state.sources.popularity import Popular

DIGITS = 4


def trending(popular: Popular, interest: Interest, catalogue: Catalogue, most: int) -> list[dict[str, Any]]:
    """At most so many products that trend in the region and may be shown, in the profile's form.

    They are ranked by trend × (1 + the session's affinity to the product's category), and `score` is each one's share of the sum of
    that over all that trend there.
    """
    if not popular.trends or not most:
        return []
    found = []
    for product, count, trend in popular.trends:
        row = catalogue.row_of.get(product)
        if row is None or not catalogue.active[row] or product in interest.disliked:
            continue
        affinity = max(0.0, interest.categories.get(catalogue.categories[row], 0.0))
        found.append((trend * (1 + affinity), product, count))
    found.sort(key=lambda entry: (-entry[0], entry[1]))
    total = sum(entry[0] for entry in found) or 1.0
    return [
        {"product_id": product, "region": popular.region, "count": count, "score": round(value / total, DIGITS)}
        for value, product, count in found[:most]
    ]
