"""What comes next: the measure, the split in time, and that nobody looks ahead."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from benchmarks.recommend import __main__ as program
from benchmarks.recommend.accepted import Line, read_accepted
from benchmarks.recommend.measure import FIRST_EVENT, LENGTH, Observation, hits, means, rank, reciprocal_ranks
from benchmarks.recommend.planted import planted
from benchmarks.recommend.planted_shop import START_MS, Plan, Shop, Visitor, best_of
from benchmarks.recommend.popularity_feed import PopularityFeed
from benchmarks.recommend.real import events_of, is_drawn, read_invoices
from benchmarks.recommend.replay import POPULARITY, Replay, merged
from benchmarks.recommend.report import figures
from benchmarks.recommend.stream import Listed, Stream, listed_when_seen, split_at_ms
from benchmarks.recommend.together_feed import INTERVAL_MS, TogetherFeed
from state.catalogue.product import Product
from state.configuration import Popularity, Together
from state.events.accepted import accepted_lines
from state.events.event import Event
from state.popularity.listing import Listing
from state.popularity.names import CATEGORY, MOMENT, WHOLE
from state.together.listing import decode_list, list_key

MINUTE_MS, HOUR_MS = 60_000, 3_600_000
NOON_MS = 1_763_726_400_000
SMALL = Plan(products=60, categories=6, hours=12, sessions=60, trends=2, users=5)


def view(session: str, product: str, at_ms: int, region: str | None = None) -> Event:
    return Event(session, "product_view", at_ms, product_id=product, category_id="c", region=region)


def test_a_place_counts_from_one_and_ends_with_the_tenth() -> None:
    listed = [f"p{number}" for number in range(20)]
    assert rank("p0", listed) == 1
    assert rank("p9", listed) == LENGTH == 10
    assert rank("p10", listed) == 0
    assert rank("other", listed) == 0
    places = np.array([1, 2, 10, 0])
    assert hits(places).tolist() == [1, 1, 1, 0]
    assert reciprocal_ranks(places).tolist() == [1, 0.5, 0.1, 0]


def test_a_mean_is_of_events_and_its_interval_of_sessions() -> None:
    values = np.array([[1.0, 0.3], [1.0, 0.3], [0.0, 0.3], [0.0, 0.3]])
    alike, apart = means(values, ["a", "a", "b", "b"]), means(values, ["a", "b", "c", "d"])
    assert alike[0].value == apart[0].value == 0.5
    assert alike[0].high - alike[0].low == 1.0  # one of the two sessions twice, as often as not
    assert alike[1].low == pytest.approx(0.3) == alike[1].high
    many = np.random.default_rng(1).random((400, 1)) < 0.2
    found = means(many.astype(float), [str(number) for number in range(400)])[0]
    error = 1.96 * (0.2 * 0.8 / 400) ** 0.5
    assert found.high - found.low == pytest.approx(2 * error, rel=0.2)
    with pytest.raises(ValueError, match="no event"):
        means(np.zeros((0, 1)), [])


def test_the_last_part_of_the_time_is_tested_however_many_events_it_has() -> None:
    assert split_at_ms([0, 1, 2, 3, 100]) == 70
    assert split_at_ms([100, 0]) == 70


def test_differences_are_paired_and_first_events_are_a_row_of_their_own() -> None:
    def seen(status: str, is_new: bool, ours: int, theirs: int) -> Observation:
        return Observation("s", status, is_new, True, (ours, theirs), (ours, theirs), None)

    found = figures(
        [
            seen(FIRST_EVENT, True, 0, 0),
            seen("cold", True, 1, 0),
            seen("cold", False, 2, 2),
            seen("active", True, 0, 5),
        ],
        ["ours", "theirs"],
    )
    new, repeats = found["new"], found["with_repeats"]
    assert new["cold"]["hit less theirs"]["value"] == 1.0
    assert new["active"]["mrr less theirs"]["value"] == -0.2
    assert new["all"]["events"] == 3
    assert new["all after the first event"]["events"] == 2
    assert repeats["cold"]["events"] == 2
    assert repeats["cold"]["hit less theirs"]["value"] == 0.5
    assert "warming" not in new
    assert "hit best" not in new["all"]


def test_no_list_foretells_better_than_the_best_possible() -> None:
    rng = np.random.default_rng(2)
    for _ in range(50):
        chances, seen = rng.dirichlet(np.full(SMALL.products, 0.2)), rng.integers(SMALL.products, size=3).tolist()
        best = best_of(chances, seen)
        listed = rng.permutation(SMALL.products)[:LENGTH]
        assert chances[listed].sum() <= best.hit_of_all + 1e-12
        new = [row for row in listed.tolist() if row not in seen]
        assert chances[new].sum() / (1 - chances[np.unique(seen)].sum()) <= best.hit + 1e-12


def test_a_visitor_does_something_for_certain() -> None:
    shop, visitor = Shop(SMALL, 3), Visitor((0, 1), 2, "")
    for seen in ([], [4], [4, 4, 9]):
        assert shop.chances(visitor, seen, START_MS + HOUR_MS).sum() == pytest.approx(1.0)


def test_a_planted_shop_follows_from_its_seed_and_is_in_order() -> None:
    first, second, other = planted(5, SMALL), planted(5, SMALL), planted(6, SMALL)
    assert first.events == second.events
    assert first.best == second.best
    assert first.events[:10] != other.events[:10]
    assert all(a.timestamp <= b.timestamp for a, b in pairwise(first.events))
    begin_ms = split_at_ms([event.timestamp for event in first.events])
    tested = {i for i, e in enumerate(first.events) if e.event_type == "product_view" and e.timestamp >= begin_ms}
    assert set(first.best) == tested


def test_a_sample_is_of_whole_sessions_and_always_the_same() -> None:
    names = [f"session-{number}" for number in range(4_000)]
    drawn = [name for name in names if is_drawn(name, 0.25)]
    assert drawn == [name for name in names if is_drawn(name, 0.25)]
    assert len(drawn) == pytest.approx(1_000, abs=100)
    assert set(drawn) <= {name for name in names if is_drawn(name, 0.5)}
    assert all(is_drawn(name, 1.0) for name in names)


def test_an_invoice_is_a_cart_that_fills_and_is_bought() -> None:
    def row(number: str, product: str, quantity: int, said: str = "RED MUG") -> dict[str, str]:
        return {
            "InvoiceNo": number,
            "StockCode": product,
            "Description": said,
            "Quantity": str(quantity),
            "InvoiceDate": "2010-12-01 08:26:00",
            "UnitPrice": "2.50",
            "CustomerID": "17850.0",
            "Country": "France",
        }

    rows = [row("1", "84406B", 1), row("1", "22752", 2, "JAM JAR"), row("1", "84406B", 1), row("C2", "84406B", -1)]
    invoices, products = read_invoices([*rows, row("1", "POST", 1)])
    assert [(invoice.number, invoice.lines) for invoice in invoices] == [("1", ["84406B", "22752"])]
    assert [(product.product_id, product.category_id) for product in products] == [("84406B", "MUG"), ("22752", "JAR")]
    events = list(events_of(invoices[0], {"84406B": "MUG", "22752": "JAR"}))
    assert [event.event_type for event in events] == ["add_to_cart", "add_to_cart", "checkout"]
    assert [event.product_id for event in events[:2]] == ["84406B", "22752"]
    assert events[2].products() == ["84406B", "22752"]
    assert events[0].timestamp < events[1].timestamp < events[2].timestamp
    assert len({event.identity for event in events}) == 3


def test_a_product_is_listed_from_its_first_event_on() -> None:
    products = [Product("late", "c"), Product("early", "c")]
    found = listed_when_seen(products, [(7, "late"), (9, "early"), (5, "early")])
    assert [(listed.from_ms, listed.product.product_id) for listed in found] == [(5, "early"), (7, "late")]


def test_nobody_is_shown_a_product_that_was_never_sought() -> None:
    """The session's next product is new to everybody, so that no list can foretell it; the one after is not."""
    ids = ["p0", "p1", "p2"]
    events = [view(f"s{n}", product, NOON_MS + 2 * n * MINUTE_MS) for n, product in enumerate([*ids[:2]] * 9)]
    events += [view("s", product, NOON_MS + (60 + 2 * n) * MINUTE_MS) for n, product in enumerate(["p0", "p2", "p1"])]
    listed = listed_when_seen([Product(name, "c") for name in ids], [(e.timestamp, e.product_id or "") for e in events])
    stream = Stream("new", listed, MINUTE_MS, events, frozenset({"product_view"}), {}, "", {})
    seen = [found for found in Replay(stream, {"ours": {}}, 0).run(lambda done: None) if found.session == "s"]
    assert [found.places[0] > 0 for found in seen[1:]] == [False, True]


