"""Rows to events."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.errors import UserError
from cli.replay.formats import Field, Format, Time, load_format, parse_format, shipped_formats
from cli.replay.mapping import RowMapper, time_reader
from cli.replay.prepare import prepare
from state.events.event import Event, read_event

NOW_MS = 1_800_000_000_000


def map_row(name: str, row: dict[str, Any]) -> Any:
    return RowMapper(load_format(name)).map_row(row)


def as_event(name: str, row: dict[str, Any]) -> Any:
    prepared = prepare([row], RowMapper(load_format(name)))
    return read_event(prepared.value(0), now_ms=NOW_MS, max_bytes=65_536, max_future_ms=0)


@pytest.mark.parametrize(
    ("behaviour", "event_type"),
    [("pv", "product_view"), ("cart", "add_to_cart"), ("buy", "checkout"), ("fav", "feedback")],
)
def test_taobao_rows_become_valid_events(behaviour: str, event_type: str) -> None:
    row = {"user": "7", "item": "8", "category": "9", "behaviour": behaviour, "time": "1511658000"}
    event = as_event("taobao", row)
    assert isinstance(event, Event)
    assert (event.session_id, event.event_type, event.product_id, event.category_id) == ("7", event_type, "8", "9")
    assert event.timestamp == 1_511_658_000_000
    assert (event.feedback is not None) == (behaviour == "fav")


RETAIL = {
    "InvoiceNo": "536365",
    "StockCode": "85123A",
    "Quantity": "6",
    "InvoiceDate": "2010-12-01 08:26:00",
    "UnitPrice": "2.55",
    "CustomerID": "17850.0",
    "Country": "United Kingdom",
}


def test_a_retail_row_is_a_checkout_of_its_customer() -> None:
    event = as_event("online-retail", RETAIL)
    assert isinstance(event, Event)
    assert (event.session_id, event.event_type, event.product_id) == ("17850", "checkout", "85123A")
    assert (event.price, event.quantity, event.region) == (2.55, 6, "United Kingdom")
    assert event.context == {"invoice": "536365"}
    assert event.timestamp == 1_291_191_960_000


def test_a_retail_row_without_customer_belongs_to_its_invoice() -> None:
    assert as_event("online-retail", {**RETAIL, "CustomerID": ""}).session_id == "536365"


def test_a_return_is_skipped_with_a_reason() -> None:
    assert map_row("online-retail", {**RETAIL, "Quantity": "-6"}) == "return (negative quantity)"


@pytest.mark.parametrize("time", ["", "soon", "-5", "nan", "1e400", "99999999999999999999"])
def test_a_row_with_a_bad_time_keeps_it_and_is_sent(time: str) -> None:
    row = {"user": "7", "item": "8", "category": "9", "behaviour": "pv", "time": time}
    mapped = map_row("taobao", row)
    assert mapped.timestamp_ms is None
    assert mapped.fields["timestamp"] == time
    assert not isinstance(as_event("taobao", row), Event)


def test_a_behaviour_that_is_not_named_stays_and_is_refused_later() -> None:
    row = {"user": "7", "item": "8", "category": "9", "behaviour": "wish", "time": "1511658000"}
    assert map_row("taobao", row).fields["event_type"] == "wish"


@pytest.mark.parametrize(
    ("time", "value", "expected"),
    [
        (Time("t", unit="s"), "1.5", 1_500),
        (Time("t", unit="ms"), 1_500, 1_500),
        (Time("t", unit="us"), "1500000", 1_500),
        (Time("t", unit="ns"), "1763769990001000000", 1_763_769_990_001),
        (Time("t", format="iso"), "1970-01-02T00:00:00+01:00", 82_800_000),
        (Time("t", format="%d/%m/%Y %H:%M", timezone="Europe/Paris"), "02/01/1970 00:00", 82_800_000),
        (Time("t", unit="s"), True, None),
        (Time("t", unit="s"), None, None),
        (Time("t", format="iso"), "yesterday", None),
    ],
)
def test_times(time: Time, value: Any, expected: int | None) -> None:
    assert time_reader(time)(value) == expected


@given(st.one_of(st.text(), st.integers(), st.floats(), st.none(), st.booleans()))
def test_no_value_breaks_the_reading_of_times(value: Any) -> None:
    for time in (Time("t", unit="s"), Time("t", format="iso")):
        result = time_reader(time)(value)
        assert result is None or result > 0


@given(st.dictionaries(st.sampled_from(["user", "item", "category", "behaviour", "time"]), st.text()))
def test_no_row_vanishes_or_breaks_the_replay(row: dict[str, str]) -> None:
    prepared = prepare([row], RowMapper(load_format("taobao")))
    assert len(prepared.bodies) == 1
    read_event(prepared.value(0), now_ms=NOW_MS, max_bytes=65_536, max_future_ms=0)


def test_own_events_keep_everything() -> None:
    row = {"session_id": "s", "event_type": "checkout", "timestamp": 5, "event_id": "e", "items": [{"product_id": "p"}]}
    event = as_event("events", {**row, "unknown": 1})
    assert isinstance(event, Event)
    assert event.items is not None
    assert event.event_id == "e"


def test_all_shipped_formats_load() -> None:
    assert {"taobao", "online-retail", "events"} <= set(shipped_formats())
    for name in shipped_formats():
        assert load_format(name).event


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("time: {column: t, unit: s}", "event"),
        ("time: {column: t}\nevent: {}", "either unit"),
        ("time: {column: t, unit: s}\nevent: {a: {}}", "event.a needs either column or constant"),
        ("time: {column: t, unit: s}\nevent: {}\nsorce: {}", "sorce"),
        ("a: [", "not YAML"),
        ("time: {column: t, unit: weeks}\nevent: {}", "time.unit"),
    ],
)
def test_a_wrong_mapping_names_the_key(text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        parse_format(text, "mine")


def test_an_unknown_format_names_the_known_ones() -> None:
    with pytest.raises(UserError, match="did you mean taobao"):
        load_format("taobo")


def test_the_documented_mapping_is_valid() -> None:
    readme = (Path(__file__).parents[2] / "conf" / "formats" / "README.md").read_text(encoding="utf-8")
    mapping = parse_format(readme.split("```yaml")[1].split("```")[0], "README")
    assert mapping.skip[0].reason == "return"


def test_a_prefix_and_a_constant() -> None:
    mapping = Format(
        time=Time("t", unit="s"),
        event={"session_id": Field(column="u", prefix="web-"), "region": Field(constant="EU")},
    )
    mapped = RowMapper(mapping).map_row({"u": 3, "t": 1})
    assert not isinstance(mapped, str)
    assert mapped.fields == {"session_id": "web-3", "region": "EU"}
