"""Order, duplicates, shifting, ids, and what is refused before anything is sent."""

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.errors import UserError
from cli.event_clock import clock_ms
from cli.files.rows import read_rows
from cli.files.source import Source
from cli.replay.acceptance import check_age, check_future
from cli.replay.formats import load_format
from cli.replay.mapping import RowMapper
from cli.replay.prepare import Prepared, dated_value, prepare
from cli.replay.sending_order import sending_order
from state.configuration import Events

DATA = Path(__file__).parents[2].parent / "shared" / "data"
HOUR_MS = 3_600_000
TIMES = st.lists(st.integers(0, 10_000), min_size=1, max_size=60)


@given(TIMES, st.floats(0, 1), st.integers(0, 500), st.integers(0, 2**32))
def test_disorder_is_bounded_and_nothing_is_lost(times: list[int], share: float, within_ms: int, seed: int) -> None:
    order = sending_order(np.array(times), share, within_ms, np.random.default_rng(seed))
    sent = [times[index] for index in order.indices]
    newest = -1
    for time in sent:
        assert time >= newest - within_ms
        newest = max(newest, time)
    assert set(order.indices.tolist()) == set(range(len(times)))
    assert len(sent) == len(times) + order.duplicates
    assert (np.diff(order.moments_ms) >= 0).all()


@given(TIMES)
def test_without_shuffling_events_are_sorted_and_equal_times_keep_their_order(times: list[int]) -> None:
    order = sending_order(np.array(times), 0.0, 0, np.random.default_rng(0))
    assert order.indices.tolist() == sorted(range(len(times)), key=lambda index: (times[index], index))


@given(TIMES)
def test_probability_one_sends_each_event_twice(times: list[int]) -> None:
    order = sending_order(np.array(times), 1.0, 50, np.random.default_rng(0))
    assert sorted(order.indices.tolist()) == sorted([*range(len(times))] * 2)


def test_the_seed_decides() -> None:
    def draw(seed: int) -> list[int]:
        order = sending_order(np.arange(1_000), 0.3, 40, np.random.default_rng(seed))
        return [int(index) for index in order.indices]

    assert draw(1) == draw(1) != draw(2)


def row(time: Any, user: str = "u") -> dict[str, Any]:
    return {"user": user, "item": "i", "category": "c", "behaviour": "pv", "time": time}


def prepared(*rows: Any) -> Prepared:
    return prepare(rows, RowMapper(load_format("taobao")))


def test_shifting_keeps_distances_and_leaves_bad_times_alone() -> None:
    events = prepared(row("100"), row("bad"), row("160"))
    assert events.span_ms() == (100_000, 160_000)
    events.shift(5_000)
    assert events.span_ms() == (105_000, 165_000)
    assert json.loads(events.value(1))["timestamp"] == "bad"
    assert json.loads(events.value(2))["timestamp"] == 165_000
    assert events.odd.total() == 1


def test_a_bad_row_is_sent_where_it_stood() -> None:
    events = prepared(row("100"), row("bad"), row("160"))
    order = sending_order(events.times_ms, 0, 0, np.random.default_rng(0))
    assert order.indices.tolist() == [0, 1, 2]


def test_equal_rows_share_an_id_and_others_do_not() -> None:
    events = prepared(row("100"), row("100"), row("101"), row("100", "v"))
    ids = [json.loads(events.value(index))["event_id"] for index in range(4)]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3
    assert all(len(event_id) <= 64 for event_id in ids)


def test_an_id_of_ones_own_is_kept() -> None:
    rows = [{"session_id": "s", "event_type": "search", "timestamp": 5, "query": '"event_id":', "event_id": "mine"}]
    events = prepare(rows, RowMapper(load_format("events")))
    assert json.loads(events.value(0))["event_id"] == "mine"
    del rows[0]["event_id"]
    events = prepare(rows, RowMapper(load_format("events")))
    assert len(json.loads(events.value(0))["event_id"]) == 24


def test_an_empty_body_makes_valid_json() -> None:
    assert json.loads(dated_value(b"{}", 5)).keys() == {"timestamp", "event_id"}