def test_configurations_are_merged_key_by_key() -> None:
    found = merged([{"a": {"b": 1, "c": 2}}, {"a": {"b": 3}, "d": 4}])
    assert found == {"a": {"b": 3, "c": 2}, "d": 4}


def test_accepted_lines_are_read_as_they_were_written() -> None:
    event = Event("s", "product_view", 5_000, product_id="p", category_id="c", region="EU")
    written = accepted_lines(event, ["c"], ["q", "r"], ["time:night", "season:winter"], "u")
    assert written is not None
    (line,) = read_accepted(written)
    assert line[:6] == (5_000, "product_view", "EU", "p", "c", "u")
    assert line.moment == ["time:night", "season:winter"]
    assert line.partners.split("\x1d") == ["q", "r"]


def test_popularity_is_what_was_counted_in_the_window_that_the_watermark_has_passed() -> None:
    lists: dict[str, Listing] = {}

    def take(name: str, payload: bytes) -> None:
        if not name.startswith(MOMENT):
            lists[name] = Listing.decode(payload)

    rng = np.random.default_rng(4)
    rules = Popularity(window_ms=10 * MINUTE_MS, slide_ms=MINUTE_MS)
    feed = PopularityFeed(rules, take)
    times = np.sort(NOON_MS + rng.integers(40 * MINUTE_MS, size=600)).tolist()
    lines = [
        Line(at_ms, "product_view", ("EU", "")[int(rng.integers(2))], f"p{rng.integers(9)}", "c", "", ["x"], "")
        for at_ms in times
    ]
    for line in lines:
        feed.advance(line.time_ms)
        feed.add(line)
        for name, found in lists.items():
            assert found.end_ms <= line.time_ms
            mine = [
                seen.product_id
                for seen in lines
                if found.end_ms - rules.window_ms <= seen.time_ms < found.end_ms
                and (name in (WHOLE, CATEGORY + "c") or name == seen.region)
            ]
            counts = sorted(((mine.count(product), product) for product in set(mine)), key=lambda e: (-e[0], e[1]))
            assert found.products == [(product, count) for count, product in counts]
            assert found.total == len(mine)
    assert set(lists) == {WHOLE, "EU", CATEGORY + "c"}


