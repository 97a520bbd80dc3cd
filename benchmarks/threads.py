"""CPU time of a process by its threads' names, from /proc; the JVM names its threads after the tasks that they run."""

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def thread_seconds(pid: int) -> dict[str, float]:
    """User and system seconds by thread name, without numbers, so that threads of a pool are added up."""
    seconds: dict[str, float] = {}
    for folder in Path(f"/proc/{pid}/task").iterdir():
        try:
            name, ticks = parse_stat((folder / "stat").read_text(encoding="utf-8", errors="replace"))
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended meanwhile
        seconds[name] = seconds.get(name, 0.0) + ticks / TICKS_PER_S
    return seconds


def parse_stat(text: str) -> tuple[str, int]:
    """A thread's name without numbers, and its ticks of CPU, from /proc/PID/task/TID/stat."""
    name, _, rest = text.partition("(")[2].rpartition(")")
    fields = rest.split()
    return re.sub(r"[\d#/() -]+$", "", name), int(fields[11]) + int(fields[12])


def busiest(
    before: Mapping[str, float], after: Mapping[str, float], least_s: float = 0.05
) -> Iterable[tuple[str, float]]:
    """Threads by the seconds that they used in between, the busiest first."""
    used = {name: after[name] - before.get(name, 0.0) for name in after}
    return sorted(((n, s) for n, s in used.items() if s >= least_s), key=lambda item: -item[1])
