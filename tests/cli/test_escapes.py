"""What a terminal would obey reaches no screen, through whichever view, and markup stays text."""

import io
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console, RenderableType
from rich.text import Text

from cli.dead_letters.view import letter_view, tally_view
from cli.demo.view import Figures, demo_line
from cli.explain.report import Rebuilt, Report, ReportedDecision, ReportedInput, ReportedItem
from cli.explain.view import report_view
from cli.output import PlainSpokenConsole, summary_table, write_json
from cli.profile.view import profile_view
from cli.stack.display import status_table
from cli.stack.record import Job, ProcessRecord, Restart, StackRecord
from cli.text import visible, visible_tree
from state.events.dead_letter import DeadLetter, Tally
from state.explaining.contenders import Contender
from state.explaining.explanation import Acquaintance, Difference, Explanation, UsedEvent
from state.explaining.left_out import LeftOut
from tests.cli.test_explain import Shop, visited
from tests.cli.test_profile_view import NOW_MS, PROFILE

__all__ = ["visited"]

HOSTILE = "\x1b[31m\x1b]0;title\x07\x9b2J\u202eevil\u2066\r\nnext\x00\ud800[blink]markup[/]"
FORBIDDEN = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u2029\ud800-\udfff]")


FIELDS = {
    *PROFILE,
    *(name for part in ("score_data", "category_data", "bundled_discount_suggestions", "trending_recommendations")
      for entry in PROFILE[part] for name in entry),
    *("code", "category_id", "share", "affinities", "products", "categories", "windows", "counts", "last_event"),
    *("applied", "duplicates", "dropped", "event_id", "event_type", "timestamp"),
    *(name for struct in (Report, ReportedInput, ReportedItem, ReportedDecision, Rebuilt, Difference, Explanation,
                          UsedEvent, Contender, LeftOut, Acquaintance) for name in struct.__struct_fields__),
}  # fmt: skip
"""Keys by which the views find their way; all others come from outside."""


