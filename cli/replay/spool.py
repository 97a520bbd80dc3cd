"""Many small records in bounded memory: what does not fit lies in a temporary file without a name."""

import tempfile
from array import array

MEMORY_BYTES = 64 * 1024 * 1024
NO_KEY = 2**32 - 1


class Spool:
    """Records of key and value that are appended, then read in any order; 12 bytes of memory each beyond `MEMORY_BYTES`."""

    def __init__(self, memory_bytes: int = MEMORY_BYTES) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=memory_bytes)  # noqa: SIM115  lives as long as the spool
        self._ends = array("Q", [0])
        self._key_lengths = array("I")

    def append(self, key: bytes | None, value: bytes) -> None:
        """Add a record; all appending comes before all reading."""
        self._file.write(value if key is None else key + value)
        self._key_lengths.append(NO_KEY if key is None else len(key))
        self._ends.append(self._ends[-1] + len(value) + len(key or b""))

    def __len__(self) -> int:
        return len(self._key_lengths)

    def __getitem__(self, index: int) -> tuple[bytes | None, bytes]:
        begin, end = self._ends[index], self._ends[index + 1]
        self._file.seek(begin)
        content = self._file.read(end - begin)
        length = self._key_lengths[index]
        return (None, content) if length == NO_KEY else (content[:length], content[length:])
