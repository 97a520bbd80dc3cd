"""What is popular, on the real stack: out of order and with duplicates, the windows' counts are those of an exact batch."""

import json
import random
import uuid
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

from cli.stack import control
from cli.stack.flink_rest import FlinkRest
from jobs.settings import load_settings
from operators.names import SESSION
from state.popularity.listing import CATEGORIES_LISTED, Listing
from state.popularity.moments import Moment
from state.popularity.names import CATEGORY, MOMENT, WHOLE
from tests.integration.conftest import Stack
from tests.integration.shop import Shop, now_ms, open_shop

DATA = Path(__file__).parents[2].parent / "shared/data/regional/online_retail_2010-12_2011-03.csv.gz"
ROWS = 20_000
WINDOW_MS, SLIDE_MS, LATENESS_MS = 60_000, 10_000, 10_000
SPAN_MS = 300_000
"""Ten days of the file are compressed into five minutes of event time, so that dozens of windows close."""
DISORDER_MS = 8_000
TOP = 200
INVENTED, MAX_REGIONS = 3_000, 400
SETTINGS = (
    "kafka.partitions=2",
    "local.task_managers=2",
    "local.start_timeout=5 min",
    "flink.checkpoint_interval=1 s",
    "events.idle_timeout=2 min",  # what holds the watermark back here is a busy machine, not a silent partition
    "flink.gather=500 ms",  # what waits so long must not be overtaken by event time
    "session.max_events=1000",
    "profile.min_interval=1 s",
    f"popularity.window={WINDOW_MS} ms",
    f"popularity.slide={SLIDE_MS} ms",
    f"popularity.allowed_lateness={LATENESS_MS} ms",
    "popularity.counts=purchases",
    f"popularity.top={TOP}",
    f"popularity.max_regions={MAX_REGIONS}",
    "popularity.tracked=2000",
)


class Purchases(NamedTuple):
    """The file's lines as events: one row each, duplicates included, in the order in which they are sent."""

    rows: pd.DataFrame
    end_ms: int


@pytest.fixture
def workdir(connectors: None, tmp_path: Path) -> Iterator[Path]:
    """Where a stack of this test's own runs: its windows are short."""
    yield tmp_path / "popular"
    control.stop_stack(tmp_path / "popular")


def purchases() -> Purchases:
    """Each line of an invoice is a checkout of one product in its country; returns are left out.

    Exact duplicates of the file, and one in twenty of the others sent once more, are the same event: the same id in the same
    session. The sessions are parts of invoices, so that none has more events than the job keeps, and nothing but duplicates is
    dropped. The category, which the file lacks, is the beginning of the stock code.
    """
    read = pd.read_csv(DATA, dtype=str, keep_default_na=False, nrows=ROWS) if DATA.exists() else made_up()
    read = read[~read["Quantity"].str.startswith("-")].reset_index(drop=True)
    line = read.agg("|".join, axis=1)
    part = line.map(lambda text: zlib.crc32(text.encode()) % 8)
    end_ms = now_ms() - WINDOW_MS - 2 * LATENESS_MS
    times = pd.to_datetime(read["InvoiceDate"]).astype("int64") // 1_000_000
    share = (times - times.min()) / (times.max() - times.min())
    rows = pd.DataFrame(
        {
            "event_id": line.map(lambda text: str(uuid.uuid5(uuid.NAMESPACE_URL, text))),
            "session_id": read["InvoiceNo"] + "-" + part.astype(str),
            "timestamp": end_ms - SPAN_MS + (share * SPAN_MS).astype("int64"),
            "product_id": read["StockCode"],
            "category_id": read["StockCode"].str[:2],
            "region": read["Country"].mask(read["Country"] == "EIRE", ""),
        }
    )
    again = rows.sample(frac=0.05, random_state=1)
    chance = random.Random(2)
    rows = pd.concat([rows, again], ignore_index=True)
    delays = [chance.uniform(0, DISORDER_MS) for _ in range(len(rows))]
    rows["sent"] = rows["timestamp"] + delays
    assert rows.groupby("session_id").size().max() < 1_000
    return Purchases(rows.sort_values("sent", ignore_index=True), end_ms)


