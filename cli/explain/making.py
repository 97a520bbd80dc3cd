"""From a session's id to all that can be said of why its list is what it is."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from rich.progress import Progress

from cli.explain.history import History, read_history
from cli.explain.reference import ReadReference, read_reference
from cli.explain.report import Report, rebuilt, reported_decisions, reported_inputs, reported_items
from cli.options import Target
from state.choosing.choice import Chooser
from state.explaining.explanation import Explanation, explain
from state.explaining.retracing import Retraced, retrace, slate_of
from state.kernels import warm
from state.personalizer import Personalizer
from state.session.hint import Hint

NO_SALT = b""
"""Users are not named here, so the secret is not needed: that a session has one is known without it."""


def make_report(
    target: Target,
    session_id: str,
    profile: Mapping[str, Any],
    now_ms: int,
    bar: Progress,
    since_ms: int | None = None,
    asked: Sequence[str] = (),
) -> Report:
    """Explain in steps: 1 read what the job knows of the shop; 2 read the session's inputs; 3 apply them; 4 ask what could follow.

    Without `since_ms` inputs are read from where the profile's `generation` began; where that does not lead to the profile, from
    as long ago as a session lives. `asked` are products of which is told in any case.

    Raises:
        UserError: the broker does not answer, or a topic does not exist.
    """
    settings = target.settings
    warm()
    base = Chooser(settings, np.random.default_rng())
    read = read_reference(target, base, bar)
    base.refresh(now_ms)
    oldest_ms = now_ms - settings.session.ttl_ms
    began_ms = max(oldest_ms, int(profile.get("generation") or 0))
    start_ms = began_ms if since_ms is None else since_ms
    history, retraced = _gone_again(target, base, session_id, profile, start_ms, bar)
    if since_ms is None and start_ms > oldest_ms and _lacks(profile, retraced):
        start_ms = oldest_ms
        history, retraced = _gone_again(target, base, session_id, profile, start_ms, bar)
    explanation = _explained(base, session_id, profile, history, retraced, now_ms, asked)
    chooser = base.of(session_id)
    return Report(
        session_id=session_id,
        at=now_ms,
        since=start_ms,
        profile=dict(profile),
        newest_model_version=chooser.predictor.model_version if chooser.predictor else 0,
        consent=_consent(retraced, settings.consent.default == "denied"),
        fates=dict(Counter(each.fate for each in retraced.inputs)),
        inputs=reported_inputs(retraced.inputs),
        rebuilt=rebuilt(profile, retraced, settings, history, start_ms),
        slate=reported_items(profile, explanation, history.outcomes),
        decisions=reported_decisions(history.decisions, history.outcomes),
        explanation=explanation,
        notes=_notes(profile, chooser, read, history, retraced),
    )


def _gone_again(
    target: Target, base: Chooser, session_id: str, profile: Mapping[str, Any], since_ms: int, bar: Progress
) -> tuple[History, Retraced]:
    history = read_history(target, session_id, since_ms, bar)
    published = (int(profile.get("generation") or 0), int(profile.get("version") or 0))
    retraced = retrace(
        target.settings, base, session_id, history.arrivals, history.decisions, published, until_ms=history.newest_ms
    )
    return history, retraced


def _lacks(profile: Mapping[str, Any], retraced: Retraced) -> bool:
    """Whether the profile counts inputs that were not found."""
    session = retraced.as_published
    if session is None:
        return True
    counts = profile.get("counts") or {}
    return bool(session.duplicates < counts.get("duplicates", 0) or session.dropped < counts.get("dropped", 0))


def _explained(
    base: Chooser,
    session_id: str,
    profile: Mapping[str, Any],
    history: History,
    retraced: Retraced,
    now_ms: int,
    asked: Sequence[str],
) -> Explanation | None:
    session = retraced.session
    if session is None or not session.recent.events:
        return None
    if session.user:
        session.hint = _usable(history.hint)
    personalizer = Personalizer(base.settings, base, NO_SALT)
    logged = (each for each in history.decisions if each.decision_id == profile.get("decision_id"))
    slate = next((slate_of(each) for each in logged), None)
    return explain(session, personalizer.publisher.context(session, now_ms), base.of(session_id), slate, asked)


def _usable(data: bytes) -> bytes:
    """A hint that this release can read and that says something, else none."""
    try:
        return b"" if not data or Hint.decode(data).is_empty else data
    except ValueError:
        return b""


def _consent(retraced: Retraced, denied_by_default: bool) -> dict[str, Any]:
    session = retraced.session
    if session is None:
        return {"given": not denied_by_default}
    consent = session.consent
    return {
        "given": consent.is_given(denied_by_default),
        "granted": consent.granted_ms,
        "denied": consent.denied_ms,
        "erased": consent.erased_ms,
    }


def _notes(
    profile: Mapping[str, Any], chooser: Chooser, read: ReadReference, history: History, retraced: Retraced
) -> list[str]:
    """What a reader must know to read the rest rightly."""
    notes = []
    newest = chooser.predictor.model_version if chooser.predictor else 0
    if newest != profile.get("model_version"):
        notes.append(
            "the published list was chosen by another model than the newest, which terms and probabilities are by here"
        )
    newer = sum(each.record_ms > int(profile.get("updated_at") or 0) for each in retraced.inputs)
    if newer:
        notes.append(f"{newer} inputs came after the profile was written: see the job's lag in `heliotrope status`")
    if unknown := retraced.counts["impressions_of_unknown_decisions"]:
        notes.append(
            f"{unknown} impressions name decisions that are not in the log (it follows with each checkpoint): what was shown in"
            " vain may be more than told here"
        )
    if chooser.settings.bandit.policy in ("ucb1", "bayes_ucb", "thompson_beta", "uniform", "river"):
        notes.append(f"{chooser.settings.bandit.policy} does not go by the terms, which are the shared model's")
    if retraced.session is not None and retraced.session.user and not retraced.session.hint:
        notes.append(
            "of the session's user nothing is known from elsewhere, or no more: session_hints keeps an hour; candidates and terms"
            " are as without it"
        )
    if history.unreadable:
        notes.append(f"{history.unreadable} log records of another release could not be read")
    if read.refused:
        refused = ", ".join(f"{reason} {count}" for reason, count in read.refused.items())
        notes.append(f"refused of what the job knows of the shop: {refused}")
    if not len(chooser.catalogue):
        notes.append("the job holds no product: load some with `heliotrope catalog load FILE`")
    return notes
