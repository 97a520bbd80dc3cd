"""What a product says of its stock."""

import json
from typing import Any

import pytest

from state.catalogue.product import Product, read_product


@pytest.mark.parametrize(
    ("fields", "is_available"),
    [
        ({}, True),
        ({"in_stock": True}, True),
        ({"in_stock": False}, False),
        ({"stock": 3}, True),
        ({"stock": 0.5}, True),
        ({"stock": 0}, False),
        ({"in_stock": True, "stock": 0}, False),
        ({"attributes": {"in_stock": False}}, False),
        ({"attributes": {"stock": 0}}, False),
        ({"attributes": {"stock": 7, "in_stock": True}}, True),
        ({"in_stock": True, "attributes": {"in_stock": False}}, True),
        ({"stock": 1, "attributes": {"stock": 0}}, True),
        ({"attributes": {"in_stock": "no", "stock": "0"}}, True),
        ({"attributes": {"in_stock": None, "stock": False}}, True),
    ],
)
def test_availability(fields: dict[str, Any], is_available: bool) -> None:
    product = read_product(json.dumps({"product_id": "p", "category_id": "c"} | fields).encode())
    assert isinstance(product, Product)
    assert product.is_available is is_available
