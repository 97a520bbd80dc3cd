"""A profile's place in the order of its session's profiles, and the forms in which it travels."""

import re
from typing import NamedTuple

HEAD_BYTES = 121
"""A profile begins with the numbers that order it; so many bytes always hold them."""
_HEAD = re.compile(rb'\{"schema":\d{1,9},"generation":(\d{1,19}),"version":(\d{1,19}),"updated_at":(\d{1,19})')
_EVENT_ID = re.compile(r"(\d{1,19})-(\d{1,19})", re.ASCII)


class Position(NamedTuple):
    """Position of a profile. Positions compare as the job compares writes: generation, then version, then time of publication."""

    generation: int
    version: int
    updated_at_ms: int

    @property
    def event_id(self) -> str:
        """The id of the event that announces this profile."""
        return f"{self.generation}-{self.version}"

    def is_after(self, seen: tuple[int, int]) -> bool:
        """Say if a client that saw (generation, version) has missed this profile."""
        return self[:2] > seen


NOWHERE = Position(0, 0, 0)
"""Before every profile: where a session without one stands."""


def position_of(head: object) -> Position:
    """Read the position from a profile's first bytes; `NOWHERE` if they are not those of a profile."""
    match = _HEAD.match(head) if isinstance(head, bytes) else None
    return Position(*map(int, match.groups())) if match else NOWHERE


def parse_event_id(text: str) -> tuple[int, int] | None:
    """Read `GENERATION-VERSION`; None if the text is anything else."""
    match = _EVENT_ID.fullmatch(text.strip())
    return (int(match[1]), int(match[2])) if match else None
