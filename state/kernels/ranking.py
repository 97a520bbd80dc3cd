"""Which of many is the best, the n-th, or drawn by weight."""

from typing import Any

import numpy as np

from state.kernels.compiled import compiled

GONE = np.int32(-(2**31))
"""The key of an item that was placed, below that of any number."""


@compiled
def set_keys(keys: Any, row: Any, penalty: Any, eligible: Any, scores: Any, bits: Any) -> None:
    """Set `keys` (n,) to whole numbers in the order of `row` less `penalty` (n,) float32: the largest of them is found several
    times as fast. What is not eligible is gone. `scores` (n,) float32 is scratch, and `bits` the same bytes as whole numbers."""
    for i in range(len(row)):
        scores[i] = row[i] - penalty[i]
    for i in range(len(row)):
        of = np.int32(bits[i])
        key = of if of >= 0 else np.int32(of ^ np.int32(0x7FFFFFFF))
        keys[i] = key if eligible[i] else GONE


@compiled
def largest(keys: Any) -> int:
    """Return the index of the largest key, the first of equals. Two passes without branches, so that both are vectors: 21 ns for a
    hundred keys, and 77 ns where the second ends at the first that it finds."""
    most, size = GONE, np.int32(len(keys))
    for i in range(len(keys)):
        key = keys[i]
        most = key if key > most else most
    first = size
    for i in range(len(keys)):
        here = np.int32(i) if keys[i] == most else size
        first = here if here < first else first
    return int(first)


@compiled
def best_of(numbers: Any, penalty: Any, eligible: Any) -> int:
    """Return the eligible index of the largest number less its penalty, the first of equals."""
    best = -1
    for i in range(len(numbers)):
        if eligible[i] and (best < 0 or numbers[i] - penalty[i] > numbers[best] - penalty[best]):
            best = i
    return best


@compiled
def drawn_by_weight(weights: Any, point: float, best: int) -> int:
    """Return the index at which the running sum of the `weights` passes the point; `best` where rounding keeps it from that."""
    for i in range(len(weights)):
        point -= weights[i]
        if point < 0:
            return i
    return best


# What `thompson_slate` finds in its first argument: addresses, sizes and numbers that are the same for many slates. ROWS and CODES
# are the lengths of the catalogue's columns and of `code_slot`; the names are what they are in the functions above.
(
    TABLE,
    RATED,
    CATEGORY,
    USABLE,
    STAMP,
    ROWS,
    CODE_SLOT,
    CODES,
    POOL,
    POOL_SIZE,
    THETA,
    ROOT,
    DRAWS,
    SLOTS,
    CAPS,
    NUMBERS,
    PRODUCT_NAMES,
    CATEGORY_NAMES,
    CHOSEN,
    OUT,
) = range(20)
FIXED_SIZE = 20
# What it finds at the head of its second argument.
(
    NOW_MS,
    LAST_CODE,
    VISITS,
    ANYWHERE_PLACES,
    LIMIT,
    PERSONAL,
    MOMENT,
    MOMENT_SIZE,
    UNIFORMS,
    NORMALS,
    MARK,
    CATEGORIES_KNOWN,
    PRODUCTS_KNOWN,
    EXCLUDED_ROWS,
    LISTS_SIZE,
) = range(15)
ASKED_HEAD = 15
NAME_BYTES = 64
"""Of a name, with its length in the first."""
UNNAMED = 255
"""In place of the length of a name that is not held: it is too long, or JSON writes it otherwise."""


@compiled
def nth_of(open_: Any, nth: int) -> int:
    """Return the open index that has `nth` open ones before it."""
    for i in range(len(open_)):
        if open_[i]:
            if nth == 0:
                return i
            nth -= 1
    return -1