def test_partners_come_from_checkouts_once_the_interval_is_over() -> None:
    lists: dict[bytes, list[str]] = {}

    def take(key: bytes, payload: bytes | None) -> None:
        lists[key] = [pair.product_id for pair in decode_list(payload)] if payload else []

    feed = TogetherFeed(Together(), take)
    feed.advance(NOON_MS)
    for number in range(8):
        for product, other in (("a", "b"), ("b", "a"), (f"x{number}", f"y{number}")):
            feed.add(Line(NOON_MS + number, "checkout", "", product, "", "", [], other))
    feed.advance(NOON_MS + INTERVAL_MS - 1)
    assert not lists
    feed.advance(NOON_MS + INTERVAL_MS)
    assert lists == {list_key("bought", "a"): ["b"], list_key("bought", "b"): ["a"]}


def test_lists_are_looked_at_before_the_event_that_they_foretell() -> None:
    """A session that goes round the same products: each is on the list once it was seen, and never before."""
    products = [Listed(0, Product(name, "c")) for name in ("p0", "p1", "p2", "unseen")]
    events = [view("s", f"p{number % 3}", NOON_MS + number * MINUTE_MS, region="EU") for number in range(12)]
    stream = Stream("round", products, HOUR_MS, events, frozenset({"product_view"}), {}, "", {})
    observations = Replay(stream, {"ours": {}, "other": {"bandit": {"policy": "uniform"}}}, 0).run(lambda done: None)
    assert [found.is_new for found in observations] == [False] * len(observations)
    begin_ms = split_at_ms([event.timestamp for event in events])
    assert len(observations) == sum(event.timestamp >= begin_ms for event in events)
    assert all(len(found.places) == len((*"ab", POPULARITY)) for found in observations)
    assert all(found.places_of_new == (0, 0, 0) for found in observations)  # nothing that was touched is new


def test_a_first_event_is_foretold_by_what_is_popular_alone() -> None:
    products = [Listed(0, Product(f"p{number}", "c")) for number in range(4)]
    before = [view(f"s{number}", "p1", NOON_MS + number * 1_000, "EU") for number in range(30)]
    last = [view("new", "p1", NOON_MS + 10 * MINUTE_MS, "EU"), view("newer", "p2", NOON_MS + 10 * MINUTE_MS, "EU")]
    stream = Stream("first", products, HOUR_MS, [*before, *last], frozenset({"product_view"}), {}, "", {})
    found = {seen.session: seen for seen in Replay(stream, {"ours": {}}, 0).run(lambda done: None)}
    assert {seen.status for seen in found.values()} == {FIRST_EVENT}
    assert found["new"].places == (1, 1)
    assert found["newer"].places == (0, 0)


def test_a_shop_without_its_file_is_left_out_and_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        out = tmp_path / "found.json"
        patch.setattr("sys.argv", ["x", "--shops", "taobao", "--data", str(tmp_path / "none"), "--out", str(out)])
        program.main()
    assert "taobao: left out, there is no file" in capsys.readouterr().out.replace("\n", " ")
    assert out.is_file()
