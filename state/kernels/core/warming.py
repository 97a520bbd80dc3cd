"""Compiling the compiled core before the first event."""

import numpy as np

from state.kernels.core.batch import run_batch
from state.kernels.core.first_pass import find_best
from state.kernels.core.layout import CALL, INPUT, OUTS, RESULT, SESSION, STATE, WORLD
from state.kernels.core.naming import hash_bytes, key_bytes
from state.kernels.core.record import fill_index, move_in, put_in


def warm() -> None:
    """Compile what is not compiled yet, or load it: a call without inputs, and what Python calls besides."""
    call = np.zeros(1, CALL)
    arrays = {
        "sessions": np.zeros(1, SESSION),
        "worlds": np.zeros(1, WORLD),
        "inputs": np.zeros(1, INPUT),
        "states": np.zeros(1, STATE),
        "results": np.zeros(1, RESULT),
        "outs": np.zeros(OUTS, np.int64),
        "ends": np.zeros(OUTS, np.int64),
    }
    for name, array in arrays.items():
        call[name] = array.ctypes.data
    call["n_worlds"] = 1
    run_batch(int(call.ctypes.data))
    hash_bytes(b"a name")
    key_bytes(1, b"a name")
    names, slots, numbers = np.zeros(128, np.uint8), np.full((4, 2), -1, np.int64), np.zeros(2, np.int64)
    held = np.zeros(2, np.uint8)
    fill_index(names.ctypes.data, 2, held.ctypes.data, slots.ctypes.data, 3, numbers.ctypes.data)
    put_in(slots.ctypes.data, 3, 0, 1)
    nothing = int(names.ctypes.data)
    find_best(
        nothing,
        0,
        nothing,
        0,
        0,
        nothing,
        0,
        nothing,
        nothing,
        0,
        nothing,
        0.0,
        0.0,
        nothing,
        nothing,
        0,
        nothing,
        nothing,
        0,
    )
    move_in(names.ctypes.data, 1, False, slots.ctypes.data, 3, numbers.ctypes.data, 2)
