"""Real shops' files as streams: clicks of Taobao, and invoices of an online retailer."""

import csv
import gzip
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

import msgspec

from benchmarks.recommend.stream import Stream, listed_when_seen
from cli.files.rows import read_rows
from cli.replay.formats import load_format
from cli.replay.mapping import RowMapper
from cli.replay.prepare import prepare
from state.catalogue.product import Product
from state.events.event import Event, Line

TAOBAO = Path("taobao/crossuser_2h10m.csv.gz")
RETAIL = Path("regional/online_retail_2010-12_2011-03.csv.gz")
TAOBAO_LISTING_MS, RETAIL_LISTING_MS = 5 * 60_000, 86_400_000
"""New products come into the catalogue so often."""
MOST_LINES = 100
"""Products of one checkout."""
STEP_MS = 1_000
"""Between the lines of an invoice, which the file gives one time."""
_GOODS = re.compile(r"\d{5}")


def taobao(data: Path, share: float) -> Stream:
    """A share of the users, by hash; a user is a session, whoever is there for the two hours."""
    mapping = load_format("taobao")
    found = prepare(read_rows(data / TAOBAO, mapping.source), RowMapper(mapping))
    everything = [msgspec.json.decode(found.value(index), type=Event) for index in range(len(found.bodies))]
    sought = [(event.timestamp, event.product_id) for event in everything if event.product_id]
    category_of = {event.product_id: event.category_id or "none" for event in everything if event.product_id}
    products = [Product(product, category) for product, category in category_of.items()]
    drawn = (event for event in everything if is_drawn(event.session_id, share))
    events = sorted(drawn, key=lambda event: event.timestamp)
    users = len({event.session_id for event in events})
    return Stream(
        "taobao",
        listed_when_seen(products, sought),
        TAOBAO_LISTING_MS,
        events,
        frozenset({"product_view"}),
        {},
        f"{users:,} users ({share:.0%} by hash) in 2 h 10 min, {len(category_of):,} products, no regions",
        {},
    )


def is_drawn(name: str, share: float) -> bool:
    """Whether a session belongs to the sample: by its name's hash, so always the same."""
    return crc32(name.encode()) < share * 2**32


class Invoice(NamedTuple):
    """A basket: its lines in the order of the file."""

    number: str
    at_ms: int
    customer: str
    country: str
    lines: list[str]


def online_retail(data: Path, share: float) -> Stream:
    """A share of the invoices, by hash. An invoice is a session: each line is put into the cart, the last one is followed by the
    checkout of all. Regions are countries; a category is the last word of the product's description, as the file has none.
    """
    with gzip.open(data / RETAIL, "rt", encoding="utf-8") as file:
        invoices, products = read_invoices(csv.DictReader(file))
    drawn = [invoice for invoice in invoices if is_drawn(invoice.number, share)]
    category_of = {product.product_id: product.category_id for product in products}
    sought = ((invoice.at_ms, product) for invoice in invoices for product in invoice.lines)
    events = sorted(
        (event for invoice in drawn for event in events_of(invoice, category_of)), key=lambda event: event.timestamp
    )
    return Stream(
        "online retail",
        listed_when_seen(products, sought),
        RETAIL_LISTING_MS,
        events,
        frozenset({"add_to_cart"}),
        {"popularity": {"window": "7 d", "slide": "1 h", "counts": "purchases"}},
        f"{len(drawn):,} invoices ({share:.0%} by hash) in 4 months, {len(products):,} products, by country; popular in 7 days",
        {},
    )


def read_invoices(rows: Iterable[dict[str, str]]) -> tuple[list[Invoice], list[Product]]:
    """Invoices, and their products with the mean price. Left out: returns, what is no product (postage, fees), and lines that are
    there twice."""
    invoices: dict[str, Invoice] = {}
    words: defaultdict[str, Counter[str]] = defaultdict(Counter)
    prices: defaultdict[str, list[float]] = defaultdict(list)
    for row in rows:
        number, product = row["InvoiceNo"], row["StockCode"]
        if float(row["Quantity"]) <= 0 or not _GOODS.match(product):
            continue
        at_ms = round(datetime.fromisoformat(row["InvoiceDate"]).replace(tzinfo=UTC).timestamp() * 1_000)
        invoice = invoices.setdefault(number, Invoice(number, at_ms, row["CustomerID"], row["Country"], []))
        if product not in invoice.lines:
            invoice.lines.append(product)
        words[product][(row["Description"].split() or ["none"])[-1]] += 1
        prices[product].append(float(row["UnitPrice"]))
    products = [
        Product(product, words[product].most_common(1)[0][0], price=max(0.0, sum(paid) / len(paid)))
        for product, paid in prices.items()
    ]
    return list(invoices.values()), products


def events_of(invoice: Invoice, category_of: dict[str, str]) -> Iterator[Event]:
    """The lines as they are put into the cart, one a second, then the checkout, in parts where it is large."""
    number, user = invoice.number, invoice.customer or None
    for place, product in enumerate(invoice.lines):
        yield Event(
            number,
            "add_to_cart",
            invoice.at_ms + place * STEP_MS,
            f"{number}-{place}",
            product_id=product,
            category_id=category_of[product],
            region=invoice.country,
            user_id=user,
        )
    for begin in range(0, len(invoice.lines), MOST_LINES):
        bought = [Line(product) for product in invoice.lines[begin : begin + MOST_LINES]]
        at_ms = invoice.at_ms + (len(invoice.lines) + begin // MOST_LINES) * STEP_MS
        yield Event(
            number, "checkout", at_ms, f"{number}-bought-{begin}", items=bought, region=invoice.country, user_id=user
        )
