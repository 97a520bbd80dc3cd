"""Products from rows: JSON lines in the README's form, CSV with its columns, or the Amazon Products 2023 columns."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from state.product import read_product
from state.rejection import Rejection

AMAZON_COLUMNS = frozenset({"asin", "title", "stars", "reviews", "price", "categoryName"})
NUMBERS = ("price", "rating", "stock")
WHOLE_NUMBERS = ("rating_count", "created_at")
TRUTHS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


class Removal(msgspec.Struct, frozen=True):
    """A product that is to leave the catalogue."""

    product_id: str


class Refused(msgspec.Struct, frozen=True):
    """Why a row is no product: `reason` to count by, `detail` as an example."""

    reason: str
    detail: str


class Loaded(msgspec.Struct, frozen=True):
    """A valid product and the JSON that the topic gets."""

    product_id: str
    value: bytes


Outcome = Loaded | Removal | Refused


def read_row(row: Mapping[str, Any] | bytes) -> Outcome:
    """A product, a removal, or why the row is neither."""
    if isinstance(row, bytes):
        return Refused("not_json", row[:80].decode(errors="backslashreplace"))
    try:
        fields = _clean(_reader_of(row)(row))
    except ValueError as error:
        return Refused("invalid_value", f"{row.get('product_id') or row.get('asin')}: {error}")
    if fields.get("removed") is True:
        product_id = fields.get("product_id")
        return Removal(product_id) if isinstance(product_id, str) and product_id else _missing_id(row)
    fields.pop("removed", None)
    value = msgspec.json.encode(_id_first(fields))
    product = read_product(value)
    if isinstance(product, Rejection):
        return Refused(str(product.reason), f"{fields.get('product_id')}: {product.detail}")
    return Loaded(product.product_id, value)


def _id_first(fields: dict[str, Any]) -> dict[str, Any]:
    """The product with its id in front, where the job finds it without reading the rest."""
    return {"product_id": fields["product_id"], **fields} if "product_id" in fields else fields


def _missing_id(row: Mapping[str, Any]) -> Refused:
    return Refused("missing_field", f"a removal without product_id: {str(dict(row))[:80]}")


def _reader_of(row: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    return _from_amazon if row.keys() >= AMAZON_COLUMNS else _from_own


def _clean(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None and value != ""}


def _from_own(row: Mapping[str, Any]) -> dict[str, Any]:
    fields = dict(row)
    for name in NUMBERS:
        if isinstance(fields.get(name), str):
            fields[name] = _number(fields[name], name)
    for name in WHOLE_NUMBERS:
        if isinstance(fields.get(name), str):
            fields[name] = _whole_number(fields[name], name)
    if isinstance(fields.get("in_stock"), str) and fields["in_stock"]:
        fields["in_stock"] = _truth(fields["in_stock"], "in_stock")
    if isinstance(fields.get("attributes"), str) and fields["attributes"]:
        try:
            fields["attributes"] = msgspec.json.decode(fields["attributes"])
        except msgspec.DecodeError:
            raise ValueError("attributes is no JSON object") from None
    if fields.get("removed") in ("true", "True", "1"):
        fields["removed"] = True
    elif isinstance(fields.get("removed"), str):
        del fields["removed"]
    return fields


def _from_amazon(row: Mapping[str, Any]) -> dict[str, Any]:
    """Zero stars and a price of zero stand for none there."""
    attributes = {
        "list_price": _number(row.get("listPrice"), "listPrice") or None,
        "best_seller": row.get("isBestSeller") == "True",
        "bought_last_month": _whole_number(row.get("boughtInLastMonth"), "boughtInLastMonth"),
    }
    return {
        "product_id": row.get("asin"),
        "category_id": row.get("categoryName"),
        "title": row.get("title"),
        "price": _number(row.get("price"), "price") or None,
        "rating": _number(row.get("stars"), "stars") or None,
        "rating_count": _whole_number(row.get("reviews"), "reviews"),
        "attributes": _clean(attributes),
    }


def _number(value: Any, name: str) -> float | None:
    if value is None or value == "":
        return None
    try:
        amount = float(value)
    except (TypeError, ValueError):
        amount = float("nan")
    if not abs(amount) < float("inf"):
        raise ValueError(f"{name} is no number: {value!r}")
    return amount


def _whole_number(value: Any, name: str) -> int | None:
    amount = _number(value, name)
    if amount is None:
        return None
    if not amount.is_integer():
        raise ValueError(f"{name} is no whole number: {value!r}")
    return int(amount)


def _truth(text: str, name: str) -> bool:
    told = TRUTHS.get(text.strip().lower())
    if told is None:
        raise ValueError(f"{name} is neither true nor false: {text!r}")
    return told
