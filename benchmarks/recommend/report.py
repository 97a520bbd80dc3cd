"""Figures of observations: hit rate and MRR by the session's status and arm, and paired differences, as plain values and tables."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from benchmarks.recommend.measure import FIRST_EVENT, LENGTH, STATUSES, Observation, hits, means, reciprocal_ranks

NEW = "new"
MEASURES = {
    NEW: "products that are new to the session; lists as they are shown",
    "with_repeats": "all products, also those that the session has touched before; lists as they are shown",
    "new_only_listed": "products that are new to the session; lists without those that are not",
}
LATER, ALL = "all after the first event", "all"
ROWS = (*STATUSES, LATER, ALL)


class Column(NamedTuple):
    """What is measured of each observation: a name, and values (n,)."""

    name: str
    values: NDArray[np.float64]


def figures(observations: Sequence[Observation], arms: Sequence[str]) -> dict[str, Any]:
    """By measure, row and column. `arms` are the names of the places; differences are the first's less each other's."""
    return {measure: _rows(_of(observations, measure), measure, arms) for measure in MEASURES}


def table(found: dict[str, Any], arms: Sequence[str], measure: str, title: str) -> Table:
    """One measure for a person: hit rates and MRR in percent, differences in points with their 95 % intervals."""
    others = arms[1:]
    heads = (f"{arm}\nhit, MRR" for arm in arms)
    less = (f"{arms[0]} less\n{other}" for other in others)
    shown = Table("session", "events", "known", *heads, *less, "best\npossible", title=title, title_justify="left")
    for name, row in found[measure].items():
        pairs = (f"{_percent(row[f'hit {arm}'])} {_percent(row[f'mrr {arm}'])}" for arm in arms)
        differences = (_points(row[f"hit less {other}"]) for other in others)
        best = f"{_percent(row['hit best'])} {_percent(row['mrr best'])}" if "hit best" in row else ""
        shown.add_row(name, f"{row['events']:,}", _percent(row["held"]), *pairs, *differences, best)
    return shown


def _of(observations: Sequence[Observation], measure: str) -> list[Observation]:
    return list(observations) if measure == "with_repeats" else [found for found in observations if found.is_new]


def _rows(observations: Sequence[Observation], measure: str, arms: Sequence[str]) -> dict[str, Any]:
    rows = {}
    for name in ROWS:
        chosen = [found for found in observations if _belongs(found.status, name)]
        if chosen:
            rows[name] = _row(chosen, measure, arms)
    return rows


def _belongs(status: str, row: str) -> bool:
    return row in (status, ALL) or (row == LATER and status != FIRST_EVENT)


def _row(chosen: Sequence[Observation], measure: str, arms: Sequence[str]) -> dict[str, Any]:
    sessions = [found.session for found in chosen]
    columns = _columns(chosen, measure, arms)
    found = means(np.stack([column.values for column in columns], axis=1), sessions)
    values = {column.name: figure._asdict() for column, figure in zip(columns, found, strict=True)}
    return {"events": len(chosen), "sessions": len(set(sessions)), **values}


def _columns(chosen: Sequence[Observation], measure: str, arms: Sequence[str]) -> list[Column]:
    places = np.array([found.places_of_new if measure == "new_only_listed" else found.places for found in chosen])
    columns = [Column("held", np.array([float(found.is_held) for found in chosen]))]
    for name, score in (("hit", hits(places)), ("mrr", reciprocal_ranks(places))):
        columns += [Column(f"{name} {arm}", score[:, index]) for index, arm in enumerate(arms)]
        columns += [Column(f"{name} less {arm}", score[:, 0] - score[:, i]) for i, arm in enumerate(arms) if i]
    best = [found.best for found in chosen if found.best is not None]
    if len(best) == len(chosen):
        of_all = measure == "with_repeats"
        columns.append(Column("hit best", np.array([known.hit_of_all if of_all else known.hit for known in best])))
        columns.append(Column("mrr best", np.array([known.mrr_of_all if of_all else known.mrr for known in best])))
    return columns


def _percent(figure: dict[str, float]) -> str:
    return f"{100 * figure['value']:.1f}"


def _points(figure: dict[str, float]) -> str:
    return f"{100 * figure['value']:+.1f} [{100 * figure['low']:+.1f}, {100 * figure['high']:+.1f}]"


NOTE = (
    f"Hit rate and mean reciprocal rank among the first {LENGTH}, of the product that a session turns to next, before it does so, "
    "in the last part of the time. In percent; in brackets 95 % intervals of paired differences, by bootstrap over sessions. At a "
    "session's first event there is no profile, and everybody is shown the region's popular list. Known is the share of these "
    "products that the catalogue had by then."
)
