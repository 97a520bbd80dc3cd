"""The items of a profile: scores, and the reasons that a visitor could be told.

These are most of a profile's bytes, so a compiled loop writes them as JSON; what their lengths come to on the way is what keeps
the profile within its bound.
"""

from array import array
from collections.abc import Mapping
from itertools import repeat
from types import MappingProxyType

import msgspec
import numpy as np
from numpy.typing import NDArray

from state.choosing.choice import base_weight
from state.feature_set import NAMES
from state.kernels import write_items
from state.session.interest import Interest
from state.session.slate import Slate

NO_ITEMS = b"[]"

# Which features of the model stand for which reason that a visitor could be told.
FEATURE_REASONS = {
    "well_rated": ("rating", "reviews"),
    "popular": ("rate_log_ratio",),
    "new_arrival": ("novelty",),
    "price_match": ("price_match", "relative_price_times_usual", "relative_price_match"),
    "right_now": ("moment_match",),
    "category_affinity": (
        "category_share",
        "category_known",
        "rate_times_category_share",
        "last_category",
        "taste",
        "taste_root",
        "rating_times_taste",
        "relative_price_times_taste",
    ),
    "product_affinity": ("product_affinity", "product_seen"),
    "goes_together": ("together",),
    "popular_in_region": ("regional_popularity",),
    "trending": ("trending",),
}
"""Those from `category_affinity` on name the category, the product itself, the product that it goes together with, and twice the
region."""
REASON_CODES = (*FEATURE_REASONS, "general", "exploration")
"""The closed set of reason codes; the last two are for items that have no reason of their own and for explored ones."""

_BY_CATEGORY = REASON_CODES.index("category_affinity")
REASON_OF_FEATURE = np.array(
    [next((i for i, names in enumerate(FEATURE_REASONS.values()) if name in names), -1) for name in NAMES],
    dtype=np.int64,
)
"""The number of the reason that each feature stands for, -1 for none."""
_REASON_BYTES = REASON_OF_FEATURE.tobytes()
_NO_THETA = np.zeros(0)
_NONE = repeat(0.0)
_NO_CAUSES: Mapping[str, str] = MappingProxyType({})

_encoder = msgspec.json.Encoder()

Values = NDArray[np.float64]


def score_data(
    slate: Slate,
    values: Values,
    theta: Values | None,
    interest: Interest,
    room: int,
    because: Mapping[str, str] = _NO_CAUSES,
    region: str = "",
) -> bytes:
    """Return the slate's first items, as many as take at most `room` bytes besides the brackets, with scores that sum to 1 over
    them.

    `values` (k,) are the model's predictions for the slate's items and `theta` (d,) its coefficients, or (k, d) each item's own
    model's; None before there are any. Each item has one reason; the first few have a second one where there is room. `because`
    says of products with which one of the session's they go together, `region` is the session's.
    """
    if not slate.product_ids:
        return NO_ITEMS
    count, width = len(slate.product_ids), len(slate.features) // 2 // len(slate.product_ids)
    if theta is None or theta.shape[-1] != width:
        theta = _NO_THETA
    numbers = [
        *slate.propensity,
        *map(interest.products.get, slate.product_ids, _NONE),
        *map(interest.categories.get, slate.category_ids, _NONE),
    ]
    packed = bytearray(_REASON_BYTES)
    packed += array("d", numbers).tobytes()
    packed += values.tobytes()
    packed += slate.features
    flags = len(packed)
    packed += bytes(slate.explored)
    packed += bytes(slate.pinned or count)
    causes = [because.get(product, "") for product in slate.product_ids] if because else [""] * count
    _encoder.encode_into((slate.product_ids, slate.category_ids, causes, region, REASON_CODES), packed, len(packed))
    items: NDArray[np.uint8] = write_items(
        np.frombuffer(packed, np.uint8), count, flags, theta.ravel(), base_weight(interest), _BY_CATEGORY, room
    )
    return items.tobytes()
