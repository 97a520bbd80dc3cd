"""The head of an explanation: the session, and what to know for reading the rest."""

from datetime import UTC, datetime

from rich.console import RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from cli.explain.report import Report
from state.explaining.explanation import Acquaintance, Explanation

FATES = {
    "used": "used",
    "gone": "used once, pushed out by newer ones or forgotten since",
    "duplicate": "sent before",
    "dropped": "older than what is kept, or than consent allows",
    "late": "too late, in late_events",
    "refused": "dead letters",
    "without_consent": "refused, as there was no consent",
    "forgetting": "erasures and withdrawals",
}
"""What became of inputs, see `state/explaining/retracing.py`."""


def session_lines(report: Report) -> RenderableType:
    """Return lines on who, how well known, since when, by which model, and whether the rebuilt session agrees with the profile."""
    profile, explanation = report.profile, report.explanation
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    status = str(profile.get("status", "?"))
    rows = [
        ("session", report.session_id),
        ("status", f"{status}: {_why(explanation.acquaintance)}" if explanation else status),
        ("since", f"{time_text(int(profile.get('generation') or 0))} (generation), version {profile.get('version')}"),
        ("inputs read", f"from {time_text(report.since)} on: {_fates(report)}"),
    ]
    if explanation:
        rows += [
            ("region", explanation.region or "not told"),
            ("moment", ", ".join(explanation.moment)),
            ("user", _user(explanation)),
        ]
    rows += [("consent", _consent(report)), ("model", _model(report)), ("rebuilt", _rebuilt(report))]
    for name, value in rows:
        table.add_row(name, escape(value))
    return table


def _why(numbers: Acquaintance) -> str:
    return (
        f"{numbers.events} events (warming from {numbers.warming_after}, active from {numbers.active_after}) of"
        f" {numbers.products_and_categories} products and categories (active from {numbers.active_variety}),"
        f" {numbers.matching_products} products that belong together (active from {numbers.active_match})"
    )


def _user(explanation: Explanation) -> str:
    if not explanation.user_known:
        return "not known"
    added = ", ".join(f"{name} {value:+.3f}" for name, value in explanation.from_user.items())
    return f"known; from other sessions {added}" if added else "known"


def _fates(report: Report) -> str:
    return ", ".join(f"{count} {FATES.get(fate, fate)}" for fate, count in report.fates.items()) or "none found"


def _consent(report: Report) -> str:
    consent = report.consent
    said = [f"{word} {time_text(consent[word])}" for word in ("granted", "denied", "erased") if consent.get(word)]
    return f"{'given' if consent.get('given') else 'not given'}{''.join(', ' + each for each in said)}"


def _model(report: Report) -> str:
    published, newest = int(report.profile.get("model_version") or 0), report.newest_model_version
    if published == newest:
        return f"{published or 'none yet'}, of the list and of all numbers here"
    return f"{published or 'none yet'} chose the list, {newest} is the newest, by which the numbers here are"


def _rebuilt(report: Report) -> str:
    if report.rebuilt.agrees:
        return "the events give the very affinities and counts of the profile"
    found = [f"{each.what}: {each.published} published, {each.rebuilt} here" for each in report.rebuilt.differences]
    return "differs from the profile. " + "; ".join([*found[:8], *report.rebuilt.missing])


def notes(report: Report) -> RenderableType:
    """Return what to know for reading the rest."""
    said = (
        "probabilities are of lists drawn now, as every list is drawn at random: none of them repeats the published one"
    )
    return Text("\n".join(f"• {note}" for note in [*report.notes, said]), style="yellow")


def time_text(ms: int) -> str:
    """Return a time in ms since the epoch for a person, in UTC."""
    return datetime.fromtimestamp(ms / 1_000, UTC).strftime("%Y-%m-%d %H:%M:%S") if ms else "never"
