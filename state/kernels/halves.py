"""float16, in which features are logged and learned: rounding to it, and its bits."""

from typing import Any

import numpy as np

from state.kernels.compiled import compiled


@compiled
def round_as_half(x: Any) -> None:
    """Round `x` (m,) float32 in place to what float16 can hold: to nearest, ties to even, infinity from 65,520 on."""
    for i in range(len(x)):  # below the smallest normal number, 2⁻¹⁴, float16 has multiples of 2⁻²⁴
        steps = np.rint(x[i] * np.float32(16777216.0))
        x[i] = steps * np.float32(2.0**-24) if abs(x[i]) < np.float32(2.0**-14) else x[i]
    all_bits = x.view(np.uint32)
    for i in range(len(x)):
        bits = np.uint32(all_bits[i])
        size = np.uint32(bits & np.uint32(0x7FFFFFFF))
        beyond = np.uint32(0x7F800000) if size <= np.uint32(0x7F800000) else np.uint32(0x7FC00000)
        even = np.uint32((size >> np.uint32(13)) & np.uint32(1))
        near = np.uint32((size + np.uint32(0xFFF) + even) & np.uint32(0xFFFFE000))
        near = beyond if near >= np.uint32(0x47800000) else near
        rounded = np.uint32((bits & np.uint32(0x80000000)) | near)
        all_bits[i] = bits if size < np.uint32(0x38800000) else rounded


@compiled
def half_bits(x: Any, items: Any) -> Any:
    """Return the bits in float16 of the columns `items` (k,) of `x` (d, n), which float16 holds: (k, d) uint16."""
    bits = x.view(np.uint32)
    half = np.empty((len(items), len(x)), np.uint16)
    for i in range(len(items)):
        for j in range(len(x)):
            of = bits[j, items[i]]
            sign, size = (of >> 16) & 0x8000, of & 0x7FFFFFFF
            if size < 0x38800000:
                half[i, j] = sign | int(abs(x[j, items[i]]) * 16777216.0)
            elif size < 0x7F800000:
                half[i, j] = sign | ((size - 0x38000000) >> 13)
            else:
                half[i, j] = sign | (0x7C00 if size == 0x7F800000 else 0x7E00)
    return half
