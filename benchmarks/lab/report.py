"""Tables of the laboratory's runs: shares by shop and method, and each method's paired difference from the best competitor."""

import time
from typing import Any

from rich.table import Table

from benchmarks.lab.methods import OURS, SIMPLE
from benchmarks.lab.shares import Interval, Run, by_method, difference, interval


def summary(runs: list[Run]) -> dict[str, Any]:
    """Shares by shop and method with intervals, and each method's paired difference from the best competitor.

    The best competitor is the one of the largest mean share, chosen after the runs, which favours it.
    """
    shops: dict[str, Any] = {}
    for shop in dict.fromkeys(run.shop for run in runs):
        grouped = by_method(runs, shop)
        rivals = [name for name in grouped if name not in OURS and name != "optimum"]
        best = max(rivals, key=lambda name: interval([run.share for run in grouped[name]]).mean, default=None)
        shops[shop] = {
            "best_competitor": best,
            "methods": {
                name: {
                    "seeds": len(found),
                    "share": interval([run.share for run in found]),
                    "late_share": interval([run.late_share for run in found]),
                    "seconds": interval([run.seconds for run in found]).mean,
                    "above_best_competitor": difference(found, grouped[best]) if best else None,
                }
                for name, found in grouped.items()
            },
        }
    return {"at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "shops": shops, "runs": runs}


def table(results: dict[str, Any]) -> Table:
    """Methods by shops, for the terminal."""
    shops = results["shops"]
    shown = Table("method", *shops, title="Share of the way from uniform choice to the best possible slate")
    for name in _names(shops):
        cells = [shop["methods"].get(name) for shop in shops.values()]
        shown.add_row(name, *(cell_of(cell["share"]) if cell else "" for cell in cells))
    return shown


def markdown(results: dict[str, Any]) -> str:
    """The same for a document, with shops as rows, and below it ours against each shop's best competitor."""
    shops = results["shops"]
    names = [name for name in _names(shops) if name != "optimum"]
    lines = [_row("shop", *names), _row(*["---"] * (1 + len(names)))]
    for shop, found in shops.items():
        cells = [found["methods"].get(name) for name in names]
        lines.append(_row(shop, *(f"{cell_of(cell['share'])} n={cell['seeds']}" if cell else "" for cell in cells)))
    lines += ["", _row("shop", "best competitor", "heliotrope less it", "pairs"), _row(*["---"] * 4)]
    for shop, found in shops.items():
        rival, ours = found["best_competitor"], found["methods"].get("heliotrope")
        if rival and rival not in SIMPLE and ours:
            pairs = min(ours["seeds"], found["methods"][rival]["seeds"])
            lines.append(_row(shop, rival, cell_of(ours["above_best_competitor"], "+.3f"), str(pairs)))
    return "\n".join(lines) + "\n"


def cell_of(found: Interval, form: str = ".2f") -> str:
    """A mean with its interval."""
    return f"{found.mean:{form}} [{found.low:{form}}, {found.high:{form}}]"


def _names(shops: dict[str, Any]) -> list[str]:
    return list(dict.fromkeys(name for shop in shops.values() for name in shop["methods"]))


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"
