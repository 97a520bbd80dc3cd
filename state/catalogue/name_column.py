"""Names by number in one piece of memory, for kernels that write them."""

import msgspec
import numpy as np

from state.kernels import NAME_BYTES, UNNAMED


class NameColumn:
    """`NAME_BYTES` for each number: the name's length and its bytes in UTF-8, or `UNNAMED` where it is longer than that, or JSON
    would write it otherwise. A number without a name has the empty one.

    Attributes:
        address: where the first begins; another after the column has grown.
    """

    def __init__(self, size: int) -> None:
        self._use(bytearray(NAME_BYTES * size))

    def put(self, number: int, name: str) -> None:
        """Set a number's name."""
        if NAME_BYTES * number >= len(self._bytes):
            self._use(self._bytes + bytes(max(len(self._bytes), NAME_BYTES * (number + 1))))
        start, text = NAME_BYTES * number, plain_name(name)
        self._bytes[start] = UNNAMED if text is None else len(text)
        if text is not None:
            self._bytes[start + 1 : start + 1 + len(text)] = text

    @property
    def size(self) -> int:
        """Bytes of the column."""
        return len(self._bytes)

    def is_plain(self, number: int) -> bool:
        """Return whether the number's name stands in the column."""
        return self._bytes[NAME_BYTES * number] != UNNAMED

    def _use(self, names: bytearray) -> None:
        self._bytes = names
        self.address = int(np.frombuffer(names, dtype=np.uint8).ctypes.data)


def plain_name(name: str) -> bytes | None:
    """Return a name as it stands in a column, None where it does not."""
    text = _encoder.encode(name)[1:-1]
    return text if len(text) < NAME_BYTES and b"\\" not in text else None


_encoder = msgspec.json.Encoder()
