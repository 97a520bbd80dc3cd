"""Products from files, and the demo catalogue."""

from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.catalogue.demo import CATEGORIES, demo_lines, demo_products
from cli.catalogue.loading import LoadReport, checked, load_products
from cli.catalogue.reading import Loaded, Refused, Removal, read_row
from cli.catalogue.values import read_amount, read_moment_ms, read_truth
from cli.errors import UserError
from cli.files.rows import open_rows, read_rows
from cli.files.source import Source
from state.catalogue.product import Product, read_product

ROOT = Path(__file__).parents[2]
AMAZON = ROOT.parent / "shared" / "data" / "catalogue" / "amazon_in_5000.csv.gz"


class Delivery:
    """Keeps what is sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes | None, bytes | None]] = []

    def send(self, topic: str, value: bytes | None, key: bytes | None) -> None:
        self.sent.append((topic, value, key))

    def flush(self) -> None:
        pass


def product_of(row: dict[str, Any]) -> Product:
    loaded = read_row(row)
    assert isinstance(loaded, Loaded), loaded
    product = read_product(loaded.value)
    assert isinstance(product, Product)
    return product


def test_the_id_stands_in_front_where_the_job_looks_for_it() -> None:
    loaded = read_row({"title": "tent", "category_id": "c", "product_id": "p"})
    assert loaded == Loaded("p", b'{"product_id":"p","title":"tent","category_id":"c"}')


def test_a_csv_row_becomes_typed() -> None:
    row = {"product_id": "p", "category_id": "c", "price": "9.5", "rating": "", "rating_count": "3", "created_at": "7"}
    product = product_of({**row, "attributes": '{"colour":"red"}'})
    assert (product.price, product.rating, product.rating_count, product.created_at) == (9.5, None, 3, 7)
    assert product.attributes == {"colour": "red"}


@pytest.mark.parametrize(
    ("in_stock", "stock", "is_available"),
    [("", "", True), ("True", "", True), ("no", "", False), ("0", "5", False), ("1", "0", False), ("", "12", True)],
)
def test_stock_columns_of_a_csv_file(in_stock: str, stock: str, is_available: bool) -> None:
    row = {"product_id": "p", "category_id": "c", "in_stock": in_stock, "stock": stock}
    assert product_of(row).is_available is is_available


def test_amazon_columns_are_known() -> None:
    row = {"asin": "B0", "title": "t", "stars": "0.0", "reviews": "0", "price": "0.0", "categoryName": "c"}
    product = product_of({**row, "listPrice": "12.5", "isBestSeller": "True", "boughtInLastMonth": "50"})
    assert (product.product_id, product.category_id, product.rating, product.price) == ("B0", "c", None, None)
    assert product.attributes == {"list_price": 12.5, "best_seller": True, "bought_last_month": 50}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"product_id": "p"}, "missing_field"),
        ({"category_id": "c"}, "missing_field"),
        ({"product_id": "p" * 129, "category_id": "c"}, "invalid_value"),
        ({"product_id": "p", "category_id": "c", "removed": "perhaps"}, "invalid_value"),
        ({"product_id": 1.5, "category_id": "c"}, "wrong_type"),
        ({"removed": True}, "missing_field"),
        (b"not json", "not_json"),
    ],
)
def test_what_is_no_product_is_refused_with_a_reason(row: Any, reason: str) -> None:
    refused = read_row(row)
    assert isinstance(refused, Refused)
    assert refused.reason == reason


@given(st.dictionaries(st.text(), st.one_of(st.none(), st.text(), st.integers(), st.floats(), st.booleans())))
def test_no_row_breaks_the_reading(row: dict[str, Any]) -> None:
    assert isinstance(read_row(row), Loaded | Removal | Refused)


def test_loading_counts_everything_and_removes_with_a_null() -> None:
    delivery = Delivery()
    rows = [
        {"product_id": "a", "category_id": "c"},
        {"product_id": "a", "category_id": "d"},
        {"product_id": "b", "removed": True},
        {"product_id": "x"},
    ]
    report = load_products(rows, "products", delivery)  # type: ignore[arg-type]
    assert (report.rows, report.products, report.repeated, report.removals) == (4, 2, 1, 1)
    assert report.refused == Counter({"missing_field": 1})
    assert delivery.sent[-1] == ("products", None, b"b")


def test_the_demo_catalogue_is_what_its_script_writes() -> None:
    assert (ROOT / "conf" / "demo" / "catalogue.jsonl").read_bytes() == demo_lines()


def test_the_demo_catalogue_is_a_shop() -> None:
    products = [product_of(product) for product in demo_products()]
    assert len(products) == 30 * len(CATEGORIES)
    assert len({product.product_id for product in products}) == len(products)
    for category in CATEGORIES:
        titles = [product.title for product in products if product.category_id == category]
        assert len(set(titles)) == len(titles)
    unrated = sum(product.rating is None for product in products)
    assert 0 < unrated < len(products) / 3


@pytest.mark.skipif(not AMAZON.is_file(), reason=f"the folder shared/data is not beside the project: {AMAZON}")
def test_the_whole_amazon_file_loads() -> None:
    outcomes = [read_row(row) for row in read_rows(AMAZON, Source())]
    assert sum(isinstance(outcome, Loaded) for outcome in outcomes) == 5_000
    values = [msgspec.json.decode(outcome.value) for outcome in outcomes if isinstance(outcome, Loaded)]
    assert sum("rating" in value for value in values) == 2_546


@pytest.mark.parametrize("word", ["TRUE", "True", "true", " yes ", "Y", "1", "on", 1, True])
def test_a_removal_in_every_spelling(word: Any) -> None:
    assert read_row({"product_id": "p", "category_id": "c", "removed": word}) == Removal("p")


@pytest.mark.parametrize("word", ["FALSE", "no", "0", "", None, 0, False])
def test_what_is_not_removed_stays(word: Any) -> None:
    assert product_of({"product_id": "p", "category_id": "c", "removed": word}).product_id == "p"


@pytest.mark.parametrize(
    ("name", "value", "what"),
    [
        ("price", "free", "price left out: no number"),
        ("price", "NaN", "price left out: no number"),
        ("price", "inf", "price left out: no number"),
        ("price", "NULL", "price left out: no number"),
        ("price", "-1", "price left out: below 0"),
        ("price", "3 for 2", "price left out: no number"),
        ("price", [1], "price left out: no number"),
        ("price", True, "price left out: no number"),
        ("rating", 6, "rating left out: not from 1 to 5"),
        ("rating_count", "1.5", "rating_count left out: no whole number from 0"),
        ("created_at", "05/01/2024", "created_at left out: no time"),
        ("in_stock", "perhaps", "in_stock left out: neither true nor false"),
        ("stock", "-1", "stock left out: below 0"),
        ("attributes", "{", "attributes left out: no JSON object"),
        ("title", "x" * 2_049, "title left out: over 2048 characters"),
    ],
)
def test_a_bad_optional_field_is_left_out_and_counted(name: str, value: Any, what: str) -> None:
    loaded = read_row({"product_id": "p", "category_id": "c", name: value})
    assert isinstance(loaded, Loaded)
    assert loaded.value == b'{"product_id":"p","category_id":"c"}'
    assert [remark.what for remark in loaded.remarks] == [what]


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("19.9", 19.9),
        ("1e3", 1_000),
        (".5", 0.5),
        ("19,90", 19.9),
        ("0,500", 0.5),
        ("1,299", 1_299),
        ("1,299.00", 1_299),
        ("1.299,00 €", 1_299),
        ("1.299 €", 1_299),
        ("1.299", 1.299),
        ("1.299.000", 1_299_000),
        ("₹1,29,900", 129_900),
        ("1\u202f299,50 kr", 1_299.5),
        ("CHF 1'299.50", 1_299.5),
        ("$12", 12),
        ("US$ 3.20", 3.2),
        ("12 USD", 12),
        ("12,-", 12),
        ("-$5", -5),
    ],
)
def test_amounts_as_shops_write_them(text: str, amount: float) -> None:
    assert read_amount(text) == amount


@pytest.mark.parametrize("text", ["", "free", "1.2.3", "1,2,3", "10%", "5/5", "12 34", "$1 €", "1.23,456.7"])
def test_what_could_be_read_in_two_ways_is_no_amount(text: str) -> None:
    with pytest.raises(ValueError, match="no number"):
        read_amount(text)


@given(
    st.floats(0, 1e9).map(lambda amount: round(amount, 2)),
    st.sampled_from([("", "."), (",", "."), (".", ","), (" ", ",")]),
)
def test_amounts_written_with_two_decimals_come_back(amount: float, signs: tuple[str, str]) -> None:
    text = f"{amount:,.2f}".replace(",", "T").replace(".", signs[1]).replace("T", signs[0])
    assert read_amount(text) == amount


@given(st.text() | st.floats() | st.integers() | st.none() | st.booleans())
def test_no_value_breaks_a_column(value: Any) -> None:
    for read in (read_amount, read_moment_ms, read_truth):
        with suppress(ValueError):
            assert abs(read(value)) < float("inf")


@pytest.mark.parametrize(
    "value",
    ["2024-01-05", 1704412800, "1704412800", 1704412800000, "1.7044128E+12", 1704412800000000, 1704412800 * 10**9],
)
def test_a_day_in_every_unit(value: Any) -> None:
    assert read_moment_ms(value) == 1_704_412_800_000


def loaded_from(path: Path, content: bytes, source: Source | None = None) -> tuple[LoadReport, Delivery]:
    path.write_bytes(content)
    delivery = Delivery()
    with open_rows(path, source or Source()) as rows:
        return load_products(checked(rows), "products", delivery, lambda: rows.line), delivery  # type: ignore[arg-type]


def test_each_kind_of_fault_is_shown_once_with_its_line(tmp_path: Path) -> None:
    content = b'product_id,category_id,price\na,c,"19,90"\nb,c,free\nb,c,gift\nd,,1\n'
    report, delivery = loaded_from(tmp_path / "p.csv", content)
    assert report.remarks == {"price read from text": 1, "price left out: no number": 2}
    assert report.examples["price left out: no number"] == "line 3: b 'free'"
    assert report.examples["price read from text"] == "line 2: a '19,90' as 19.9"
    assert report.examples["repeated"] == "line 4: b"
    assert report.refused == {"missing_field": 1}
    assert report.examples["missing_field"].startswith("line 5: ")
    assert len(delivery.sent) == 3


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"product_id;category_id\n1;2\n", 'set --delimiter ";"'),
        (b"sku,category_id\n1,2\n", "did you mean sku?"),
        (b"product_id,group\n1,2\n", "did you mean group?"),
        (b"product_id,category_id\ncaf\xe8,1\ncaf\xe9,1\n", "latin-1"),
        (b"product_id,category_id\n1,\n2,\n3,c\n", "2 of the first 3 rows"),
        (b'[{"id":1}]', "'product_id' is not in the file; it has: id"),
        (b"not json\n{}\n", "'product_id'"),
    ],
)
def test_a_file_that_is_no_catalogue_is_stopped(tmp_path: Path, content: bytes, words: str) -> None:
    with pytest.raises(UserError) as told:
        loaded_from(tmp_path / "p.txt", content)
    assert words in str(told.value)


def test_latin_1_is_read_where_it_is_named(tmp_path: Path) -> None:
    content = b"product_id,category_id\ncaf\xe8,1\ncaf\xe9,1\n"
    _, delivery = loaded_from(tmp_path / "p.csv", content, Source(encoding="latin-1"))
    assert [key.decode() for _, _, key in delivery.sent if key] == ["cafè", "café"]


def test_a_list_of_removals_needs_no_categories(tmp_path: Path) -> None:
    report, _ = loaded_from(tmp_path / "p.csv", b"product_id,removed\n1,yes\n")
    assert report.removals == 1
