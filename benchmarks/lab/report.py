"""Tables of the laboratory's runs: shares of the best and of the attainable, and paired differences from the best competitor."""

import time
from typing import Any

from rich.table import Table

from benchmarks.lab.methods import ATTAINABLE, KNOWING, OURS, SIMPLE
from benchmarks.lab.shares import (
    LAST_NUMBER,
    Interval,
    Run,
    by_method,
    difference,
    interval,
    of_attainable,
    shares_by_number,
)


def summary(runs: list[Run]) -> dict[str, Any]:
    """Shares by shop and method with intervals, and each method's paired difference from the best competitor.

    `of_attainable` is the share over the one that was attainable with the same seed, `by_number` the share by the page's number.
    The best competitor is the one of the largest mean share, chosen after the runs, which favours it.
    """
    shops: dict[str, Any] = {}
    for shop in dict.fromkeys(run.shop for run in runs):
        grouped = by_method(runs, shop)
        rivals = [name for name in grouped if name not in OURS and name not in KNOWING]
        best = max(rivals, key=lambda name: interval([run.share for run in grouped[name]]).mean, default=None)
        shops[shop] = {
            "best_competitor": best,
            "methods": {
                name: {
                    "seeds": len(found),
                    "share": interval([run.share for run in found]),
                    "late_share": interval([run.late_share for run in found]),
                    "of_attainable": of_attainable(found, grouped.get(ATTAINABLE, [])),
                    "by_number": shares_by_number(found),
                    "seconds": interval([run.seconds for run in found]).mean,
                    "above_best_competitor": difference(found, grouped[best]) if best else None,
                }
                for name, found in grouped.items()
            },
        }
    return {"at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "shops": shops, "runs": runs}


TITLES = {
    "share": "Share of the way from uniform choice to the best possible slate",
    "of_attainable": "The same, over what one who knows the shop, and infers the visitor, attains with the same seed",
}


def tables(results: dict[str, Any]) -> list[Table]:
    """Methods by shops, for the terminal: of the best, and of the attainable."""
    shops = results["shops"]
    shown = []
    for figure, title in TITLES.items():
        shown.append(Table("method", *shops, title=title))
        for name in _names(shops):
            cells = [shop["methods"].get(name, {}).get(figure) for shop in shops.values()]
            shown[-1].add_row(name, *(cell_of(cell) if cell else "" for cell in cells))
    return shown


def markdown(results: dict[str, Any]) -> str:
    """The same for a document, with shops as rows; below it ours against each shop's best competitor, and by page number."""
    shops = results["shops"]
    names = [name for name in _names(shops) if name != "optimum"]
    others = [name for name in names if name != ATTAINABLE]
    lines = _figures(shops, names, "share")
    if any(cell["of_attainable"] for shop in shops.values() for cell in shop["methods"].values()):
        lines += ["", *_figures(shops, others, "of_attainable")]
    lines += ["", row_of("shop", "best competitor", "heliotrope less it", "pairs"), row_of(*["---"] * 4)]
    for shop, found in shops.items():
        rival, ours = found["best_competitor"], found["methods"].get("heliotrope")
        if rival and rival not in SIMPLE and ours:
            pairs = min(ours["seeds"], found["methods"][rival]["seeds"])
            lines.append(row_of(shop, rival, cell_of(ours["above_best_competitor"], "+.3f"), str(pairs)))
    curves = {
        name: [shop["methods"][name]["by_number"] for shop in shops.values() if name in shop["methods"]]
        for name in names
    }
    return "\n".join([*lines, "", *by_number(curves, len(shops))]) + "\n"


def _figures(shops: dict[str, Any], names: list[str], figure: str) -> list[str]:
    lines = [row_of("shop", *names), row_of(*["---"] * (1 + len(names)))]
    for shop, found in shops.items():
        cells = [found["methods"].get(name) for name in names]
        shown = [f"{cell_of(cell[figure])} n={cell['seeds']}" if cell and cell[figure] else "" for cell in cells]
        lines.append(row_of(shop, *shown))
    return lines


def by_number(curves: dict[str, list[list[float | None]]], shops: int) -> list[str]:
    """The mean over shops of the share by the page's number, for methods that have it in every shop."""
    numbers = [*map(str, range(1, LAST_NUMBER)), f"{LAST_NUMBER} and later"]
    lines = [row_of("page of the visit", *numbers), row_of(*["---"] * (1 + LAST_NUMBER))]
    for name, found in curves.items():
        whole = [[share for share in curve if share is not None] for curve in found]
        if len(whole) == shops and all(len(curve) == LAST_NUMBER for curve in whole):
            lines.append(row_of(name, *(f"{sum(shares) / shops:.2f}" for shares in zip(*whole, strict=True))))
    return lines


def cell_of(found: Interval, form: str = ".2f") -> str:
    """A mean with its interval."""
    return f"{found.mean:{form}} [{found.low:{form}}, {found.high:{form}}]"


def _names(shops: dict[str, Any]) -> list[str]:
    return list(dict.fromkeys(name for shop in shops.values() for name in shop["methods"]))


def row_of(*cells: str) -> str:
    """A row of a Markdown table."""
    return "| " + " | ".join(cells) + " |"
