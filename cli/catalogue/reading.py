"""Products from rows: JSON in the form of docs/events.md, CSV with its columns, or the Amazon Products 2023 columns."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from cli.catalogue.values import as_day, read_amount, read_moment_ms, read_truth
from cli.files.rows import Broken
from state.catalogue.product import read_product, safe_link
from state.events.rejection import Rejection

AMAZON_COLUMNS = frozenset({"asin", "title", "stars", "reviews", "price", "categoryName"})
IDS = ("product_id", "category_id")
TITLE_LIMIT = 2_048
SHOWN_CHARACTERS = 40
LARGEST_COUNT = 10**12
LARGEST_PRICE = 1e12


class Removal(msgspec.Struct, frozen=True):
    """A product that is to leave the catalogue."""

    product_id: str


class Refused(msgspec.Struct, frozen=True):
    """Reason why a row is no product: `reason` to count by, `detail` as an example."""

    reason: str
    detail: str


class Remark(msgspec.Struct, frozen=True):
    """Note of what was done to an optional field: `what` to count by, `detail` as an example."""

    what: str
    detail: str


class Loaded(msgspec.Struct, frozen=True):
    """A valid product, the JSON that the topic gets, and what was left out or converted on the way."""

    product_id: str
    value: bytes
    remarks: tuple[Remark, ...] = ()


Outcome = Loaded | Removal | Refused


def read_row(row: Mapping[str, Any] | bytes) -> Outcome:
    """Return a product, a removal, or why the row is neither."""
    if isinstance(row, bytes):
        return _unreadable(row)
    fields = _clean(_from_amazon(row) if row.keys() >= AMAZON_COLUMNS else dict(row))
    for name in IDS:
        if isinstance(fields.get(name), int) and not isinstance(fields[name], bool):
            fields[name] = str(fields[name])  # JSON of a shop whose ids are numbers; an event has them as text
    try:
        is_removal = read_truth(fields.pop("removed", False))
    except ValueError as error:
        return Refused("invalid_value", f"{fields.get('product_id')}: removed is {error}: {_shown(row.get('removed'))}")
    if is_removal:
        product_id = fields.get("product_id")
        return Removal(product_id) if isinstance(product_id, str) and product_id else _missing_id(row)
    return _product(fields)


def _unreadable(row: bytes) -> Refused:
    why = row.why if isinstance(row, Broken) else "no JSON object"
    reason = "not_utf8" if why.startswith("not UTF-8") else "not_json" if why.startswith("no JSON") else "unreadable"
    return Refused(reason, f"{why}: {row[:80].decode(errors='backslashreplace')}")


def _product(fields: dict[str, Any]) -> Outcome:
    remarks: list[Remark] = []
    for name, read in OPTIONAL.items():
        if name in fields:
            _settle(fields, name, read, remarks)
    try:
        value = msgspec.json.encode(_id_first(fields))
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        return Refused("invalid_value", f"{_shown(fields.get('product_id'))}: {error}")
    product = read_product(value)
    if isinstance(product, Rejection):
        return Refused(str(product.reason), f"{_shown(fields.get('product_id'))}: {product.detail}")
    return Loaded(product.product_id, value, tuple(remarks))


def _settle(fields: dict[str, Any], name: str, read: Callable[[Any], Any], remarks: list[Remark]) -> None:
    """Puts the field's value where its text stood; leaves out what is none, and remarks on what a person would look at."""
    raw = fields[name]
    try:
        value = read(raw)
    except ValueError as error:
        del fields[name]
        remarks.append(Remark(f"{name} left out: {error}", _shown(raw)))
        return
    fields[name] = value
    if name == "created_at":
        if not (str(raw) == str(value) or str(raw).startswith(as_day(value))):
            remarks.append(Remark("created_at converted to ms", f"{_shown(raw)} as {as_day(value)}"))
    elif isinstance(raw, str) and isinstance(value, float) and not _is_float(raw):
        remarks.append(Remark(f"{name} read from text", f"{_shown(raw)} as {value:g}"))


def _price(value: Any) -> float:
    amount = read_amount(value)
    if not 0 <= amount <= LARGEST_PRICE:
        raise ValueError("below 0" if amount < 0 else "too large")
    return amount


def _rating(value: Any) -> float:
    amount = read_amount(value)
    if not 1 <= amount <= 5:
        raise ValueError("not from 1 to 5")
    return amount


def _count(value: Any) -> int:
    amount = read_amount(value)
    if not (amount.is_integer() and 0 <= amount <= LARGEST_COUNT):
        raise ValueError("no whole number from 0")
    return int(amount)


def _stock(value: Any) -> float:
    amount = read_amount(value)
    if amount < 0:
        raise ValueError("below 0")
    return amount


def _title(value: Any) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise ValueError("no text")
    if len(value) > TITLE_LIMIT:
        raise ValueError(f"over {TITLE_LIMIT} characters")
    return value


def _link(value: Any) -> str:
    link = safe_link(value)
    if link is None:
        raise ValueError("no link of http or https, nor a relative one")
    return link


def _attributes(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        try:
            value = msgspec.json.decode(value)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            raise ValueError("no JSON object") from None
    if not isinstance(value, dict):
        raise ValueError("no JSON object")
    return value


OPTIONAL: dict[str, Callable[[Any], Any]] = {
    "title": _title,
    "price": _price,
    "rating": _rating,
    "rating_count": _count,
    "created_at": read_moment_ms,
    "attributes": _attributes,
    "in_stock": read_truth,
    "stock": _stock,
    "image": _link,
    "url": _link,
}


def _id_first(fields: dict[str, Any]) -> dict[str, Any]:
    """The product with its id in front, where the job finds it without reading the rest."""
    return {"product_id": fields["product_id"], **fields} if "product_id" in fields else fields


def _missing_id(row: Mapping[str, Any]) -> Refused:
    return Refused("missing_field", f"a removal without product_id: {str(dict(row))[:80]}")


def _clean(fields: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in fields.items()
        if value is not None and value != "" and not (isinstance(value, str) and value.isspace())
    }


def _from_amazon(row: Mapping[str, Any]) -> dict[str, Any]:
    """Zero stars and a price of zero stand for none there."""
    attributes = {
        "list_price": _number_or_none(row.get("listPrice")),
        "best_seller": row.get("isBestSeller") in ("True", True),
        "bought_last_month": _number_or_none(row.get("boughtInLastMonth"), zero=True),
    }
    return {
        "product_id": row.get("asin"),
        "category_id": row.get("categoryName"),
        "title": row.get("title"),
        "price": None if _is_zero(row.get("price")) else row.get("price"),
        "rating": None if _is_zero(row.get("stars")) else row.get("stars"),
        "rating_count": row.get("reviews"),
        "attributes": _clean(attributes),
    }


def _number_or_none(value: Any, zero: bool = False) -> float | int | None:
    try:
        amount = read_amount(value)
    except ValueError:
        return None
    return (int(amount) if zero and amount.is_integer() else amount) if amount or zero else None


def _is_zero(value: Any) -> bool:
    return _number_or_none(value, zero=True) == 0


def _is_float(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _shown(value: Any) -> str:
    return repr(value)[:SHOWN_CHARACTERS]
