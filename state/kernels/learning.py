"""Adding examples to the sums that are learned from."""

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from state.kernels.compiled import kept

WEIGHED = 6
"""Columns of an example's numbers: count, reward, squared reward, exposures and rewards at its position, all times its weight, and
the position, negative where it teaches nothing of positions."""

_PLACE = WEIGHED - 1
_Function = TypeVar("_Function", bound=Callable[..., Any])


def _borrowing(function: _Function) -> _Function:
    """Compiled so that it counts no references to the arrays that it is given, which would take longer than its work."""
    return kept(function, fastmath={"contract", "reassoc", "nsz", "arcp"}, _nrt=False)


@_borrowing
def are_within(x: Any, largest: float) -> Any:
    """Return whether all of `x` (n, d) is finite and at most so large."""
    for row in x:
        for value in row:
            if not abs(value) <= largest:
                return False
    return True


@_borrowing
def add_to_sums(x: Any, numbers: Any, a: Any, b: Any, totals: Any, positions: Any) -> None:
    """Add n examples with features `x` (n, d) and `numbers` (n, `WEIGHED`) to A (d, d), b (d), totals (3) and positions (2, k)."""
    examples, dimension = x.shape
    for i in range(examples):
        count, reward, position = numbers[i, 0], numbers[i, 1], int(numbers[i, _PLACE])
        for j in range(3):
            totals[j] += numbers[i, j]
        if 0 <= position < positions.shape[1]:
            positions[0, position] += numbers[i, 3]
            positions[1, position] += numbers[i, 4]
        for j in range(dimension):
            b[j] += reward * x[i, j]
            counted = count * x[i, j]
            for k in range(dimension):
                a[j, k] += counted * x[i, k]


@_borrowing
def add_to_rows(x: Any, numbers: Any, rows: Any, table: Any) -> None:
    """Add count, reward and count · x of n examples, as above but for what follows the first two numbers, to their `rows` (n) of a
    `table` whose columns begin with these."""
    examples, dimension = x.shape
    for i in range(examples):
        row, count = rows[i], numbers[i, 0]
        table[row, 0] += count
        table[row, 1] += numbers[i, 1]
        for j in range(dimension):
            table[row, 2 + j] += count * x[i, j]


def warm() -> None:
    """Compile what is not compiled yet, or loads it."""
    x, numbers, table = np.zeros((1, 1)), np.zeros((1, WEIGHED)), np.zeros((1, 3))
    are_within(x, 1.0)
    add_to_sums(x, numbers, np.zeros((1, 1)), np.zeros(1), np.zeros(3), np.zeros((2, 1)))
    add_to_rows(x, numbers, np.zeros(1, np.int64), table)
