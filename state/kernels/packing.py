"""MessagePack, as much of it as a slate needs."""

from typing import Any

import numpy as np
from numba import carray

from state.kernels.compiled import compiled, pointer

NAME_BYTES = 64
"""Of a name, with its length in the first."""
UNNAMED = 255
"""In place of the length of a name that is not held: it is too long, or JSON writes it otherwise."""
ARRAY, BYTES, STRING, FLOAT, TRUE, FALSE = 0xDC, 0xC5, 0xD9, 0xCB, 0xC3, 0xC2
"""MessagePack's marks of an array and of bytes with a two-byte length, of a string with one byte, and of numbers and truths."""


@compiled
def put_head(out: Any, at: int, kind: int, length: int) -> int:
    """Write MessagePack's head of something of a two-byte length; return where it ends."""
    out[at], out[at + 1], out[at + 2] = kind, length >> 8, length & 0xFF
    return at + 3


@compiled
def put_bytes(out: Any, at: int, text: Any) -> int:
    """Write bytes; return where they end."""
    at = put_head(out, at, BYTES, len(text))
    for i in range(len(text)):
        out[at + i] = text[i]
    return at + len(text)


@compiled
def put_floats(out: Any, at: int, numbers: Any) -> int:
    """Write an array of float64; return where it ends."""
    at, bits = put_head(out, at, ARRAY, len(numbers)), numbers.view(np.uint64)
    for i in range(len(bits)):
        out[at] = FLOAT
        for byte in range(8):
            out[at + 1 + byte] = bits[i] >> np.uint64(56 - 8 * byte)
        at += 9
    return at


@compiled
def put_flags(out: Any, at: int, numbers: Any) -> int:
    """Write an array of truths, true for what is positive; return where it ends."""
    at = put_head(out, at, ARRAY, len(numbers))
    for i in range(len(numbers)):
        out[at + i] = TRUE if numbers[i] > 0 else FALSE
    return at + len(numbers)


@compiled
def put_names(out: Any, at: int, names_at: int, rows: Any) -> tuple[int, bool]:
    """Write an array of names; return where it ends and whether all were held."""
    at, are_held = put_head(out, at, ARRAY, len(rows)), True
    for row in rows:
        name = carray(pointer(names_at + NAME_BYTES * row), NAME_BYTES, np.uint8)
        length = int(name[0])
        if length == UNNAMED:
            length, are_held = 0, False
        out[at], out[at + 1] = STRING, length
        for i in range(length):
            out[at + 2 + i] = name[1 + i]
        at += 2 + length
    return at, are_held