def test_an_unreadable_json_line_is_sent_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"session_id":"s","timestamp":5}\n\nnot json\n\xff\n[1]\n')
    events = prepare(read_rows(path, Source()), RowMapper(load_format("events")))
    assert [events.value(index) for index in (1, 2, 3)] == [b"not json", b"\xff", b"[1]"]
    assert events.rows == 4


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_every_kind_of_file_plain_and_packed(tmp_path: Path, kind: str, packed: bool) -> None:
    plain = tmp_path / f"rows.{kind}"
    if kind == "parquet":
        parquet.write_table(arrow.table({"a": ["1", "2"], "b": ["x", "y"]}), plain)
    elif kind == "csv":
        plain.write_text("a,b\n1,x\n2,y\n")
    else:
        plain.write_text('{"a":"1","b":"x"}\n{"a":"2","b":"y"}\n')
    path = plain
    if packed:
        path = tmp_path / "packed"  # no name that tells: the bytes do
        path.write_bytes(gzip.compress(plain.read_bytes()))
    assert list(read_rows(path, Source())) == [{"a": "1", "b": "x"}, {"a": "2", "b": "y"}]


def test_a_file_that_is_not_there_names_the_fix(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="name a readable"):
        list(read_rows(tmp_path / "none.csv", Source()))


def test_a_broken_file_names_the_fix(tmp_path: Path) -> None:
    path = tmp_path / "x.csv.gz"
    path.write_bytes(gzip.compress(b"a,b\n" * 1_000)[:-20])
    with pytest.raises(UserError, match="cannot read"):
        list(read_rows(path, Source()))


EVENTS = Events()


def test_events_that_the_job_would_call_late_are_refused() -> None:
    clock_ms = 1_000 * HOUR_MS
    check_age(clock_ms - 48 * HOUR_MS, clock_ms, EVENTS)
    check_age(0, None, EVENTS)
    with pytest.raises(UserError, match="--shift-to-now"):
        check_age(clock_ms - 48 * HOUR_MS - 1, clock_ms, EVENTS)


def test_events_ahead_of_the_clock_are_refused() -> None:
    check_future(EVENTS.max_future_ms, 0, EVENTS)
    with pytest.raises(UserError, match="--shift-to-now"):
        check_future(EVENTS.max_future_ms + 1, 0, EVENTS)


@pytest.mark.parametrize(
    ("values", "clock"), [([], None), ([-(2**63)], None), ([5_000, 4_000], 4_000), ([5_000, -(2**63)], None)]
)
def test_an_operators_clock(values: list[int], clock: int | None) -> None:
    metrics = [{"id": f"{n}.session.currentOutputWatermark", "value": str(value)} for n, value in enumerate(values)]
    assert clock_ms(metrics) == clock


@pytest.mark.skipif(not DATA.is_dir(), reason=f"the folder shared/data is not beside the project: {DATA}")
@pytest.mark.parametrize(
    ("file", "name", "rows", "skipped", "distinct"),
    [
        ("taobao/crossuser_2h10m.csv.gz", "taobao", 110_300, 0, 110_300),
        ("taobao/peruser_9d_43users.csv", "taobao", 4_321, 0, 4_321),
        ("regional/online_retail_2010-12_2011-03.csv.gz", "online-retail", 142_083, 2_951, 137_866),
    ],
)
def test_every_row_of_the_real_files_is_accounted_for(
    file: str, name: str, rows: int, skipped: int, distinct: int
) -> None:
    mapping = load_format(name)
    events = prepare(read_rows(DATA / file, mapping.source), RowMapper(mapping))
    assert events.rows == rows
    assert events.skipped.total() == skipped
    assert not events.odd
    values = [events.value(index) for index in range(len(events.bodies))]
    assert len(values) == rows - skipped
    assert len({json.loads(value)["event_id"] for value in values}) == len(set(values)) == distinct


@pytest.mark.skipif(not DATA.is_dir(), reason=f"the folder shared/data is not beside the project: {DATA}")
def test_retail_identical_rows_are_the_duplicates() -> None:
    with gzip.open(DATA / "regional" / "online_retail_2010-12_2011-03.csv.gz", "rt", newline="") as stream:
        content = [tuple(values) for values in csv.reader(stream)][1:]
    kept = [values for values in content if int(values[3]) >= 0]
    assert len(kept) == 142_083 - 2_951
    without_description = {(*values[:2], *values[3:]) for values in kept}
    assert len(without_description) == 137_866
