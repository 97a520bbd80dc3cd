"""Each shipped mapping reads a small sample in its data set's public form into valid events."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from cli.errors import UserError
from cli.files.rows import open_rows
from cli.replay.examination import Examination, absent_fields
from cli.replay.formats import Format, load_format, parse_format, shipped_formats
from cli.replay.mapping import RowMapper, SummedDays
from cli.replay.prepare import Prepared, prepare
from state.configuration import Events
from state.events.event import Event, read_event

# Format: a sample (rows made up, in the columns of the data set), and what its events must say.
SAMPLES: dict[str, tuple[str, list[dict[str, Any]], dict[str, int]]] = {
    "rees46": (
        "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session\n"
        "2019-10-01 00:00:00 UTC,view,44600062,2103807459595387724,,acme,35.79,541312140,72d76fde\n"
        "2019-10-01 00:00:01 UTC,cart,3900821,2053013552326770905,appliances.x,aqua,33.20,554748717,\n"
        "2019-10-01 00:00:02 UTC,remove_from_cart,3900821,2053013552326770905,,aqua,33.20,554748717,b7\n"
        "2019-10-01 00:00:03 UTC,purchase,17200506,2053013559792632471,,,543.10,519107250,56\n",
        [
            {"session_id": "72d76fde", "event_type": "product_view", "timestamp": 1_569_888_000_000, "price": 35.79},
            {"session_id": "554748717", "event_type": "add_to_cart", "category_id": "2053013552326770905"},
            {"session_id": "56", "event_type": "checkout", "product_id": "17200506", "user_id": "519107250"},
        ],
        {"taken out of the cart": 1},
    ),
    "retailrocket": (
        "timestamp,visitorid,event,itemid,transactionid\n"
        "1433221332117,257597,view,355908,\n"
        "1433224214164,992329,addtocart,248676,\n"
        "1433222276276,599528,transaction,356475,4000.0\n",
        [
            {"session_id": "257597", "event_type": "product_view", "timestamp": 1_433_221_332_117},
            {"session_id": "992329", "event_type": "add_to_cart", "product_id": "248676", "context": None},
            {"session_id": "599528", "event_type": "checkout", "context": {"transaction": "4000"}},
        ],
        {},
    ),
    "diginetica": (
        "sessionId;userId;itemId;timeframe;eventdate\n1;NA;81766;526309;2016-05-09\n2;17;32118;243569;2016-05-09\n",
        [
            {"session_id": "1", "event_type": "product_view", "user_id": None, "timestamp": 1_462_752_526_309},
            {"session_id": "2", "product_id": "32118", "user_id": "17", "timestamp": 1_462_752_243_569},
        ],
        {},
    ),
    "diginetica-purchases": (
        "sessionId;userId;timeframe;eventdate;ordernumber;itemId\n150;NA;5300;2016-05-06;16421;25911\n",
        [{"session_id": "150", "event_type": "checkout", "product_id": "25911", "context": {"order": "16421"}}],
        {},
    ),
    "yoochoose": (
        "1,2014-04-07T10:51:09.277Z,214536502,0\n1,2014-04-07T10:54:09.868Z,214536500,S\n",
        [
            {"session_id": "1", "event_type": "product_view", "category_id": None, "timestamp": 1_396_867_869_277},
            {"session_id": "1", "product_id": "214536500", "category_id": "S"},
        ],
        {},
    ),
    "yoochoose-buys": (
        "420374,2014-04-06T18:44:58.314Z,214537888,12462,1\n420374,2014-04-06T18:44:58.325Z,214537850,0,0\n",
        [
            {"session_id": "420374", "event_type": "checkout", "price": 12_462, "quantity": 1},
            {"product_id": "214537850", "price": None, "quantity": None},
        ],
        {},
    ),
    "instacart": (
        "order_id,user_id,eval_set,order_number,order_dow,order_hour_of_day,days_since_prior_order,product_id,"
        "add_to_cart_order,reordered\n"
        "2539329,1,prior,1,2,08,,196,1,0\n"
        "2539329,1,prior,1,2,08,,14084,2,0\n"
        "2398795,1,prior,2,3,07,15.0,196,1,1\n"
        "473747,1,prior,3,3,12,21.0,12427,1,1\n"
        "2168274,2,prior,1,2,11,,32792,1,0\n",
        [
            {
                "session_id": "order-2539329",
                "event_type": "checkout",
                "timestamp": 1_483_430_401_000,
            },  # Tue 3 Jan, 8:00:01
            {"product_id": "14084", "timestamp": 1_483_430_402_000},
            {"session_id": "order-2398795", "timestamp": 1_483_430_401_000 + (15 * 24 - 1) * 3_600_000},
            {"session_id": "order-473747", "timestamp": 1_483_430_401_000 + (36 * 24 + 4) * 3_600_000},
            {"user_id": "2", "timestamp": 1_483_430_401_000 + 3 * 3_600_000},
        ],
        {},
    ),
    "movielens": (
        "userId,movieId,rating,timestamp\n1,296,5.0,1147880044\n1,306,0.5,1147868817\n",
        [
            {"session_id": "1", "event_type": "feedback", "product_id": "296", "timestamp": 1_147_880_044_000},
            {"feedback": {"kind": "rating", "value": 1}},
        ],
        {},
    ),
    "movielens-1m": (
        "1::1193::5::978300760\n1::661::3::978302109\n",
        [
            {"session_id": "1", "product_id": "1193", "timestamp": 978_300_760_000},
            {"feedback": {"kind": "rating", "value": 3}},
        ],
        {},
    ),
    "taobao": (
        "1,2268318,2520377,pv,1511544070\n1,2333346,2520771,fav,1511561733\n",
        [
            {"session_id": "1", "event_type": "product_view", "timestamp": 1_511_544_070_000},
            {"event_type": "feedback", "feedback": {"kind": "thumb", "value": 1}},
        ],
        {},
    ),
    "online-retail": (
        "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
        "536365,85123A,LIGHT,6,2010-12-01 08:26:00,2.55,17850.0,United Kingdom\n"
        "C536379,D,Discount,-1,2010-12-01 09:41:00,27.5,14527.0,United Kingdom\n",
        [{"session_id": "17850", "event_type": "checkout", "quantity": 6, "region": "United Kingdom"}],
        {"return (negative quantity)": 1},
    ),
    "events": (
        '{"session_id":"s","event_type":"search","timestamp":1700000000000,"query":"tent"}\n',
        [{"session_id": "s", "event_type": "search", "query": "tent"}],
        {},
    ),
}


def read(tmp_path: Path, content: str, mapping: Format) -> tuple[Prepared, list[Event]]:
    path = tmp_path / "sample"
    path.write_text(content, encoding="utf-8")
    with open_rows(path, mapping.source) as rows:
        examination = Examination(rows, mapping, Events())
        prepared = prepare(examination.watch(), RowMapper(mapping), examination.examine)
        examination.finish()
        assert absent_fields(mapping, rows.columns) == []
    assert not examination.bad, examination.examples
    found = [
        read_event(prepared.value(index), now_ms=1_800_000_000_000, max_bytes=65_536, max_future_ms=0)
        for index in range(len(prepared.bodies))
    ]
    return prepared, [event for event in found if isinstance(event, Event)]


@pytest.mark.parametrize("name", shipped_formats())
def test_a_sample_of_each_data_set_becomes_events(tmp_path: Path, name: str) -> None:
    content, wanted, skipped = SAMPLES[name]
    prepared, events = read(tmp_path, content, load_format(name))
    assert prepared.skipped == skipped
    assert len(events) == len(wanted)
    for event, fields in zip(events, wanted, strict=True):
        shown = msgspec.to_builtins(event)
        assert {field: shown[field] for field in fields} == fields


def test_the_separator_of_ml_100k(tmp_path: Path) -> None:
    mapping = load_format("movielens-1m")
    mapping = msgspec.structs.replace(mapping, source=msgspec.structs.replace(mapping.source, delimiter="tab"))
    _, events = read(tmp_path, "196\t242\t3\t881250949\n", mapping)
    assert events[0].product_id == "242"


@pytest.mark.parametrize(
    ("row", "time_ms"),
    [
        ({"user": 1, "order": 1, "days": "", "hour": 5}, 18_000_000 + 86_400_000),
        ({"user": 1, "order": 1, "days": "", "hour": "noon"}, None),
        ({"user": 1, "order": 1, "days": "", "hour": 99}, None),
        ({"user": 1, "order": 1, "days": "1e300", "hour": 5}, 18_000_000 + 86_400_000),
    ],
)
def test_summed_days_of_a_first_order(row: dict[str, Any], time_ms: int | None) -> None:
    mapping = parse_format(
        "time: {column: days, summed: {start: '1970-01-02', per: user, once_per: order, hour: hour}}\nevent: {}", "mine"
    )
    assert SummedDays(mapping.time)(row) == time_ms


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("time: {column: t, summed: {start: soon, per: u, once_per: o}}\nevent: {}", "time.summed.start"),
        ("time: {column: t, unit: s, summed: {start: '2017-01-01', per: u, once_per: o}}\nevent: {}", "either unit"),
        ("time: {column: t, format: '%Q'}\nevent: {}", "time.format"),
        ("time: {column: t, unit: s}\nevent: {}\nsource: {delimiter: ''}", "delimiter"),
        ("time: {column: t, unit: s}\nevent: {}\nsource: {encoding: klingon}", "encoding"),
        ("time: {column: t, unit: s}\nevent: {}\nsource: {header: false}", "columns"),
        ("time: 2026-99-99", "not YAML"),
        ("[" * 20_000, "not YAML"),
    ],
)
def test_a_mapping_that_cannot_work_is_refused(text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        parse_format(text, "mine")
