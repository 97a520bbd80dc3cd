"""A dead letter as its readers see it, and the tally of many."""

import base64
import binascii
from collections import Counter
from typing import Any

import msgspec

UNREADABLE = "unreadable dead letter"


class DeadLetter(msgspec.Struct, frozen=True):
    """A record of the dead-letter topic. `payload_base64` holds the first 16 KiB at most of `payload_bytes`."""

    reason: str = UNREADABLE
    field: str | None = None
    detail: str = ""
    topic: str = ""
    partition: int = -1
    offset: int = -1
    timestamp: int = 0
    payload_base64: str = ""
    payload_bytes: int = 0
    not_stored: dict[str, int] = {}

    @property
    def payload(self) -> bytes:
        """The offending bytes, as many as were kept."""
        try:
            return base64.b64decode(self.payload_base64, validate=True)
        except (binascii.Error, ValueError):
            return b""

    @property
    def is_whole(self) -> bool:
        """Whether all of the payload was kept."""
        return self.reason != UNREADABLE and len(self.payload) == self.payload_bytes


_decoder = msgspec.json.Decoder(DeadLetter)


def read_dead_letter(value: bytes | None) -> DeadLetter:
    """Return the dead letter of a record; a stand-in with the reason `unreadable dead letter` where it is none."""
    try:
        return _decoder.decode(value or b"")
    except (msgspec.DecodeError, UnicodeError) as error:
        return DeadLetter(detail=str(error))


class Tally:
    """Numbers per reason, also of those that a flood left out, and the newest dead letters by the time of their record."""

    def __init__(self, keep: int) -> None:
        self.reasons: Counter[str] = Counter()
        self.not_stored = 0
        self._recent: list[tuple[int, bytes | None, DeadLetter]] = []
        self._keep = keep

    def add(self, record: Any) -> DeadLetter:
        """Count one Kafka record and return its dead letter."""
        letter = read_dead_letter(record.value)
        if letter.not_stored:  # stands for many, of which a flood left no more than their number
            self.reasons.update(letter.not_stored)
            self.not_stored += sum(letter.not_stored.values())
        else:
            self.reasons[letter.reason] += 1
        self._recent.append((record.timestamp, record.key, letter))
        if len(self._recent) > 4 * self._keep + 64:
            self._shrink()
        return letter

    def latest(self) -> list[tuple[int, bytes | None, DeadLetter]]:
        """Return the newest as (record time in ms, key, dead letter), oldest first."""
        self._shrink()
        return list(self._recent)

    def _shrink(self) -> None:
        self._recent = sorted(self._recent, key=lambda entry: entry[0])[-self._keep :] if self._keep else []
