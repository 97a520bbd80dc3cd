"""A simulation's figures for a person, live and at the end."""

import math
from collections import deque

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from cli.output import duration_text, number
from cli.simulate.results import Results, quantile
from cli.simulate.runner import Runner

TREND_S = 10.0
TREND_KEPT = 60
BLOCKS = "▁▂▃▄▅▆▇█"
BAR_WIDTH = 40


class Trend:
    """Click-through of Heliotrope's lists per interval of 10 s, from the running sums."""

    def __init__(self) -> None:
        self.points: deque[float] = deque(maxlen=TREND_KEPT)
        self._next_s = TREND_S
        self._clicks = 0.0
        self._shown = 0.0

    def update(self, results: Results, elapsed_s: float) -> None:
        """Close an interval when its time is over."""
        if elapsed_s >= self._next_s:
            shown = results.heliotrope.x - self._shown
            if shown:
                self.points.append((results.heliotrope.y - self._clicks) / shown)
            self._clicks, self._shown, self._next_s = results.heliotrope.y, results.heliotrope.x, elapsed_s + TREND_S

    def text(self, ceiling: float) -> Text:
        """Return the intervals as blocks, the full height being `ceiling`."""
        blocks = "".join(BLOCKS[min(7, int(8 * point / ceiling)) if ceiling else 0] for point in self.points)
        return Text(blocks, style="green")


def arms_table(results: Results) -> Table:
    """Return click-through of the arms as bars, with standard errors; popular lists only where a session had them."""
    table = Table(box=None, header_style="dim", padding=(0, 1))
    for name, justify in (("lists", "left"), ("click-through", "right"), ("± s.e.", "right"), ("", "left")):
        table.add_column(name, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    table.add_column("items", justify="right")
    rows = [
        ("best possible (expected)", results.best, "blue"),
        ("Heliotrope", results.heliotrope, "green"),
        ("most popular", results.popularity, "magenta"),
        ("uniformly random", results.uniform, "yellow"),
    ]
    rows = [row for row in rows if row[1] is not results.popularity or row[1].visits]
    largest = max((ratio.value for _, ratio, _ in rows), default=0.0) or 1.0
    for name, ratio, colour in rows:
        bar = Text("█" * round(BAR_WIDTH * ratio.value / largest), style=colour)
        table.add_row(name, percent(ratio.value), percent(ratio.standard_error), bar, number(int(ratio.x)))
    return table


def verdict(results: Results) -> Text:
    """Return the lift in one line."""
    lift, error = results.lift()
    if not math.isfinite(error):
        return Text("not enough clicks yet to compare", style="dim")
    text = Text.assemble(
        "Heliotrope gets ", (f"{lift:.2f} × ± {error:.2f}", "bold green"), " the clicks of random lists, "
    )
    text.append(f"{100 * results.share_of_possible():.0f} % of the way to the best possible")
    return text


def figures_line(runner: Runner) -> Text:
    """Return time, volume and the wait for a profile."""
    results, seconds = runner.results, max(runner.elapsed_s, 1e-9)
    waits = list(runner.waits_ms)
    text = Text(f"{duration_text(seconds * 1_000)}: {number(results.visits)} sessions, {number(results.events)} events")
    text.append(f" ({results.events / seconds:,.0f}/s), {number(results.profiles)} profiles read")
    if waits:
        text.append(f", there after {quantile(waits, 0.5):.0f} ms (p99 {quantile(waits, 0.99):.0f} ms)")
    if results.missing_profiles or results.empty_lists:
        text.append(
            f", {number(results.missing_profiles)} missing, {number(results.empty_lists)} empty", style="yellow"
        )
    return text


def live_view(runner: Runner, trend: Trend) -> RenderableType:
    """Return all of it, redrawn while the simulation runs and printed at its end."""
    results = runner.results
    parts: list[RenderableType] = [figures_line(runner), Text(), arms_table(results)]
    if len(trend.points) > 1:
        parts.append(Text.assemble(("per 10 s  ", "dim"), trend.text(results.best.value)))
    return Group(*parts, verdict(results))


def plain_line(runner: Runner) -> str:
    """Return one line for where no terminal is."""
    results = runner.results
    arms = ", ".join(
        f"{name} {percent(ratio.value)} ± {percent(ratio.standard_error)}"
        for name in ("heliotrope", "popularity", "uniform", "best")
        if (ratio := getattr(results, name)).visits or name != "popularity"
    )
    return f"{figures_line(runner).plain}; click-through {arms}"


def percent(share: float) -> str:
    """Return a share in percent; a dash where it is not known."""
    return f"{100 * share:.2f} %" if math.isfinite(share) else "–"


def has_profiles(results: Results) -> bool:
    """Return whether any shopper ever got a list."""
    return results.heliotrope.x > 0
