"""Products into the `products` topic, keyed by product, with a count of everything that was refused."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from cli.catalogue.reading import Loaded, Refused, Removal, read_row
from cli.producing import Delivery

EXAMPLES_PER_REASON = 1


class LoadReport(msgspec.Struct):
    """What became of the rows: sent, removed, refused by reason with an example each, and categories seen by name."""

    rows: int = 0
    products: int = 0
    removals: int = 0
    repeated: int = 0
    refused: Counter[str] = msgspec.field(default_factory=Counter)
    examples: dict[str, str] = msgspec.field(default_factory=dict)
    seen: set[str] = msgspec.field(default_factory=set)


def load_products(rows: Iterable[Mapping[str, Any] | bytes], topic: str, delivery: Delivery) -> LoadReport:
    """Sends every valid row in order, so that the last row of a product stands.

    Raises:
        UserError: a record could not be delivered.
    """
    report = LoadReport()
    for row in rows:
        report.rows += 1
        match read_row(row):
            case Loaded(product_id=product_id, value=value):
                delivery.send(topic, value, product_id.encode())
                report.products += 1
                report.repeated += product_id in report.seen
                report.seen.add(product_id)
            case Removal(product_id=product_id):
                delivery.send(topic, None, product_id.encode())
                report.removals += 1
            case Refused(reason=reason, detail=detail):
                report.refused[reason] += 1
                report.examples.setdefault(reason, detail)
    delivery.flush()
    return report