def made_up() -> pd.DataFrame:
    """Lines in the file's form, where it may not be: some countries and products are far ahead of the others, as there."""
    rng = np.random.default_rng(3)
    invoices = np.sort(rng.integers(0, ROWS // 25, ROWS))
    codes = 10_000 + rng.zipf(1.3, ROWS) % 80_000
    countries = np.array(["United Kingdom", "EIRE", *(f"Country {number}" for number in range(20))])
    return pd.DataFrame(
        {
            "InvoiceNo": 536_000 + invoices,
            "StockCode": codes,
            "Quantity": rng.integers(-1, 20, ROWS),
            "InvoiceDate": pd.Timestamp("2010-12-01") + pd.to_timedelta(invoices * 18, unit="min"),
            "Country": countries[np.minimum(invoices * 7 % 41, len(countries) - 1)],
        }
    ).astype(str)


def send(shop: Shop, found: Purchases) -> None:
    for row in found.rows.drop(columns="sent").to_dict("records"):
        event = row | {"event_type": "checkout"} if row["region"] else {**row, "event_type": "checkout", "region": None}
        shop.post(json.dumps(event).encode(), str(row["session_id"]).encode())
        if int(str(row["event_id"])[:2], 16) < 32:
            view = event | {"event_type": "product_view", "event_id": f"view-{row['event_id']}"[:64]}
            view["device"] = "phone" if str(row["product_id"]) < "22" else "tablet"
            shop.post(json.dumps(view).encode(), str(row["session_id"]).encode())
    shop.flush()


def expected(found: Purchases) -> dict[tuple[str, int], Listing]:
    """By list and window, what an exact count gives."""
    rows = found.rows.drop_duplicates("event_id")
    lists: dict[tuple[str, int], Listing] = {}
    first_ms = int(rows["timestamp"].min()) // SLIDE_MS * SLIDE_MS
    for end in range(first_ms + SLIDE_MS, found.end_ms + WINDOW_MS + SLIDE_MS, SLIDE_MS):
        window = rows[(rows["timestamp"] >= end - WINDOW_MS) & (rows["timestamp"] < end)]
        if window.empty:
            continue
        lists[WHOLE, end] = exact(window, end)
        for region, part in window[window["region"] != ""].groupby("region"):
            lists[str(region), end] = exact(part, end)
        for category, part in window.groupby("category_id"):
            lists[f"{CATEGORY}{category}", end] = Listing(end, WINDOW_MS, len(part), ranked(part, "product_id"), [], [])
    return lists


def exact(part: pd.DataFrame, end_ms: int) -> Listing:
    categories = ranked(part, "category_id")[:CATEGORIES_LISTED]
    return Listing(end_ms, WINDOW_MS, len(part), ranked(part, "product_id"), [], categories)


def ranked(part: pd.DataFrame, column: str) -> list[tuple[str, int]]:
    counts = part.groupby(column).size().to_dict()
    return sorted(((str(name), int(count)) for name, count in counts.items()), key=lambda e: (-e[1], e[0]))[:TOP]


def published(shop: Shop) -> dict[tuple[str, int], Listing]:
    """What the topic holds, without trends, which are judged elsewhere. A list that came twice came the same."""
    lists: dict[tuple[str, int], Listing] = {}
    for record in shop.records("popularity"):
        key = record.key.decode()
        if record.value is None or key.startswith(MOMENT):
            continue
        found = Listing.decode(record.value)
        found = Listing(found.end_ms, found.window_ms, found.total, found.products, [], found.categories)
        assert lists.setdefault((key, found.end_ms), found) == found
    return lists


def push(shop: Shop) -> None:
    """Moves event time to now in all partitions, with passers-by that count nowhere."""
    for _ in range(8):
        shop.send(shop.session(), "search", query="the time")


def test_every_regions_counts_in_every_window_are_those_of_an_exact_batch(workdir: Path) -> None:
    record = control.start_stack(load_settings(None, SETTINGS, environ={}), workdir)
    settings = control.job_settings(workdir)
    stack = Stack(record.kafka, record.redis, record.flink, workdir, settings, "embedded")
    with open_shop(stack) as shop:
        found = purchases()
        send(shop, found)
        wanted = expected(found)
        last = max(end for _, end in wanted)

        def has_closed() -> bool:
            push(shop)
            return {key for key in wanted if key[1] == last} <= published(shop).keys()

        stack.wait_until(has_closed, 240)
        counted = published(shop)
        differing = [key for key in wanted.keys() | counted.keys() if wanted.get(key) != counted.get(key)]
        assert not differing, [(key, wanted.get(key), counted.get(key)) for key in sorted(differing)[:3]]
        assert len({end for _, end in wanted}) > 30
        assert len({name for name, _ in wanted if not name.startswith("@")}) > 10
        check_redis(shop, wanted)
        stack.wait_until(lambda: are_moments_right(shop, found), 60)
        check_that_invented_regions_are_bounded(shop, len({name for name, _ in wanted if not name.startswith("@")}))


def check_that_invented_regions_are_bounded(shop: Shop, known: int) -> None:
    """Those at first sight are half of the bound; the others are in the whole alone, except one that has support."""
    invented = [(f"{number:0>100}", f"inventor-{number}", f"product-{number}") for number in range(INVENTED)]
    invented += [("Atlantis", f"diver-{number}", "trident") for number in range(100)]
    at_ms = now_ms()
    for region, session, product in invented:
        event = {"session_id": session, "event_type": "checkout", "timestamp": at_ms, "product_id": product}
        shop.post(json.dumps(event | {"region": region}).encode(), session.encode())
    shop.flush()

    def is_counted() -> bool:
        push(shop)
        totals = [listing.total for (name, _), listing in published(shop).items() if name == WHOLE]
        return max(totals) >= len(invented) and shop.redis.exists("heliotrope:popular:Atlantis") == 1

    shop.stack.wait_until(is_counted, 240)
    keys = sum(1 for _ in shop.redis.scan_iter("heliotrope:popular:*", count=1_000))
    assert keys <= MAX_REGIONS // 2 + known + 1
    rest, job = FlinkRest(shop.stack.flink), shop.stack.record().job.id  # whose answer is of some seconds ago
    least = INVENTED - MAX_REGIONS // 2
    shop.stack.wait_until(lambda: rest.counter(job, SESSION, "popular_regions_folded") >= least)
    lists = {name for name, _ in published(shop) if not name.startswith("@")}
    assert len(lists) <= MAX_REGIONS // 2 + known + 1


def check_redis(shop: Shop, wanted: dict[tuple[str, int], Listing]) -> None:
    """The newest window of each region that is still there."""
    newest: dict[str, int] = {}
    for name, end in wanted:
        if not name.startswith("@"):
            newest[name] = max(end, newest.get(name, 0))
    found = {name: shop.redis.get(f"heliotrope:popular:{name}") for name in newest}
    there: dict[str, Any] = {name: json.loads(str(value, "utf-8")) for name, value in found.items() if value}  # type: ignore[arg-type]
    assert {WHOLE, "United Kingdom"} <= set(there)
    for name, value in there.items():
        listing = wanted[name, newest[name]]
        assert (value["region"], value["updated_at"], value["window_ms"]) == (name, newest[name], WINDOW_MS)
        assert [(item["product_id"], item["count"]) for item in value["items"]] == listing.products
        assert value["items"][0]["score"] == pytest.approx(listing.products[0][1] / listing.total, abs=1e-6)
        assert [item["category_id"] for item in value["categories"]] == [name for name, _ in listing.categories]
        assert 0 < int(str(shop.redis.pttl(f"heliotrope:popular:{name}"))) <= 2 * WINDOW_MS


def are_moments_right(shop: Shop, found: Purchases) -> bool:
    """One in eight purchases was a view, too: by device and over all, in whole windows, which may come in any order."""
    views = found.rows.drop_duplicates("event_id")
    views = views[views["event_id"].map(lambda text: int(text[:2], 16) < 32)]
    is_phone = views["product_id"] < "22"

    def newest(name: str) -> Moment:
        keyed = [r.value for r in shop.records("popularity") if r.key == f"{MOMENT}{name}".encode() and r.value]
        return Moment.decode(keyed[-1]) if keyed else Moment(0, 0.0, {})

    for name, of_it in (("", views), ("device:phone", views[is_phone]), ("device:tablet", views[~is_phone])):
        moment = newest(name)
        closed = len(of_it[of_it["timestamp"] < moment.as_of_ms])
        if moment.total != pytest.approx(closed, rel=1e-3) or closed <= 0.5 * len(of_it):  # little decays in minutes
            return False
    return True
