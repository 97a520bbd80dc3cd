"""Reading what a session moments of an event that it accepted, as SQL does in the job."""

from typing import NamedTuple

from state.events.accepted import ENTRY, FIELD, LINE


class Line(NamedTuple):
    """A product of an accepted event, see `state/events/accepted.py`; `partners` is the field as it is."""

    time_ms: int
    event_type: str
    region: str
    product_id: str
    category_id: str
    user: str
    moment: list[str]
    partners: str


def read_accepted(text: str) -> list[Line]:
    """The lines of an event."""
    lines = []
    for line in text.split(LINE):
        time_ms, event_type, region, product, category, user, moment, partners = line.split(FIELD)[:8]
        moments = moment.split(ENTRY) if moment else []
        lines.append(Line(int(time_ms), event_type, region, product, category, user, moments, partners))
    return lines