def poisoned(tree: Any) -> Any:
    """Plain values with the hostile text behind every text and every key from outside."""
    if isinstance(tree, str):
        return tree + HOSTILE
    if isinstance(tree, dict):
        return {key if key in FIELDS else key + HOSTILE: poisoned(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [poisoned(value) for value in tree]
    return tree


def on_any_console(view: RenderableType) -> str:
    """As it is drawn by a console that guards nothing: the view itself is to be safe."""
    console = Console(file=io.StringIO(), width=160, color_system=None)
    console.print(view)
    file: Any = console.file
    return str(file.getvalue())


def letter() -> DeadLetter:
    return DeadLetter(HOSTILE, HOSTILE, HOSTILE, HOSTILE, 1, 2, 3, "AA==", 1)


def tally() -> Tally:
    found = Tally(keep=3)
    text = HOSTILE.replace("\ud800", "")  # JSON from the job has no halves
    value = msgspec.json.encode(DeadLetter(text, text, text, text, 1, 2, 3, "AA==", 1))
    found.add(SimpleNamespace(value=value, key=text.encode(), timestamp=1))
    return found


def stack_record() -> StackRecord:
    process = ProcessRecord(1, 1.0, 2)
    restarts = [Restart(HOSTILE, 1.0, HOSTILE)]
    return StackRecord(HOSTILE, HOSTILE, HOSTILE, process, HOSTILE, Job(), {HOSTILE: process}, restarts)


VIEWS: dict[str, Callable[[], RenderableType]] = {
    "profile": lambda: profile_view(poisoned(PROFILE), NOW_MS, {"p1" + HOSTILE: "Kettle" + HOSTILE}),
    "dead letter": lambda: letter_view(1, HOSTILE.encode("utf-8", "replace"), letter()),
    "dead letters": lambda: tally_view(tally()),
    "status": lambda: status_table(stack_record(), HOSTILE, 1),
    "summary": lambda: summary_table(HOSTILE, [(HOSTILE, HOSTILE)]),
}


def check(text: str) -> None:
    """What a person reads says what was there, in lines that are the view's own."""
    assert FORBIDDEN.search(text) is None
    assert "\\x1b" in text
    assert not any(line.lstrip(" │").startswith("next") for line in text.splitlines())


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_shows_what_a_terminal_would_obey(name: str) -> None:
    check(on_any_console(VIEWS[name]()))


def test_an_explanation_shows_it_too(visited: Shop) -> None:
    report = msgspec.convert(poisoned(msgspec.to_builtins(visited.report())), Report)
    text = on_any_console(report_view(report, everything=True))
    check(text)


def test_markup_from_outside_is_text() -> None:
    assert "[blink]markup[/]" in on_any_console(summary_table("title", [("label", HOSTILE)]))
    assert "[blink]markup[/]" in on_any_console(letter_view(1, None, letter()))


def test_the_demos_line_shows_it_too() -> None:
    figures = Figures()
    figures.events.update(0, 0.0)
    figures.profiles.update(0, 0.0)
    arm = SimpleNamespace(value=0.1, standard_error=0.1)
    runner: Any = SimpleNamespace(elapsed_s=1.0, results=SimpleNamespace(heliotrope=arm, uniform=arm, best=arm))
    assert FORBIDDEN.search(demo_line(figures, runner, poisoned(PROFILE), {})) is None


def test_the_console_guards_what_a_view_forgot() -> None:
    console = PlainSpokenConsole(file=io.StringIO(), width=200, force_terminal=True, color_system="truecolor")
    console.print(Text(HOSTILE, style="red"))
    file: Any = console.file
    text = file.getvalue()
    assert text.startswith("\x1b[31m"), "its own colours stay"
    assert FORBIDDEN.search(re.sub("\x1b\\[[0-9;]*m", "", text)) is None
    assert "\x1b]0" not in text


@given(st.text())
def test_what_is_visible_says_what_it_was(text: str) -> None:
    shown = visible(text)
    assert FORBIDDEN.search(shown) is None
    assert "\n" not in shown
    assert visible_tree({text: [text, 1, None]}) == {shown: [shown, 1, None]}


@given(st.text(st.characters(codec="utf-8")), st.booleans())
def test_json_for_programs_is_the_same_json(text: str, is_spaced: bool) -> None:
    value = {text: [text, 7]}
    raw = json.dumps(value, ensure_ascii=False, indent=1) if is_spaced else msgspec.json.encode(value).decode()
    stdout, sys.stdout = sys.stdout, io.StringIO()
    try:
        write_json(raw)
        written = sys.stdout.getvalue()
    finally:
        sys.stdout = stdout
    assert json.loads(written) == value
    assert FORBIDDEN.search(written.replace("\t", "")) is None


@pytest.mark.parametrize(
    "arguments",
    [
        (b"profile", b"\xff"),
        (b"explain", b"\xed\xa0\xbd"),
        (b"produce", b"\xff.jsonl"),
        (b"replay", b"\xff", b"--format", b"\xff"),
        (b"up", b"--set", b"redis.prefix=\xff"),
        (b"catalog", b"load", b"\xff"),
        (b"model", b"import", b"\xff"),
        (b"\xff",),
        (b"profile", b"s", b"--workdir", b"\xff"),
        (b"profile", b"\x1b[31ms"),
    ],
)
def test_bytes_on_the_command_line_are_one_line_that_names_the_fix(
    arguments: tuple[bytes, ...], tmp_path: Path
) -> None:
    command = [sys.executable.encode(), b"-m", b"cli.main", *arguments]
    done = subprocess.run(
        command, cwd=Path(__file__).parents[2], env={"HELIOTROPE_LOCAL__WORKDIR": str(tmp_path)}, capture_output=True
    )
    assert done.returncode in (1, 2, 3)
    error = done.stderr.decode()
    assert error.startswith("heliotrope: ")
    assert error.count("\n") == 1
    assert FORBIDDEN.search(error) is None
