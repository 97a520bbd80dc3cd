"""A small, seeded shop for golden work directories, and what a reader sees of it: what a later release must go on from."""

import json
from typing import Any

import numpy as np

from operators.names import CHANGE_SUFFIX, MODEL_KEY
from state.model.change import LiveModel
from state.model.snapshot import Snapshot
from state.model.sums import Sums
from tests.integration.shop import Shop

SESSIONS, PRODUCTS, CATEGORIES = 24, 12, 3
MINUTE_MS = 60_000
SETTINGS = (
    "kafka.partitions=2",
    "local.start_timeout=5 min",
    "flink.checkpoint_interval=1 s",
    "exposure.mode=explicit",
    "bandit.seed=1",
    "bandit.variants={weekly: {share: 0.3, policy: lin_ucb, half_life: 7 d}}",
)


def fill(shop: Shop, base_ms: int, seed: int = 7) -> dict[str, int]:
    """Sends a morning's events: views, slates that were seen, carts, repeats and garbage. Returns inputs by session."""
    rng = np.random.default_rng(seed)
    for number in range(PRODUCTS):
        shop.product(
            f"thing-{number}", category_id=f"shelf-{number % CATEGORIES}", price=5.0 + number, rating=1 + number % 5
        )
    bundle = {"bundle_id": "set", "primary_product": "thing-0", "bundle_items": ["thing-1"], "discount": 0.1}
    shop.raw(json.dumps(bundle).encode(), b"set", "bundles")
    inputs: dict[str, int] = {}
    for number in range(SESSIONS):
        session, at = f"kept-{number}", base_ms + number * 1_000
        fields = {"region": f"land-{number % 2}", "user_id": f"person-{number % 5}"}
        view = shop.send(
            session, timestamp=at, **product(int(rng.integers(PRODUCTS))), event_id=f"{session}-0", **fields
        )
        shop.send(
            session, timestamp=at + 100, **product(int(rng.integers(PRODUCTS))), event_id=f"{session}-1", **fields
        )
        seen = shop.profile_of_version(session, 2)
        items = [item["product_id"] for item in seen["score_data"]][:5]
        named = {"decision_id": seen["decision_id"]}
        shop.send(session, "impression", timestamp=at + 200, shown=items, event_id=f"{session}-2", **named)
        if items and rng.random() < 0.6:
            chosen = {"product_id": items[int(rng.integers(len(items)))]}
            shop.send(session, "add_to_cart", timestamp=at + 300, event_id=f"{session}-3", **chosen, **named)
        else:
            shop.send(session, "search", timestamp=at + 300, query="tea", event_id=f"{session}-3")
        inputs[session] = 4
        if number % 6 == 0:
            shop.raw(json.dumps(view).encode(), session.encode())
            inputs[session] += 1
    for line in (b"no event", b'{"session_id": "x"}', b"[]"):
        shop.raw(line, b"x")
    return inputs


def product(number: int) -> dict[str, str]:
    """A product's fields of a view."""
    return {"product_id": f"thing-{number}", "category_id": f"shelf-{number % CATEGORIES}"}


def pass_by(shop: Shop, at_ms: int, name: str) -> None:
    """Moves event time on in every partition: exposures of before close."""
    for number in range(8):
        shop.send(f"{name}-{number}", "search", timestamp=at_ms + number, query="the time")


def model(shop: Shop, key: bytes = MODEL_KEY) -> Snapshot | None:
    """The newest model in the topic."""
    live = LiveModel()
    for record in shop.records("bandit_model"):
        if record.key in (key, key + CHANGE_SUFFIX):
            live.apply(record.value)
    return live.newest


def exposures(shop: Shop) -> float:
    """How many the newest model has learned from."""
    found = model(shop)
    return 0.0 if found is None else float(Sums.decode(found.sums).totals[0])


def seen_of(shop: Shop, inputs: dict[str, int]) -> dict[str, Any]:
    """What a later release must find again."""
    newest = model(shop)
    assert newest is not None
    sums = Sums.decode(newest.sums)
    kept = ("generation", "version", "affinities", "windows", "counts", "last_event", "variant", "status")
    profiles = {session: shop.profile(session) or {} for session in inputs}
    return {
        "profiles": {session: {key: found[key] for key in kept} for session, found in profiles.items()},
        "a": sums.a.tolist(),
        "b": sums.b.tolist(),
        "totals": sums.totals.tolist(),
        "dead_letters": len(shop.records("dead_letters")),
    }
