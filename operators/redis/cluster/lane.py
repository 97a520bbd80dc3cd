"""What waits for one primary, and what is on its way there."""

from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from operators.redis.cluster.pipeline import NodePipeline
from operators.redis.errors import RedisTrouble
from state.profile.effect import Write

FIRST_BACKOFF_S, LONGEST_BACKOFF_S = 0.05, 2.0


class Held(msgspec.Struct, gc=False):
    """Write or deletion of a session that is not known to be carried out.

    `number` rises, so the higher of two is the newer. `clicked_ms` are the clicks that it answers.
    """

    session_id: str
    write: Write | None
    slot: int
    number: int
    clicked_ms: list[int]
    redirections: int = 0


class Question(NamedTuple):
    """A command besides those. `answered` gets the answer, or the error that Redis answered with."""

    command: bytes
    answered: Callable[[Any], None]


class Asking(NamedTuple):
    """The word `ASKING` before a command for a slot that is on its way here."""


ASKING = Asking()
Sent = Held | Question | Asking


class Lane:
    """Queue to one primary.

    Attributes:
        deletions: by session; they go out first, since a full Redis takes them and no writes.
        writes: likewise.
        asking: redirected here once, for a slot that is on its way here.
        questions: to be sent.
        in_flight: sent and without an answer, in order.
        heard_at_s: when the node last answered, or the first of these was sent.
        rests_until_s: nothing is tried before.
        troubles: that the log has named since the node last carried something out.
    """

    def __init__(self, pipeline: NodePipeline) -> None:
        self.pipeline = pipeline
        self.deletions: dict[str, Held] = {}
        self.writes: dict[str, Held] = {}
        self.asking: deque[Held] = deque()
        self.questions: deque[Question] = deque()
        self.in_flight: deque[Sent] = deque()
        self.heard_at_s = 0.0
        self.rests_until_s = 0.0
        self.troubles: set[str] = set()
        self._backoff_s = FIRST_BACKOFF_S

    @property
    def is_away(self) -> bool:
        """Whether another node may have its place soon."""
        return bool(self.troubles & {RedisTrouble.AWAY, RedisTrouble.SLOTS})

    @property
    def waiting(self) -> int:
        """How many sessions wait."""
        return len(self.deletions) + len(self.writes)

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to send."""
        return not (self.deletions or self.writes or self.asking or self.questions)

    def hold(self, held: Held) -> None:
        """Let it wait, or what waits of the session already: the newer of both, with the clicks of both."""
        found = self.writes.pop(held.session_id, None) or self.deletions.pop(held.session_id, None)
        if found is not None:
            older, held = sorted((found, held), key=_number)
            held.clicked_ms = older.clicked_ms + held.clicked_ms
        (self.deletions if held.write is None else self.writes)[held.session_id] = held

    def holds(self, session_id: str) -> bool:
        """Return whether something of the session waits."""
        return session_id in self.writes or session_id in self.deletions

    def next_held(self, most: int, is_flying: Callable[[str], bool]) -> list[Held]:
        """Take up to so many out, none of a session of which something is on its way: so none overtakes another."""
        taken: list[Held] = []
        for waiting in (self.deletions, self.writes):
            chosen: list[str] = []
            for session_id in waiting:
                if len(taken) + len(chosen) >= most:
                    break
                if not is_flying(session_id):
                    chosen.append(session_id)
            taken += map(waiting.pop, chosen)
        return taken

    def drain_waiting(self) -> list[Held]:
        """Take out what waits to be sent by its slot."""
        held = [*self.deletions.values(), *self.writes.values()]
        self.deletions.clear()
        self.writes.clear()
        return held

    def drain_lost(self) -> list[Held]:
        """Take out what was sent, or redirected here, and has no answer. Questions are lost."""
        held = [*(sent for sent in self.in_flight if isinstance(sent, Held)), *self.asking]
        self.in_flight.clear()
        self.asking.clear()
        self.questions.clear()
        return held

    def rest(self, now_s: float) -> None:
        """Leave the node alone for a while, longer each time."""
        self.rests_until_s = now_s + self._backoff_s
        self._backoff_s = min(2 * self._backoff_s, LONGEST_BACKOFF_S)

    def succeed(self) -> None:
        """Note that the node carries out what it is sent."""
        self._backoff_s = FIRST_BACKOFF_S
        self.troubles.clear()


def _number(held: Held) -> int:
    return held.number
