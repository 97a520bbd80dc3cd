"""How verbs speak to a person: consoles without control codes where no terminal is, progress bars and summaries."""

import re
import sys
from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.markup import escape
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn, TimeElapsedColumn
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from cli.text import UNSEEN, visible

PLAIN_WIDTH = 120  # columns where the output is a file or a pipe and so has no width of its own


class PlainSpokenConsole(Console):
    """A console that sends a terminal no other control codes than its own: the last guard, where a view forgot `visible`."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render as any console does, with texts that can be seen."""
        for segment in super().render(renderable, options):
            text = segment.text
            if segment.control or text.isprintable() or text == "\n":
                yield segment
            else:
                yield Segment("\n".join(map(visible, text.split("\n"))), segment.style)


def stdout_console() -> Console:
    """Return the console for results."""
    return _console(stderr=False)


def stderr_console() -> Console:
    """Return the console for progress and remarks, so that results can be piped."""
    return _console(stderr=True)


def _console(stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    return PlainSpokenConsole(stderr=stderr, highlight=False, width=None if stream.isatty() else PLAIN_WIDTH)


def write_json(text: str) -> None:
    """Write JSON for programs: no wrapping, no markup, and the same values. As programs are run by people too, characters that a
    terminal would obey are written as JSON's own escapes."""
    sys.stdout.write(UNSEEN.sub(_as_json, text) + "\n")
    sys.stdout.flush()


def _as_json(match: re.Match[str]) -> str:
    """White space between values stays; no other of these characters can stand outside of a string."""
    character = match[0]
    if character in "\t\n\r":
        return character
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


class RateColumn(ProgressColumn):
    """Finished steps per second."""

    def render(self, task: Task) -> Text:
        """Return the rate as text; empty before the first step."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f}/s", style="cyan")


def progress_bar(console: Console) -> Progress:
    """Return a progress bar that stays silent where no terminal is."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("{task.fields[count]}"),
        RateColumn(),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )


def summary_table(title: str, rows: Iterable[tuple[str, Any]]) -> RenderableType:
    """Return a two-column summary; numbers are grouped by thousands. Rows are (label, value)."""
    table = Table(show_header=False, box=None)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for label, value in rows:
        text = number(value) if isinstance(value, int | float) else visible(str(value))
        table.add_row(escape(visible(label)), escape(text))
    return Group(Text(visible(title), style="bold"), table)


def number(value: float) -> str:
    """Format 1234567 as `1,234,567`; fractions with at most two digits."""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}".rstrip("0").rstrip(".")


def duration_text(milliseconds: float) -> str:
    """Return a time span with the two largest units that matter, for example `2 h 10 min`."""
    seconds = milliseconds / 1_000
    if seconds < 60:
        return f"{milliseconds:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
    minutes, rest_s = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest_s} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"
