"""Which snapshots of the model are kept for a rollback: one an hour, the newest 48."""

import msgspec

from state.codec import reading

ARCHIVE_INTERVAL_MS = 3_600_000
ARCHIVE_SIZE = 48


class Archive:
    """Versions in the archive, oldest first."""

    def __init__(self, versions: list[int]) -> None:
        self.versions = versions

    def is_due(self, now_ms: int) -> bool:
        """Return whether the newest is an hour old, or there is none."""
        return not self.versions or now_ms - self.versions[-1] >= ARCHIVE_INTERVAL_MS

    def add(self, version: int) -> list[int]:
        """Take a version in and return those that have to go for it."""
        self.versions.append(version)
        removed = self.versions[:-ARCHIVE_SIZE]
        self.versions = self.versions[-ARCHIVE_SIZE:]
        return removed

    def encode(self) -> bytes:
        """Return bytes for Flink's state."""
        return msgspec.msgpack.encode(self.versions)

    @classmethod
    def decode(cls, data: bytes | None) -> "Archive":
        """Invert `encode`; empty for None."""
        if data is None:
            return cls([])
        with reading("the archive's list"):
            return cls(msgspec.msgpack.decode(data, type=list[int]))
