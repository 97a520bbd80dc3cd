"""The soak's series as one picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.soak.verdict import Verdict

PANELS: tuple[tuple[str, str], ...] = (
    ("resident memory, MB", "rss_mb"),
    ("heap of the TaskManagers, MB", "heap_mb"),
    ("Python's memory blocks", "python_blocks"),
    ("checkpoint, MB", "checkpoint_mb"),
    ("checkpoint, ms", "checkpoint_ms"),
    ("Redis, MB", "redis_mb"),
    ("Redis, keys", "redis_keys"),
    ("click to Redis, ms", "latency"),
    ("open files", "files"),
    ("threads", "threads"),
    ("disk, MB", "disk_mb"),
    ("dead letters", "dead_letters"),
)


def draw(
    series: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    verdicts: Mapping[str, Verdict],
    title: str,
    folder: Path,
) -> Path:
    """Write soak.png; `series` has (seconds, values) by name."""
    import matplotlib as mpl  # of the benchmarks' own lock

    mpl.use("agg")
    from matplotlib import pyplot

    folder.mkdir(parents=True, exist_ok=True)
    figure, grid = pyplot.subplots(4, 3, figsize=(14, 12), layout="constrained", sharex=True)
    for axes, (label, start) in zip(grid.flat, PANELS, strict=True):
        for name in sorted(name for name in series if name.startswith(start)):
            _line(axes, name, start, series[name], verdicts.get(name))
        axes.set_title(label, fontsize=9)
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
        axes.legend(fontsize=6)
    for axes in grid[-1]:
        axes.set_xlabel("minutes")
    figure.suptitle(title, fontsize=10)
    file = folder / "soak.png"
    figure.savefig(file, dpi=110)
    pyplot.close(figure)
    return file


def _line(
    axes: Any, name: str, start: str, points: tuple[Sequence[float], Sequence[float]], verdict: Verdict | None
) -> None:
    label = name.removeprefix(start).strip(" _") or name
    if verdict is not None:
        label += f": {verdict.word}"
    axes.plot([at / 60 for at in points[0]], points[1], linewidth=1, label=label)
