"""A file that does not fit its mapping is stopped before its first event, in words that name the fix."""

import json
from pathlib import Path

import numpy as np
import pytest

from cli.errors import UserError
from cli.files.rows import open_rows
from cli.replay.acceptance import newest_of
from cli.replay.examination import Examination, absent_fields
from cli.replay.formats import Format, parse_format
from cli.replay.hints import choose_column
from cli.replay.mapping import RowMapper
from cli.replay.prepare import Prepared, prepare
from state.configuration import Events

HEADER = "user,item,at,kind"
START_S = 1_700_000_000


def mapping(time: str = "{column: at, unit: s}", source: str = "{}", session: str = "user") -> Format:
    return parse_format(
        f"source: {source}\ntime: {time}\nevent: {{session_id: {{column: {session}}}, event_type: {{column: kind}},"
        " product_id: {column: item}, region: {column: land}}",
        "mine",
    )


def clicks(count: int = 20, factor: float = 1, bad: int = 0, header: str = HEADER + "\n") -> str:
    rows = [f"u{n},i{n},{int((START_S + n) * factor)},product_view" for n in range(count - bad)]
    return header + "\n".join([*rows, *(f"u{n},i{n},{START_S},wish" for n in range(bad))]) + "\n"


def examined(tmp_path: Path, content: str | bytes, form: Format, most_bad: float = 0.5) -> tuple[Prepared, Examination]:
    path = tmp_path / "clicks.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with open_rows(path, form.source) as rows:
        examination = Examination(rows, form, Events(), most_bad)
        events = prepare(examination.watch(), RowMapper(form), examination.examine)
        examination.finish()
        assert absent_fields(form, rows.columns) == ([] if rows.columns is None else ["region"])
    return events, examination


def test_a_file_that_fits_goes_through(tmp_path: Path) -> None:
    events, examination = examined(tmp_path, clicks(), mapping())
    assert len(events.bodies) == 20
    assert not examination.bad


@pytest.mark.parametrize(
    ("content", "form", "words"),
    [
        (clicks(), mapping(session="session"), ["'session' (event.session_id)", "user, item, at, kind", "mean user?"]),
        (clicks(), mapping("{column: time, unit: s}"), ["'time' (time)", "did you mean at?"]),
        (clicks().replace(",", ";"), mapping(), ['separator ","', 'delimiter: ";"', "user;item;at;kind"]),
        (clicks().replace(",", "\t"), mapping(), ['delimiter: "\\t"']),
        (clicks().replace(",", "::"), mapping(), ['delimiter: "::"']),
        (clicks(), mapping(source="{delimiter: ';'}"), ['separator ";"', 'delimiter: ","']),
        (clicks(header=""), mapping(), ["header: false"]),
        (HEADER.replace("user", "u"), mapping(), ["'user'", "encoding utf-8"]),
        (clicks(), mapping("{column: at, unit: ms}"), ["1970", "set unit: s "]),
        (clicks(factor=1_000), mapping(), ["set unit: ms "]),
        (clicks(factor=1e6), mapping("{column: at, unit: ms}"), ["set unit: us "]),
        (clicks(factor=1_000), mapping("{column: at, unit: us}"), ["1970", "set unit: ms "]),
        (clicks(factor=1e9), mapping("{column: at, unit: us}"), ["set unit: ns "]),
        (clicks(), mapping("{column: at, format: iso}"), ["set unit: s "]),
        (clicks().replace(str(START_S)[:8], "2023-11-14 10:00:"), mapping(), ['set format: "iso"']),
        (clicks().replace(str(START_S)[:8], "14.11.2023 10:00:"), mapping(), ['set format: "%d.%m.%Y %H:%M:%S"']),
        (clicks(bad=11), mapping(), ["11 rows of 20", "unknown_event_type", "line 11", "'wish'", "--max-bad 1"]),
        (clicks().encode("utf-16-le"), mapping(), ["utf-16-le"]),
        (clicks().replace("u", "ü").replace("üser", "user").encode("latin-1"), mapping(), ["0xfc", "latin-1"]),
        ("", mapping(), ["is empty"]),
        (json.dumps({"events": []}), mapping(), ["events", "the file is one object"]),
        (json.dumps([{"user": "u"}]), mapping(), ["'at' (time)", "a JSON array"]),
        (clicks().replace(HEADER, '{"a":1}'), mapping(source="{kind: csv}"), ["kind: jsonl"]),
    ],
)
def test_a_file_that_does_not_fit_is_stopped_and_named(
    tmp_path: Path, content: str | bytes, form: Format, words: list[str]
) -> None:
    with pytest.raises(UserError) as told:
        examined(tmp_path, content, form)
    for word in words:
        assert word in str(told.value)
    assert "\n" not in str(told.value)


def test_dirty_rows_up_to_the_bound_are_counted_and_sent(tmp_path: Path) -> None:
    events, examination = examined(tmp_path, clicks(bad=10), mapping())
    assert len(events.bodies) == 20
    assert examination.bad == {"unknown_event_type event_type": 10}
    assert "line 12" in examination.examples["unknown_event_type event_type"]


def test_a_larger_bound_sends_everything_as_it_is(tmp_path: Path) -> None:
    events, _ = examined(tmp_path, clicks(bad=20), mapping(), most_bad=1)
    assert len(events.bodies) == 20


def test_a_long_file_is_stopped_after_its_sample(tmp_path: Path) -> None:
    content = clicks(2_000, bad=1_999)
    with pytest.raises(UserError, match=r"999 rows of the first 1,000"):
        examined(tmp_path, content, mapping())


def test_a_file_that_turns_bad_behind_its_sample_is_stopped_too(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"1,200 rows of 2,200"):
        examined(tmp_path, clicks(2_200, bad=1_200), mapping())


def test_times_that_count_from_zero_are_no_wrong_unit(tmp_path: Path) -> None:
    content = clicks().replace(str(START_S)[:8], "")
    events, _ = examined(tmp_path, content.replace(",00,", ",1,"), mapping())
    assert events.span_ms() is not None


def test_a_column_that_all_skips_need_must_be_there(tmp_path: Path) -> None:
    form = parse_format(
        "time: {column: at, unit: s}\nskip: [{column: amount, below: 0, reason: return}]\n"
        "event: {session_id: {column: user}, event_type: {constant: product_view}, region: {column: land}}",
        "mine",
    )
    with pytest.raises(UserError, match=r"'amount' \(skip\)"):
        examined(tmp_path, clicks(), form)


@pytest.mark.parametrize(
    ("where", "wanted", "found"),
    [
        ("event.session_id", "sesion", "user_session"),
        ("time", "ts", "event_time"),
        ("event.event_type", "action", "event_type"),
        ("event.session_id", "Product_ID", "product_id"),
        ("skip", "nothing", None),
    ],
)
def test_the_column_that_was_meant(where: str, wanted: str, found: str | None) -> None:
    columns = ["event_time", "event_type", "product_id", "user_id", "user_session"]
    assert choose_column(where, wanted, columns) == found


def test_few_times_ahead_of_the_clock_are_dirt_and_many_are_not() -> None:
    times_ms = np.arange(1_000)
    times_ms[7] = 10**9
    assert newest_of(times_ms, 10_000) == (999, 1)
    times_ms[:500] = 10**9
    assert newest_of(times_ms, 10_000) == (10**9, 0)
