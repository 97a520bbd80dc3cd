"""The records that leave the job for the log topics: decisions, outcomes, audit."""

import base64
import hashlib
import hmac
from typing import Any, Literal

import msgspec

from state.exposure import Exposure
from state.slate import Slate

Kind = Literal["dead_letters", "late_events", "decisions", "outcomes", "audit", "examples"]


class Record(msgspec.Struct, frozen=True):
    """What an operator emits: the kind (a topic, or `examples` for the learner), a key and a value."""

    kind: Kind
    key: bytes
    value: bytes


def decision_record(session_id: str, slate: Slate, exposure: Literal["explicit", "implicit"] | None) -> Record:
    """A decision as logged; `exposure` is None where it is logged without having been seen."""
    items = [
        {
            "product_id": product,
            "position": position,
            "propensity": slate.propensity[position],
            "explored": slate.explored[position],
            "pinned": slate.is_pinned(position),
            "features": _base64(slate.feature_bytes(position)),
        }
        for position, product in enumerate(slate.product_ids)
    ]
    record: dict[str, Any] = {
        "decision_id": slate.decision_id,
        "session_id": session_id,
        "timestamp": slate.published_at_ms,
        "exposure": exposure,
        "policy": slate.policy,
        "variant": slate.variant,
        "model_version": slate.model_version,
        "feature_set": slate.feature_set,
        "profile_version": slate.profile_version,
        "items": items,
    }
    if slate.full is not None:
        width = len(slate.full.features) // len(slate.full.product_ids)
        record["candidates"] = [
            {
                "product_id": product,
                "propensity": slate.full.propensity[i],
                "features": _base64(slate.full.features[i * width : (i + 1) * width]),
            }
            for i, product in enumerate(slate.full.product_ids)
        ]
    return Record("decisions", session_id.encode(), msgspec.json.encode(record))


def outcome_record(
    session_id: str,
    kind: Literal["exposure", "reward", "retract"],
    exposure: Exposure,
    event_id: str,
    timestamp_ms: int,
) -> Record:
    """An outcome of an exposure, numbered by its `seq`; `event_id` is the event that brought it about."""
    record = {
        "kind": kind,
        "seq": exposure.seq,
        "decision_id": exposure.decision_id,
        "product_id": exposure.product_id,
        "position": exposure.position,
        "shown_position": exposure.shown_position,
        "exposed_at": exposure.exposed_at_ms,
        "reward": exposure.reward,
        "examination": exposure.examination,
        "event_id": event_id,
        "timestamp": timestamp_ms,
    }
    return Record("outcomes", session_id.encode(), msgspec.json.encode(record))


def audit_record(session_id: str, action: str, timestamp_ms: int, now_ms: int, salt: bytes) -> Record:
    """What was done at a visitor's word, under a keyed hash of the session: HMAC-SHA-256 with the shop's secret."""
    session_hash = hmac.new(salt, session_id.encode(), hashlib.sha256).hexdigest()
    record = {"session_hash": session_hash, "action": action, "timestamp": timestamp_ms, "at": now_ms}
    return Record("audit", session_hash.encode(), msgspec.json.encode(record))


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
