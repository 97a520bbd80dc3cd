"""Plots of the laboratory's runs: shares with intervals, and regret as pages go by."""

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")  # no display

import numpy as np
from matplotlib import pyplot as plt

from benchmarks.lab.methods import ATTAINABLE
from benchmarks.lab.shares import CURVE_POINTS, Run, by_method, interval


def plot_shop(runs: list[Run], shop_name: str, folder: Path) -> Path:
    """One shop: a bar of shares and the mean regret curves; returns the PNG's path."""
    grouped = by_method(runs, shop_name)
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2))
    names = sorted(grouped, key=lambda name: float(np.mean([run.share for run in grouped[name]])))
    for place, name in enumerate(names):
        shares = interval([run.share for run in grouped[name]])
        spread = [[shares.mean - shares.low], [shares.high - shares.mean]]
        left.barh(place, shares.mean, xerr=spread, capsize=3, color=f"C{place % 10}")
        _plot_regret(right, name, grouped[name], f"C{place % 10}")
    if ATTAINABLE in grouped:
        left.axvline(float(np.mean([run.share for run in grouped[ATTAINABLE]])), color="black", linestyle=":")
    left.set_yticks(range(len(names)), names)
    left.set_xlabel("share of the way from uniform to the best slate")
    right.set_xlabel("pages seen")
    right.set_ylabel("expected clicks lost to the best slates")
    right.legend(fontsize="x-small")
    seeds = max(len(found) for found in grouped.values())
    figure.suptitle(f"{shop_name}: {seeds} seeds, bootstrap intervals over them; bands are 1.96 standard errors")
    figure.tight_layout()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"lab-{shop_name}.png"
    figure.savefig(path, dpi=75)
    plt.close(figure)
    return path


def _plot_regret(axes: Any, name: str, runs: list[Run], colour: str) -> None:
    curves = np.array([run.regret for run in runs])
    pages = np.linspace(0, float(np.mean([run.pages for run in runs])), CURVE_POINTS)
    axes.plot(pages, curves.mean(axis=0), label=name, color=colour)
    if len(runs) > 1:
        error = curves.std(axis=0, ddof=1) / np.sqrt(len(runs))
        axes.fill_between(
            pages,
            curves.mean(axis=0) - 1.96 * error,
            curves.mean(axis=0) + 1.96 * error,
            color=colour,
            alpha=0.15,
            linewidth=0,
        )
