"""All that `heliotrope explain` says, in the form of its JSON. Times are ms since the epoch."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from cli.explain.history import History
from state.configuration import Settings
from state.explaining.explanation import Difference, Explanation, differences
from state.explaining.retracing import Input, Retraced
from state.profile.reasons import sentence
from state.session.log import LoggedDecision, LoggedOutcome


class ReportedInput(msgspec.Struct):
    """An input of the session and its fate, see `state/explaining/retracing.py`."""

    fate: str
    record_ms: int
    event_id: str | None = None
    event_type: str | None = None
    timestamp: int | None = None
    products: list[str] = []
    detail: str = ""


class ReportedItem(msgspec.Struct):
    """An item of the published list. `terms` are by the newest model: of the features that were scored where `terms_of` is
    `decision_log`, of the product's features now where it is `now`, and unknown where it is empty. `reward` is what it has earned,
    None where it does not count as seen."""

    position: int
    product_id: str
    score: float
    propensity: float
    explored: bool
    pinned: bool
    because: list[str]
    terms: dict[str, float]
    terms_of: str
    reward: float | None


class ReportedDecision(msgspec.Struct):
    """A decision of the log: when, by which model, whether it was seen by an impression, and what its items seen have earned."""

    decision_id: str
    timestamp: int
    model_version: int
    policy: str
    exposure: str | None
    items: int
    seen: int
    reward: float


class Rebuilt(msgspec.Struct):
    """Verdict on whether the session, rebuilt from its events, is what its profile says, and what is missing if it is not."""

    agrees: bool
    differences: list[Difference]
    missing: list[str]


class Report(msgspec.Struct):
    """`explanation` is None where nothing is kept of the session now; `profile` is as published."""

    session_id: str
    at: int
    since: int
    profile: dict[str, Any]
    newest_model_version: int
    consent: dict[str, Any]
    fates: dict[str, int]
    inputs: list[ReportedInput]
    rebuilt: Rebuilt
    slate: list[ReportedItem]
    decisions: list[ReportedDecision]
    explanation: Explanation | None
    notes: list[str]


def reported_inputs(inputs: Sequence[Input]) -> list[ReportedInput]:
    """Return them newest first."""
    found = []
    for taken in reversed(inputs):
        event = taken.event
        if event is None:
            found.append(ReportedInput(taken.fate, taken.record_ms, detail=taken.detail))
        else:
            products = event.products() or list(event.shown or ())
            found.append(
                ReportedInput(
                    taken.fate,
                    taken.record_ms,
                    event.identity,
                    event.event_type,
                    event.timestamp,
                    products,
                    taken.detail,
                )
            )
    return found


def reported_items(
    profile: Mapping[str, Any], explanation: Explanation | None, outcomes: Mapping[tuple[str, str], LoggedOutcome]
) -> list[ReportedItem]:
    """Return the published list with what speaks for each item."""
    logged = explanation.slate_terms if explanation else {}
    now = {each.product_id: each.terms for each in explanation.contenders} if explanation else {}
    items = []
    for position, item in enumerate(profile.get("score_data") or []):
        product = str(item.get("product_id"))
        outcome = outcomes.get((str(profile.get("decision_id")), product))
        items.append(
            ReportedItem(
                position=position,
                product_id=product,
                score=float(item.get("score") or 0),
                propensity=float(item.get("propensity") or 0),
                explored=bool(item.get("explored")),
                pinned=bool(item.get("pinned")),
                because=[sentence(reason) for reason in item.get("reasons") or []],
                terms=logged.get(product) or now.get(product) or {},
                terms_of="decision_log" if product in logged else "now" if product in now else "",
                reward=None if outcome is None or outcome.kind == "retract" else outcome.reward,
            )
        )
    return items


def reported_decisions(
    decisions: Sequence[LoggedDecision], outcomes: Mapping[tuple[str, str], LoggedOutcome]
) -> list[ReportedDecision]:
    """Return them newest first."""
    earned: defaultdict[str, list[float]] = defaultdict(list)
    for (decision_id, _), outcome in outcomes.items():
        if outcome.kind != "retract":
            earned[decision_id].append(outcome.reward)
    return [
        ReportedDecision(
            each.decision_id,
            each.timestamp,
            each.model_version,
            each.policy,
            each.exposure,
            len(each.items),
            len(earned[each.decision_id]),
            sum(earned[each.decision_id], 0.0),
        )
        for each in reversed(decisions)
    ]


def rebuilt(
    profile: Mapping[str, Any], retraced: Retraced, settings: Settings, history: History, since_ms: int
) -> Rebuilt:
    """Hold the session at the profile's version against the profile."""
    session = retraced.as_published or retraced.session
    if session is None:
        return Rebuilt(False, [], ["nothing is kept of the session now, so there is nothing to compare"])
    found = differences(profile, session, settings.reward.weights, settings.session.decay)
    if not found:
        return Rebuilt(True, [], [])
    return Rebuilt(False, found, list(_missing(profile, retraced, history, since_ms)))


def _missing(profile: Mapping[str, Any], retraced: Retraced, history: History, since_ms: int) -> list[str]:
    """What may be the cause of differences."""
    causes = []
    if history.is_trimmed:
        causes.append("retention has taken the oldest records of user_interactions, perhaps some of this session's")
    if since_ms > int(profile.get("generation") or 0):
        causes.append("the session began before what was read: give an earlier --since")
    if retraced.as_published is None:
        applied = retraced.session.applied if retraced.session else 0
        causes.append(f"the profile has {profile.get('version')} inputs applied, and {applied} of them were found")
    if not causes:
        causes.append(
            "the catalogue or the configuration has changed since, or there was an erasure or a withdrawal before what was read:"
            " give an earlier --since"
        )
    return causes
