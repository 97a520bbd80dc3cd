"""Profiles and lists as the job writes them, small."""

from typing import Any

import msgspec

NOW_MS = 1_763_770_000_000
FIELDS = {
    "schema",
    "generation",
    "version",
    "updated_at",
    "session_id",
    "event_time",
    "refresh_after_ms",
    "status",
    "policy",
    "variant",
    "model_version",
    "decision_id",
    "score_data",
    "category_data",
    "bundled_discount_suggestions",
    "trending_recommendations",
    "affinities",
    "windows",
    "counts",
    "last_event",
}
"""Of a profile, all of them always there."""


def profile_of(session_id: str, version: int = 1, items: int = 3, **fields: Any) -> bytes:
    """A profile with so many items."""
    tree: dict[str, Any] = {
        "schema": 1,
        "generation": 1_763_769_990_001,
        "version": version,
        "updated_at": NOW_MS,
        "session_id": session_id,
        "event_time": NOW_MS - 100,
        "refresh_after_ms": 30_000,
        "status": "active",
        "policy": "lin_ucb",
        "variant": "default",
        "model_version": 4_211,
        "decision_id": f"{session_id}-{version}",
        "score_data": [
            {
                "product_id": f"p{number}",
                "score": round(1 / items, 6),
                "propensity": 0.8,
                "explored": False,
                "pinned": False,
                "reasons": [{"code": "category_affinity", "category_id": "c3", "share": 1.0}],
            }
            for number in range(1, items + 1)
        ],
        "category_data": [{"category_id": "c3", "score": 1.0}],
        "bundled_discount_suggestions": [],
        "trending_recommendations": [],
        "affinities": {"products": {"p1": 2.7}, "categories": {"c3": 3.3}},
        "windows": {"5m": {"product_view": 1}, "1h": {"product_view": 1}, "session": {"product_view": 1}},
        "counts": {"applied": version, "duplicates": 0, "dropped": 0},
        "last_event": {"event_id": "e", "event_type": "product_view", "timestamp": NOW_MS - 100},
    }
    return msgspec.json.encode(tree | fields)


def list_of(region: str, products: int = 3, updated_at: int = NOW_MS) -> bytes:
    """A list of popular products, the first of them named for the region."""
    names = [f"{region}-best", *(f"p{number}" for number in range(2, products + 1))][:products]
    items = [{"product_id": name, "score": 0.5 / (place + 1), "count": 9} for place, name in enumerate(names)]
    categories = [{"category_id": "c1", "score": 0.6}, {"category_id": "c2", "score": 0.2}]
    tree = {
        "region": region,
        "updated_at": updated_at,
        "window_ms": 3_600_000,
        "items": items,
        "categories": categories,
    }
    return msgspec.json.encode(tree)
