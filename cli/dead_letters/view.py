"""Dead letters laid out for a person, and as JSON."""

import time
from collections import Counter
from typing import Any

import msgspec
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from cli.output import number
from cli.text import excerpt, visible
from state.events.dead_letter import DeadLetter, Tally

PAYLOAD_CHARACTERS = 240
DETAIL_CHARACTERS = 160


def reasons_table(reasons: Counter[str]) -> RenderableType:
    """Return counts per reason, the most frequent first."""
    table = Table(box=None, header_style="dim", title=f"{number(reasons.total())} dead letters", title_justify="left")
    table.add_column("reason")
    table.add_column("count", justify="right")
    for reason, count in reasons.most_common():
        table.add_row(escape(visible(reason)), number(count))
    return table


def letter_view(time_ms: int, key: bytes | None, letter: DeadLetter) -> RenderableType:
    """Return one dead letter: when, where from, why, and the bytes."""
    head = Text(time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(time_ms / 1_000)), style="dim")
    head.append(f"  {visible(letter.reason)}", style="bold red")
    if letter.field:
        head.append(f"  {visible(letter.field)}", style="yellow")
    head.append(f"  {visible(letter.topic)}/{letter.partition}@{letter.offset}", style="dim")
    head.append(f"  key {excerpt(key, 40) if key is not None else 'none'}", style="dim")
    kept = "" if letter.is_whole else f", {number(len(letter.payload))} of them kept"
    size = Text.assemble(("  " + f"{number(letter.payload_bytes)} bytes{kept}: ", "dim"))
    size.append(excerpt(letter.payload, PAYLOAD_CHARACTERS), style="cyan")
    return Group(head, Text("  " + excerpt(letter.detail.encode(errors="backslashreplace"), DETAIL_CHARACTERS)), size)


def tally_view(tally: Tally) -> RenderableType:
    """Return the counts, then the newest entries."""
    parts = [letter_view(*entry) for entry in tally.latest()]
    left_out = f"{number(tally.not_stored)} of them are counted, and were not stored" if tally.not_stored else ""
    return Group(reasons_table(tally.reasons), Text(left_out, style="yellow"), *parts)


def letter_json(time_ms: int, key: bytes | None, letter: DeadLetter) -> dict[str, Any]:
    """Return one dead letter as plain values, with its record's time and key."""
    return {
        "recorded_at": time_ms,
        "key": None if key is None else key.decode(errors="backslashreplace"),
        **msgspec.to_builtins(letter),
    }


def tally_json(tally: Tally) -> str:
    """Return `{"total", "not_stored", "reasons": {reason: count}, "newest": [dead letter…]}`."""
    newest = [letter_json(*entry) for entry in tally.latest()]
    content = {
        "total": tally.reasons.total(),
        "not_stored": tally.not_stored,
        "reasons": dict(tally.reasons.most_common()),
        "newest": newest,
    }
    return msgspec.json.encode(content).decode()
