"""A profile laid out for a person."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from cli.output import duration_text, number
from cli.text import visible_tree
from state.profile.reasons import NO_TITLES, sentence

BAR_WIDTH = 16
WIDE = 132  # columns from which on there is room for two parts next to each other
SIDE_WIDTH = 48
STATUS_COLOURS = {"cold": "blue", "warming": "yellow", "active": "green"}


def profile_view(
    profile: Mapping[str, Any], now_ms: int, titles: Mapping[str, str] = NO_TITLES, items: int = 20
) -> RenderableType:
    """Return the whole profile; `titles` names products, `items` is how many of the list are shown."""
    profile, titles = visible_tree(profile), visible_tree(dict(titles))
    side = [
        bars("category affinity", _section(profile, "affinities").get("categories", {}), "magenta"),
        bars("product affinity", _section(profile, "affinities").get("products", {}), "cyan", titles),
        windows_table(_section(profile, "windows")),
        _categories(profile.get("category_data") or []),
        *proposals(profile, titles),
    ]
    listed = items_table((profile.get("score_data") or [])[:items], titles)
    both = _SideBySide(listed, Group(*(part for part in side if part is not None)))
    body = Group(headline(profile, now_ms), Text(), both, counts_line(profile))
    return Panel(body, title=f"[bold]{escape(str(profile.get('session_id', '?')))}[/]", title_align="left")


class _SideBySide:
    """Two parts beside each other where there is room, else below each other."""

    def __init__(self, left: RenderableType, right: RenderableType) -> None:
        self._left, self._right = left, right

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if options.max_width < WIDE:
            yield Group(self._left, Text(), self._right)
            return
        grid = Table.grid(padding=(0, 3))
        grid.add_column(max_width=options.max_width - SIDE_WIDTH)
        grid.add_column()
        grid.add_row(self._left, self._right)
        yield grid


def headline(profile: Mapping[str, Any], now_ms: int) -> Text:
    """Return status, policy, model and age in one line."""
    status = str(profile.get("status", "?"))
    model_ms = int(profile.get("model_version") or 0)
    text = Text()
    text.append(f" {status} ", style=f"bold reverse {STATUS_COLOURS.get(status, 'white')}")
    text.append(f"  {profile.get('policy', '?')}", style="bold")
    text.append(f" ({profile.get('variant', '?')})", style="dim")
    text.append("  model " + (f"{duration_text(max(0, now_ms - model_ms))} old" if model_ms else "none yet"))
    text.append(f"  version {number(int(profile.get('version') or 0))}")
    text.append(
        f"  written {duration_text(max(0, now_ms - int(profile.get('updated_at') or now_ms)))} ago", style="dim"
    )
    return text


def items_table(items: list[Mapping[str, Any]], titles: Mapping[str, str] = NO_TITLES) -> RenderableType:
    """Return the list in the order to show it."""
    if not items:
        return Text("no products yet: load some with `heliotrope catalog load FILE`", style="yellow")
    table = Table(box=None, header_style="dim", padding=(0, 1))
    table.add_column("#", justify="right", min_width=2)
    table.add_column("product", no_wrap=True, overflow="ellipsis")
    table.add_column("score", justify="right", min_width=6)
    table.add_column("propensity", justify="right", min_width=10)
    table.add_column("", min_width=8)
    table.add_column("why", no_wrap=True, overflow="ellipsis")
    for position, item in enumerate(items, 1):
        product = str(item.get("product_id"))
        mark = (
            Text("pinned", "blue")
            if item.get("pinned")
            else Text("explored", "yellow")
            if item.get("explored")
            else Text()
        )
        table.add_row(
            str(position),
            escape(titles.get(product, product)),
            f"{item.get('score', 0):.4f}",
            f"{item.get('propensity', 0):.4f}",
            mark,
            escape(", ".join(reason_text(reason, titles) for reason in item.get("reasons") or [])),
        )
    return table


def reason_text(reason: Mapping[str, Any], titles: Mapping[str, str] = NO_TITLES) -> str:
    """Return a reason as a sentence, with its share where it is one of several: for example `because you like c3 (41 %)`."""
    share = float(reason.get("share") or 0)
    return sentence(reason, titles) + (f" ({100 * share:.0f} %)" if 0 < share < 1 else "")


def proposals(profile: Mapping[str, Any], titles: Mapping[str, str] = NO_TITLES) -> list[RenderableType | None]:
    """Return bundles, and what trends by region; None for what there is nothing of."""
    trends: dict[str, list[str]] = {}
    for entry in profile.get("trending_recommendations") or []:
        name = str(entry.get("product_id"))
        counted = f"{titles.get(name, name)} ({number(int(entry.get('count') or 0))})"
        trends.setdefault(str(entry.get("region") or ""), []).append(counted)
    return [
        _bundles(profile.get("bundled_discount_suggestions") or [], titles),
        *(_line(f"trending in {region}" if region else "trending", names) for region, names in trends.items()),
    ]


def bars(
    title: str, values: Mapping[str, float], colour: str, titles: Mapping[str, str] = NO_TITLES
) -> RenderableType | None:
    """Return values as bars, the largest first; None where there are none."""
    if not values:
        return None
    largest = max((abs(value) for value in values.values()), default=0.0) or 1.0
    table = Table(box=None, show_header=False, title=title, title_justify="left", title_style="dim", padding=(0, 1))
    for name, value in sorted(values.items(), key=lambda pair: -pair[1]):
        length = round(BAR_WIDTH * abs(value) / largest)
        bar = Text("█" * length + "·" * (BAR_WIDTH - length), style=colour if value >= 0 else "red")
        table.add_row(escape(titles.get(name, name)), bar, f"{value:.2f}")
    return table


def windows_table(windows: Mapping[str, Mapping[str, int]]) -> RenderableType | None:
    """Return events per type and window; None where there are none."""
    types = sorted({name for counts in windows.values() for name in counts})
    if not types:
        return None
    table = Table(box=None, title="events", title_justify="left", title_style="dim", header_style="dim", padding=(0, 1))
    table.add_column("")
    for name in windows:
        table.add_column(escape(name), justify="right")
    for event_type in types:
        table.add_row(
            escape(event_type.replace("_", " ")), *(number(counts.get(event_type, 0)) for counts in windows.values())
        )
    return table


def counts_line(profile: Mapping[str, Any]) -> Text:
    """Return what was counted, and the newest event."""
    counts = _section(profile, "counts")
    text = Text(", ".join(f"{name} {number(count)}" for name, count in counts.items()), style="dim")
    if last := profile.get("last_event"):
        text.append(f"; last event {str(last.get('event_type')).replace('_', ' ')}")
    return text


def _section(profile: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = profile.get(name)
    return value if isinstance(value, Mapping) else {}


def _line(title: str, parts: list[str]) -> Text | None:
    return Text.assemble((f"{title}: ", "dim"), ", ".join(parts)) if parts else None


def _categories(entries: list[Mapping[str, Any]]) -> Text | None:
    return _line("categories", [f"{entry.get('category_id')} {entry.get('score', 0):.2f}" for entry in entries])


def _bundles(entries: list[Mapping[str, Any]], titles: Mapping[str, str]) -> Text | None:
    def describe(entry: Mapping[str, Any]) -> str:
        products = [entry.get("primary_product"), *(entry.get("bundle_items") or [])]
        names = " + ".join(titles.get(str(product), str(product)) for product in products)
        return f"{names} at −{100 * float(entry.get('discount', 0)):.0f} %"

    return _line("bundles", [describe(entry) for entry in entries])
