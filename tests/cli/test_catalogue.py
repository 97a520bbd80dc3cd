"""Products from files, and the demo catalogue."""

from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.catalogue.demo import CATEGORIES, demo_lines, demo_products
from cli.catalogue.loading import load_products
from cli.catalogue.reading import Loaded, Refused, Removal, read_row
from cli.files.rows import read_rows
from cli.files.source import Source
from state.product import Product, read_product

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
        ({"product_id": "p"}, "invalid_value"),
        ({"category_id": "c"}, "invalid_value"),
        ({"product_id": "p", "category_id": "c", "price": "free"}, "invalid_value"),
        ({"product_id": "p", "category_id": "c", "price": "-1"}, "invalid_value"),
        ({"product_id": "p", "category_id": "c", "rating": 6}, "invalid_value"),
        ({"product_id": "p", "category_id": "c", "rating_count": "1.5"}, "invalid_value"),
        ({"product_id": "p" * 129, "category_id": "c"}, "invalid_value"),
        ({"product_id": "p", "category_id": "c", "in_stock": "perhaps"}, "invalid_value"),
        ({"product_id": "p", "category_id": "c", "stock": "-1"}, "invalid_value"),
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
    assert report.refused == Counter({"invalid_value": 1})
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
