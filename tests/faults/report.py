"""What the faults came to, as JSON and as a table."""

import json
import time
from dataclasses import asdict
from pathlib import Path

from benchmarks.machine import machine
from tests.faults.scenario import Row

FOLDER = Path(__file__).parents[2] / "benchmarks" / "results"
HEAD = (
    "| fault | longest without any profile | longest wait of one event | inputs unaccounted for | model's sums | load |\n"
    "|---|---|---|---|---|---|\n"
)


def write_report(rows: list[Row]) -> Path:
    """Writes faults.json and faults.md; returns the latter."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    found = {
        "machine": machine(),
        "at": time.strftime("%Y-%m-%d", time.gmtime()),
        "rows": [asdict(row) for row in rows],
    }
    (FOLDER / "faults.json").write_text(json.dumps(found, indent=1))
    path = FOLDER / "faults.md"
    path.write_text(HEAD + "".join(map(_line, rows)))
    return path


def _line(row: Row) -> str:
    words = {True: "equal", False: "differ", None: "not compared"}
    missing = "not counted" if row.missing_inputs is None else str(row.missing_inputs)
    without, wait = (f"{seconds:.1f} s" for seconds in row.outage) if row.outage else ("not over", "not over")
    return f"| {row.fault} | {without} | {wait} | {missing} | {words[row.is_exact]} | {row.load:.0f} |\n"
