"""Finding the candidates of a choice in the sources' lists."""

from typing import Any

import numpy as np
from numba import carray

from state.kernels.columns import LIST_HEAD, LIST_PART, ListHead, ListPart
from state.kernels.compiled import compiled, pointer

MARK_STEPS = 4_096
"""More than there are candidates of a choice, by which the marks of two choices differ."""
EXCLUDED = MARK_STEPS - 1
"""What is added to a choice's mark for a row that must not be shown."""
RANDOM = 10
"""The code of candidates that were drawn from all that is held."""


@compiled
def gather(lists: Any, pool: Any, usable: Any, excluded: Any, uniforms: Any, random: int, stamp: Any, mark: int) -> Any:
    """Return candidate rows, each once, and the code of the source of each, (2, n): the first of the `lists` until all but `random`
    places are taken; then rows of the `pool` drawn with `uniforms` (limit,) until there are `limit`; all of the pool where it holds
    no more than are missing.

    `lists` (float64) are the sources' lists of rows in the order of preference, in the form of `CandidateLists.lists`. `usable`
    (rows,) says which rows may be shown, `excluded` which may not all the same. `stamp` (rows,) is scratch, in which no row holds
    `mark` or more; afterwards the i-th candidate's holds mark + i.
    """
    limit = len(uniforms)
    out = np.empty((2, limit), np.int64)
    for row in excluded:
        stamp[int(row)] = mark + EXCLUDED
    found = _add_lists(out, lists, limit - random, usable, stamp, mark)
    missing = limit - found
    size = len(pool)
    for i in range(min(missing, size)):
        row = pool[i] if size <= missing else pool[int(uniforms[i] * size)]
        found = _add(out, found, row, RANDOM, usable, stamp, mark)
    return out[:, :found]


@compiled
def _add_lists(out: Any, lists: Any, most: int, usable: Any, stamp: Any, mark: int) -> int:
    """Takes rows of the lists, at most so many; returns how many."""
    found = at = 0
    while at < len(lists) and found < most:
        head = lists[at : at + LIST_HEAD]
        source, wanted = int(head[ListHead.SOURCE]), int(head[ListHead.MOST])
        parts, size = int(head[ListHead.PARTS]), int(head[ListHead.SIZE])
        at += LIST_HEAD
        if parts == 0:
            for i in range(min(size, wanted)):
                if found < most:
                    found = _add(out, found, int(lists[at + i]), source, usable, stamp, mark)
            at += size
        for turn in range(size if parts else 0):
            for part in range(at, at + LIST_PART * parts, LIST_PART):
                if turn < lists[part + ListPart.SIZE] and wanted > 0 and found < most:
                    wanted -= 1
                    row = carray(pointer(int(lists[part + ListPart.ROWS])), turn + 1, np.int64)[turn]
                    found = _add(out, found, row, source, usable, stamp, mark)
            if wanted <= 0 or found == most:
                break
        at += LIST_PART * parts
    return found


@compiled
def _add(out: Any, found: int, row: int, source: int, usable: Any, stamp: Any, mark: int) -> int:
    """Takes a row where it may be shown and was not taken; returns how many there are then."""
    if stamp[row] >= mark or not usable[row]:
        return found
    stamp[row] = mark + found
    out[0, found], out[1, found] = row, source
    return found + 1
