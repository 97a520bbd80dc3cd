"""The records that leave the job for the log topics: decisions, outcomes, audit."""

import hashlib
import hmac
from collections.abc import Sequence
from itertools import count, repeat
from typing import Literal

import msgspec

from state.session.exposure import Exposure
from state.session.slate import Slate

_encoder = msgspec.json.Encoder()
Kind = Literal["dead_letters", "late_events", "decisions", "outcomes", "audit", "examples", "wanted", "user"]


class Record(msgspec.Struct, frozen=True, gc=False):
    """Record that an operator emits: the kind (a topic, `examples` for the learner, `wanted` for the catalogue, `user` for what is
    kept of a user), a key and a value."""

    kind: Kind
    key: bytes
    value: bytes


class LoggedItem(msgspec.Struct, gc=False):
    """An item of a decision as logged; `features` are d float16, in JSON as base64."""

    product_id: str
    position: int
    propensity: float
    explored: bool
    pinned: bool
    features: bytes


class LoggedCandidate(msgspec.Struct, gc=False):
    """A candidate of a decision that is logged in full, with the probability that it had to stand first."""

    product_id: str
    propensity: float
    features: bytes


class LoggedDecision(msgspec.Struct, omit_defaults=True):
    """A decision as logged; `exposure` says how it was seen first, None where it is logged without having been seen."""

    decision_id: str
    session_id: str
    timestamp: int
    exposure: Literal["explicit", "implicit"] | None
    policy: str
    variant: str
    model_version: int
    feature_set: str
    profile_version: int
    items: list[LoggedItem]
    candidates: list[LoggedCandidate] | None = None


class LoggedOutcome(msgspec.Struct, gc=False):
    """An outcome of an exposure, numbered by its `seq`; `event_id` is the event that brought it about."""

    kind: Literal["exposure", "reward", "retract"]
    seq: int
    decision_id: str
    product_id: str
    position: int
    shown_position: int
    exposed_at: int
    reward: float
    examination: float
    event_id: str
    timestamp: int


def decision_record(session_id: str, slate: Slate, exposure: Literal["explicit", "implicit"] | None) -> Record:
    """Return a decision as logged; `exposure` is None where it is logged without having been seen."""
    columns = (slate.propensity, slate.explored, slate.pinned or repeat(False), slate.feature_rows())
    items = list(map(LoggedItem, slate.product_ids, count(), *columns))
    record = LoggedDecision(
        slate.decision_id,
        session_id,
        slate.published_at_ms,
        exposure,
        slate.policy,
        slate.variant,
        slate.model_version,
        slate.feature_set,
        slate.profile_version,
        items,
    )
    if slate.full is not None:
        full = slate.full
        record.candidates = list(map(LoggedCandidate, full.product_ids, full.propensity, full.feature_rows()))
    return Record("decisions", session_id.encode(), _encoder.encode(record))


def outcome(
    kind: Literal["exposure", "reward", "retract"], exposure: Exposure, event_id: str, timestamp_ms: int
) -> LoggedOutcome:
    """Return an outcome of an exposure as of now; `event_id` is the event that brought it about."""
    return LoggedOutcome(
        kind,
        exposure.seq,
        exposure.decision_id,
        exposure.product_id,
        exposure.position,
        exposure.shown_position,
        exposure.exposed_at_ms,
        exposure.reward,
        exposure.examination,
        event_id,
        timestamp_ms,
    )


def outcome_records(session_id: str, outcomes: list[LoggedOutcome]) -> list[Record]:
    """Return all outcomes of one input as one record, a line each: they are taken apart where it costs no Python."""
    if not outcomes:
        return []
    return [Record("outcomes", session_id.encode(), _encoder.encode_lines(outcomes)[:-1])]


def audit_record(
    session_id: str, action: str, timestamp_ms: int, now_ms: int, salt: bytes, users: Sequence[str] = ()
) -> Record:
    """Return what was done at a visitor's word, under a keyed hash of the session: HMAC-SHA-256 with the shop's secret.

    `users` are the hashes of those whose long-lived profile was cleared as well.
    """
    session_hash = hmac.new(salt, session_id.encode(), hashlib.sha256).hexdigest()
    record: dict[str, object] = {
        "session_hash": session_hash,
        "action": action,
        "timestamp": timestamp_ms,
        "at": now_ms,
    }
    if users:
        record["user_hashes"] = list(users)
    return Record("audit", session_hash.encode(), msgspec.json.encode(record))


def user_hash(user_id: str, salt: bytes) -> str:
    """Return what stands for a user everywhere: HMAC-SHA-256 with the shop's secret, 32 hexadecimal digits of it."""
    return hmac.new(salt, user_id.encode(), hashlib.sha256).hexdigest()[:32]
