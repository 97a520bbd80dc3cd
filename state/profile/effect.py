"""What follows from one input of one session, for the operator to carry out."""

import msgspec

from state.session.log import Record
from state.session.session import Session


class Write(msgspec.Struct, gc=False):
    """A profile to write: its place in the order of writes, its bytes, and its life where that is not `session.ttl`."""

    generation: int
    version: int
    updated_at_ms: int
    profile: bytes
    life_ms: int = 0


class Effect(msgspec.Struct):
    """Consequences of an input.

    `session` is to be stored, None to be cleared; `write` is the profile to publish, or `delete` to take it away; `timer_ms` is an
    event-time timer to set, None where the one that is set will do; `pending_ms` is a wall-clock timer to set for
    `publish_pending`, None likewise; `counts` are increments of metrics by name; `accepted` tells the rest of the job of the event.
    `is_due` says that `Publisher.publish_due` is to follow.
    """

    session: Session | None
    records: list[Record] = []
    write: Write | None = None
    delete: bool = False
    timer_ms: int | None = None
    pending_ms: int | None = None
    counts: dict[str, int] = {}
    accepted: str | None = None
    is_due: bool = False
