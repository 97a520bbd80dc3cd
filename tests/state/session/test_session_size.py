"""How much state a session takes."""

import uuid

import msgspec

from state.session.forms import decode_session
from tests.state.shop import Visit, event, settings, shop

KIB = 1024


def test_a_session_of_50_events_fits_its_bounds() -> None:
    """At most 4 KiB, and besides it at most 8 KiB of slates and open exposures, with UUIDs as event ids."""
    visit = Visit(shop(settings(decisions={"full_share": 0.0}), products=300, categories=12))
    for number in range(25):
        name = f"product-{number * 11 % 300}"
        view = event("product_view", number * 40_000, event_id=str(uuid.UUID(int=2 * number + 1)), product_id=name)
        visit.send(view)
        visit.send(visit.impression(number * 40_000 + 5_000, items=8, event_id=str(uuid.UUID(int=2 * number + 2))))
    session = visit.session
    assert len(session.recent.events) == 50
    assert len(session.exposures) == 32
    beside = len(msgspec.msgpack.encode(session.slates)) + len(msgspec.msgpack.encode(session.exposures))
    assert beside <= 8 * KIB
    assert visit.data is not None
    assert len(visit.data) - beside <= 4 * KIB


def test_slates_that_no_input_needs_are_stored_as_they_were() -> None:
    visit = Visit(shop())
    visit.send(event(at_ms=0), event(at_ms=5_000, product_id="product-2"))
    assert visit.data is not None
    session = decode_session(visit.data)
    assert session.encode() == visit.data
    assert "slates" not in vars(session)
    assert [slate.profile_version for slate in session.slates] == [1, 2]
    session.slates[0].seen = 5
    assert decode_session(session.encode()).slates[0].seen == 5
