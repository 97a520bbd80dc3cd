"""What a job has learned, besides what its topics alone say that it should have."""

import json
from contextlib import suppress
from typing import Any

from operators.names import CHANGE_SUFFIX, MODEL_KEY
from state.codec import UnreadableError
from state.model.change import LiveModel
from state.model.snapshot import Snapshot
from tests.integration.shop import Shop
from tests.reference.comparison import TOLERANCE, differences
from tests.reference.regression import Rules, Statistics, causes_in_log, regression

RULES = Rules(window_ms=8_000, disorder_ms=10_000, aggregate="first")
SETTINGS = (
    "bandit.shards=3",
    "exposure.open_max=128",
    "exposure.implicit_dwell=0 ms",  # these visitors do not dwell
    f"reward.aggregate={RULES.aggregate}",
    f"reward.window={RULES.window_ms} ms",
    f"reward.disorder={RULES.disorder_ms} ms",
    "popularity.allowed_lateness=0 ms",
)
"""Short windows, so that all are closed soon after the last event."""


def decoded(shop: Shop, topic: str) -> list[dict[str, Any]]:
    """The records of a topic that holds JSON objects alone."""
    return [json.loads(record.value) for record in shop.records(topic)]


def reference(shop: Shop) -> Statistics:
    """The regression; of events only those of sessions that were shown something, as the others cannot count."""
    decisions = decoded(shop, "decisions")  # first: whatever brought them about is among the events that are read later
    shown = {decision["session_id"] for decision in decisions}
    sent = map(_event, shop.records_to_end("user_interactions"))  # a first poll may bring one partition of several
    events = [event for event in sent if event.get("session_id") in shown]
    return regression(events, decisions, RULES, causes_in_log(events, decisions))


def newest_model(shop: Shop) -> Snapshot | None:
    """The model after all that was published."""
    live = LiveModel()
    for record in shop.records("bandit_model"):
        if record.key in (MODEL_KEY, MODEL_KEY + CHANGE_SUFFIX):
            with suppress(UnreadableError):  # some of the faults are such records
                live.apply(record.value)
    return live.newest


def is_exact(shop: Shop) -> bool:
    """Moves event time on with passers-by, who see nothing, and compares."""
    for _ in range(8):
        shop.send(shop.session(), "search", query="the time")
    model, expected = newest_model(shop), reference(shop)
    if model is None or not expected.exposures:  # the topics have not come in yet
        return False
    return max(differences(model, expected).values()) <= TOLERANCE


def _event(record: Any) -> dict[str, Any]:
    """An event of the topic; nothing if it is none."""
    try:
        found = json.loads(record.value or b"")
    except (ValueError, RecursionError):
        return {}
    is_event = isinstance(found, dict) and isinstance(found.get("session_id"), str) and "event_type" in found
    return found if is_event else {}
