"""An explanation laid out for a person."""

import msgspec
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from cli.explain.heading import FATES, notes, session_lines, time_text
from cli.explain.report import Report, ReportedInput, ReportedItem
from cli.output import number
from cli.profile.view import bars, headline, proposals
from cli.text import visible_tree
from state.explaining.contenders import GENERAL, Contender
from state.explaining.explanation import Explanation, UsedEvent
from state.profile.reasons import WHY_NOT, term_name

EVENTS_SHOWN = 20
CONTENDERS_SHOWN = 15
TERMS_SHOWN = 3
DECISIONS_SHOWN = 5
ITEMS_LIKED = 10


def report_view(report: Report, everything: bool = False) -> RenderableType:
    """Return all sections, one below the other; the newest and the best of what is long unless `everything` is wanted."""
    report = msgspec.convert(visible_tree(msgspec.to_builtins(report)), Report)
    explanation = report.explanation
    parts: list[RenderableType | None] = [headline(report.profile, report.at), session_lines(report), notes(report)]
    if explanation is not None:
        parts += [
            _events(explanation.events, None if everything else EVENTS_SHOWN),
            bars("likes categories", _best(explanation.categories), "magenta"),
            bars("likes products", _best(explanation.products), "cyan"),
        ]
    parts += [_others(report.inputs, everything), _slate(report.slate), *proposals(report.profile)]
    if explanation is not None:
        parts += [_contenders(explanation, report.slate, everything), _left_out(explanation)]
    parts.append(_decisions(report))
    return Group(*(Padding(part, (0, 0, 1, 0)) for part in parts if part is not None))


def _events(events: list[UsedEvent], most: int | None) -> RenderableType:
    table = _table(f"events used, newest first ({number(len(events))})")
    for name in ("time", "event", "products", "weight", "× decay", "adds"):
        table.add_column(name, justify="right" if name in ("weight", "× decay") else "left")
    for event in events[:most]:
        added = {**event.to_products, **event.to_categories}
        table.add_row(
            time_text(event.timestamp),
            escape(event.event_type.replace("_", " ")),
            escape(", ".join(event.products)),
            f"{event.weight:g}" if event.weight else "none",
            f"{event.decay:.3f}" if event.weight else "",
            escape(", ".join(f"{name} {value:+.3f}" for name, value in added.items())),
        )
    return _with_rest(table, len(events), most)


def _others(inputs: list[ReportedInput], everything: bool) -> RenderableType | None:
    """Inputs that the session does not use."""
    others = [each for each in inputs if each.fate != "used"]
    if not others:
        return None
    table = _table("inputs not used, newest first")
    for name in ("arrived", "event", "products", "why"):
        table.add_column(name, overflow="fold")
    most = None if everything else EVENTS_SHOWN
    for each in others[:most]:
        why = FATES.get(each.fate, each.fate)
        name = (each.event_type or "unreadable").replace("_", " ")
        table.add_row(
            time_text(each.record_ms),
            escape(name),
            escape(", ".join(each.products)),
            escape(f"{why}: {each.detail}" if each.detail else why),
        )
    return _with_rest(table, len(others), most)


def _slate(items: list[ReportedItem]) -> RenderableType:
    table = _table("the list as published")
    for name in ("#", "product", "score", "propensity", "", "earned", "because", "terms"):
        table.add_column(name, justify="right" if name in ("#", "score", "propensity") else "left", overflow="fold")
    for item in items:
        table.add_row(
            str(item.position + 1),
            escape(item.product_id),
            f"{item.score:.4f}",
            f"{item.propensity:.4f}",
            "pinned" if item.pinned else "explored" if item.explored else "",
            "" if item.reward is None else f"{item.reward:.2f}",
            escape("; ".join(item.because)),
            escape(_terms(item.terms)),
        )
    return table


def _contenders(explanation: Explanation, slate: list[ReportedItem], everything: bool) -> RenderableType:
    """Candidates that the published list lacks, the best first; and where all candidates come from."""
    shown = {item.product_id for item in slate}
    others = sorted((c for c in explanation.contenders if c.product_id not in shown), key=lambda c: -c.expected)
    counted = sorted(explanation.sources.items(), key=lambda source: -source[1])
    sources = ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in counted)
    table = _table(f"candidates not in the list ({len(others)} of {len(explanation.contenders)}: {sources})")
    for name in ("product", "source", "expected", "first", "in a list", "terms", "why not"):
        table.add_column(
            name, justify="right" if name in ("expected", "first", "in a list") else "left", overflow="fold"
        )
    most = None if everything else CONTENDERS_SHOWN
    for each in others[:most]:
        table.add_row(*_contender(each))
    return _with_rest(table, len(others), most)


def _contender(each: Contender) -> list[str]:
    return [
        escape(each.product_id),
        escape(each.source.replace("_", " ")),
        f"{each.expected + each.by_rules:.4f}",
        f"{100 * each.first:.0f} %",
        f"{100 * each.listed:.0f} %",
        escape(_terms(each.terms)),
        escape(WHY_NOT.get(each.why_not, each.why_not)),
    ]


def _left_out(explanation: Explanation) -> RenderableType | None:
    if not explanation.left_out:
        return None
    table = _table("left out")
    for name in ("product", "why", ""):
        table.add_column(name, overflow="fold")
    for each in explanation.left_out:
        table.add_row(escape(each.product_id), escape(WHY_NOT.get(each.reason, each.reason)), escape(each.detail))
    return table


def _decisions(report: Report) -> RenderableType | None:
    if not report.decisions:
        return None
    table = _table("lists of the log, newest first")
    for name in ("time", "decision", "policy", "model", "seen by", "items seen", "earned"):
        table.add_column(name)
    for each in report.decisions[:DECISIONS_SHOWN]:
        table.add_row(
            time_text(each.timestamp),
            escape(each.decision_id),
            escape(each.policy),
            str(each.model_version),
            escape(each.exposure or "not seen"),
            f"{each.seen} of {each.items}",
            f"{each.reward:.2f}",
        )
    return _with_rest(table, len(report.decisions), DECISIONS_SHOWN)


def _terms(terms: dict[str, float]) -> str:
    """The largest terms of the product itself."""
    own = (term for term in terms.items() if term[0] != GENERAL)
    largest = sorted(own, key=lambda term: -abs(term[1]))[:TERMS_SHOWN]
    return ", ".join(f"{term_name(name)} {value:+.3f}" for name, value in largest)


def _best(values: dict[str, float]) -> dict[str, float]:
    return dict(sorted(values.items(), key=lambda pair: -abs(pair[1]))[:ITEMS_LIKED])


def _table(title: str) -> Table:
    return Table(
        box=None,
        title=escape(title),
        title_justify="left",
        title_style="bold",
        header_style="dim",
        padding=(0, 1),
        expand=False,
    )


def _with_rest(table: Table, count: int, most: int | None) -> RenderableType:
    if most is None or count <= most:
        return table
    return Group(table, Text(f" … and {count - most} more: --all or --json shows them", style="dim"))
