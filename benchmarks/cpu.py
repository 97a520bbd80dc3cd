"""CPU time of the stack's processes."""

from collections.abc import Mapping

import psutil


def cpu_seconds(processes: Mapping[str, int]) -> dict[str, float]:
    """User and system seconds of each process since its start, by name."""
    used = {}
    for name, pid in processes.items():
        times = psutil.Process(pid).cpu_times()
        used[name] = float(times.user + times.system)
    return used


def difference(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """Seconds used in between, by name."""
    return {name: round(after[name] - before[name], 3) for name in before}
