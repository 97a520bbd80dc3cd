"""Reading what a session told of an event that it accepted, as SQL does in the job."""

from typing import NamedTuple

from state.events.accepted import ENTRY, FIELD, LINE


class Line(NamedTuple):
    """A product of an accepted event, see `state/events/accepted.py`; `companions` is the field as it is."""

    time_ms: int
    event_type: str
    region: str
    product_id: str
    category_id: str
    user: str
    moment: list[str]
    companions: str


def read_accepted(text: str) -> list[Line]:
    """The lines of an event."""
    lines = []
    for line in text.split(LINE):
        time_ms, event_type, region, product, category, user, moment, companions = line.split(FIELD)[:8]
        told = moment.split(ENTRY) if moment else []
        lines.append(Line(int(time_ms), event_type, region, product, category, user, told, companions))
    return lines
