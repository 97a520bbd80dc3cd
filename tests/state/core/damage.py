"""State values of sessions as records, taken apart and put together wrongly."""

from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from state.kernels.core.layout import COLUMNS, COUNT_CAPACITY, HEAD_BYTES, HEADER, SESSION

COUNTS = [name for name, _ in HEADER[: len(COUNT_CAPACITY)]]
_INTEGERS = (0, 1, -1, 127, 128, 255, 256, 32_000, 65_535, 2**31 - 1, -(2**31), 2**63 - 1, -(2**63))
_REALS = (0.0, -0.0, 1.0, -1.0, 1e-300, 1e300, -1e300, np.inf, -np.inf, np.nan, 5e-324, 1e6)


class Parts:
    """A record's header and columns."""

    def __init__(self, data: bytes) -> None:
        self.head = np.frombuffer(data[1 : 1 + HEAD_BYTES] + bytes(SESSION.itemsize - HEAD_BYTES), SESSION).copy()
        self.columns: dict[str, NDArray[Any]] = {}
        at = 1 + HEAD_BYTES
        for name, kind, _, counted, more in COLUMNS:
            dtype, count = np.dtype(kind), int(self.head[COUNTS[counted]][0])
            items = count * int(np.prod(more, dtype=int))
            self.columns[name] = np.frombuffer(data, dtype, items, at).reshape(count, *more).copy()
            at += items * dtype.itemsize
        assert at == len(data)

    def joined(self) -> bytes:
        """Return the state value."""
        head = b"\x02" + self.head.tobytes()[:HEAD_BYTES]
        return head + b"".join(self.columns[name].tobytes() for name, *_ in COLUMNS)

    def resize(self, count: int, size: int) -> None:
        """Give all columns of a count another length, so that they still fit together."""
        self.head[COUNTS[count]] = size
        for name, _, _, counted, _ in COLUMNS:
            column = self.columns[name]
            if counted == count:
                source = column if len(column) else np.zeros((1, *column.shape[1:]), column.dtype)
                self.columns[name] = np.resize(source, (size, *column.shape[1:]))


def set_wildly(array: NDArray[Any], rng: Random) -> None:
    """Set one number of an array to one that it may not expect."""
    if array.size:
        flat = array.reshape(-1)
        if array.dtype.kind == "f":
            flat[rng.randrange(len(flat))] = rng.choice(_REALS)
        else:
            value = rng.choice((*_INTEGERS, rng.getrandbits(63)))
            flat[rng.randrange(len(flat))] = np.array(value, np.int64).astype(array.dtype)


def damaged(data: bytes, rng: Random) -> bytes:
    """The state value with something wrong."""
    way = rng.randrange(8)
    if way == 0:
        return data[: rng.randrange(len(data))]
    if way == 1:
        return data + bytes(rng.randrange(1, 99))
    if way == 2:
        return bytes((2,)) + rng.randbytes(rng.randrange(3_000))
    if way == 3:
        changed = bytearray(data)
        for _ in range(rng.randint(1, 8)):
            changed[rng.randrange(len(changed) if rng.random() < 0.5 else HEAD_BYTES)] = rng.randrange(256)
        return bytes(changed)
    parts = Parts(data)
    for _ in range(rng.randint(1, 3)):
        if way == 4:
            set_wildly(parts.head[rng.choice(HEADER)[0]], rng)
        elif way == 5:
            count = rng.randrange(len(COUNTS))
            most = int(COUNT_CAPACITY[count])
            parts.resize(
                count, max(0, rng.choice((0, 1, most, most - 1, most - 2, most - 24, rng.randrange(most + 2))))
            )
        else:
            for _ in range(rng.randint(1, 40)):
                set_wildly(parts.columns[rng.choice(COLUMNS)[0]], rng)
    return parts.joined()
