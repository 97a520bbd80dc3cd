"""A plot for each section of a result file: `python -m benchmarks.plots [FILE]` draws them anew."""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

QUANTILES = ("p50", "p95", "p99", "p999")


def draw(results: Mapping[str, Any], folder: Path) -> list[Path]:
    """Writes NAME.png for each section that was run; returns them."""
    import matplotlib as mpl  # of the benchmarks' own lock

    mpl.use("agg")
    from matplotlib import pyplot

    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for name, runs in results["runs"].items():
        figure, axes = pyplot.subplots(figsize=(8, 4.5), layout="constrained")
        PLOTS[name](axes, runs)
        figure.suptitle(f"{name}, {results['machine']['cpu']}, {results['machine']['cores']} cores", fontsize=9)
        files.append(folder / f"{name}.png")
        figure.savefig(files[-1], dpi=120)
        pyplot.close(figure)
    return files


def _rates(axes: Any, runs: Mapping[str, Any]) -> None:
    """Each run a point over its name, events per second."""
    for place, found in enumerate(runs.values()):
        rates = [run["events_per_second"] for run in found]
        axes.scatter([place] * len(rates), rates, s=30, alpha=0.7)
    axes.set_xticks(range(len(runs)), list(runs), rotation=30, ha="right", fontsize=8)
    axes.set_yscale("log")
    axes.set_ylabel("events/s")
    axes.grid(axis="y", which="both", alpha=0.3)


def _latency(axes: Any, runs: Mapping[str, Any]) -> None:
    """Percentiles by rate, where sessions are as long as real ones."""
    ordered = sorted((run for run in runs.values() if not run["lasting_sessions"]), key=lambda run: run["rate"])
    for quantile in QUANTILES:
        axes.plot([run["rate"] for run in ordered], [run[quantile] for run in ordered], marker="o", label=quantile)
    axes.set(xscale="log", yscale="log", xlabel="events/s", ylabel="click to Redis, ms")
    axes.grid(which="both", alpha=0.3)
    axes.legend()


def _cost(axes: Any, runs: Mapping[str, Any]) -> None:
    """CPU of each stage, the mean of the runs."""
    costs = runs["stages"]
    means = {name: sum(cost.get(name, 0.0) for cost in costs) / len(costs) for name in costs[0]}
    names = sorted(means, key=means.__getitem__)
    axes.barh(names, [means[name] for name in names])
    axes.set_xlabel("CPU µs per event")
    axes.grid(axis="x", alpha=0.3)


def _start(axes: Any, runs: Mapping[str, Any]) -> None:
    """The 99th percentile of each slice of the first minutes, by the time from the first event, a line for each start."""
    for run in runs["starts"]:
        slices = run["by_slice"]
        step_s = run["seconds"] / len(slices)
        axes.plot(
            [step_s * (number + 1) for number in range(len(slices))], [some.get("p99") for some in slices], marker="o"
        )
    axes.set(yscale="log", xlabel="s after the first event", ylabel="click to Redis, p99, ms")
    axes.grid(which="both", alpha=0.3)


PLOTS: dict[str, Callable[[Any, Mapping[str, Any]], None]] = {
    "start": _start,
    "throughput": _rates,
    "latency": _latency,
    "scaling": _rates,
    "cost": _cost,
    "catalogue": _rates,
}


def main() -> None:
    """Draws a result file's plots into `plots` next to it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path, nargs="?", default=Path(__file__).parent / "results" / "latest.json")
    file = parser.parse_args().file
    for path in draw(msgspec.json.decode(file.read_bytes()), file.parent / "plots"):
        print(path)


if __name__ == "__main__":
    main()
