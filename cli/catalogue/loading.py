"""Products into the `products` topic, keyed by product, with a count of everything that was refused or changed."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain, islice
from typing import Any

import msgspec

from cli.catalogue.reading import AMAZON_COLUMNS, IDS, Loaded, Refused, Removal, read_row
from cli.delivery import Delivery
from cli.errors import UserError
from cli.files.rows import Broken, Row, Rows
from cli.replay.hints import choose_column, separator_hint, shown_columns

SAMPLE_ROWS = 1_000
MOST_REFUSED_SHARE = 0.5
"""Of the sample: where more rows are no products, the file is the wrong one, and nothing of it is sent."""
MOST_IDS_REMEMBERED = 2_000_000
REQUIRED_HINT = (
    "a product needs product_id and category_id; rename the columns, or see the form of a product in docs/events.md"
)


class LoadReport(msgspec.Struct):
    """Fate of the rows: sent, removed, refused by reason and optional fields left out or converted, with examples."""

    rows: int = 0
    products: int = 0
    removals: int = 0
    repeated: int = 0
    refused: Counter[str] = msgspec.field(default_factory=Counter)
    remarks: Counter[str] = msgspec.field(default_factory=Counter)
    examples: dict[str, str] = msgspec.field(default_factory=dict)
    seen: set[int] = msgspec.field(default_factory=set)

    def note_refused(self, refused: Refused, where: str) -> None:
        """Count a row, and keep the first of each kind."""
        self.refused[refused.reason] += 1
        self.examples.setdefault(refused.reason, f"{where}{refused.detail}")


def load_products(
    rows: Iterable[Mapping[str, Any] | bytes], topic: str, delivery: Delivery, line: Callable[[], int] | None = None
) -> LoadReport:
    """Send every valid row in order, so that the last row of a product stands; `line` is where the last row was.

    Raises:
        UserError: a record could not be delivered.
    """
    report = LoadReport()
    for row in rows:
        report.rows += 1
        where = f"line {line()}: " if line else ""
        match read_row(row):
            case Loaded(product_id=product_id, value=value, remarks=remarks):
                delivery.send(topic, value, product_id.encode())
                report.products += 1
                _note_repeated(report, product_id, where)
                for remark in remarks:
                    report.remarks[remark.what] += 1
                    report.examples.setdefault(remark.what, f"{where}{product_id} {remark.detail}")
            case Removal(product_id=product_id):
                delivery.send(topic, None, product_id.encode())
                report.removals += 1
            case Refused() as refused:
                report.note_refused(refused, where)
    delivery.flush()
    return report


def _note_repeated(report: LoadReport, product_id: str, where: str) -> None:
    identity = hash(product_id)
    if identity in report.seen:
        report.repeated += 1
        report.examples.setdefault("repeated", f"{where}{product_id}")
    elif len(report.seen) < MOST_IDS_REMEMBERED:
        report.seen.add(identity)


def checked(rows: Rows) -> Iterator[Row | Broken]:
    """Yield the rows of a file whose first rows are products; look at those at once, so that nothing was sent when it stops.

    Raises:
        UserError: columns are missing, text is not UTF-8, or most of the sample is no product.
    """
    source = iter(rows)
    sample: list[Row | Broken] = []
    lines: list[int] = []
    for row in islice(source, SAMPLE_ROWS):
        if not sample and rows.columns is not None:
            _check_columns(rows, rows.columns)
        sample.append(row)
        lines.append(rows.line)
    if not sample and rows.columns:
        _check_columns(rows, rows.columns)
    if sample and rows.columns is None:
        _check_columns(
            rows, list(dict.fromkeys(chain.from_iterable(row for row in sample if isinstance(row, Mapping))))
        )
    report = LoadReport()
    for row, number in zip(sample, lines, strict=True):
        outcome = read_row(row)
        if isinstance(outcome, Refused):
            report.note_refused(outcome, f"line {number}: ")
    _check_sample(rows, report, len(sample))
    return _sample_and_rest(rows, sample, lines, source)


def _sample_and_rest(
    rows: Rows, sample: list[Row | Broken], lines: list[int], rest: Iterator[Row | Broken]
) -> Iterator[Row | Broken]:
    last = rows.line
    for row, line in zip(sample, lines, strict=True):
        rows.line = line
        yield row
    rows.line = last
    yield from rest


def _check_columns(rows: Rows, columns: list[str]) -> None:
    if set(columns) >= AMAZON_COLUMNS or not columns:
        return
    for name in IDS:
        if name in columns or (name == "category_id" and "removed" in columns):
            continue
        close = choose_column(name, name, columns)
        guess = f"did you mean {close}? " if close else ""
        hint = separator_hint(rows) if rows.kind == "csv" else ""
        raise _stop(
            rows,
            f"column '{name}' is not in the file; it has: {shown_columns(columns)}",
            f"set {hint.rpartition(', or ')[2]}" if "--delimiter" in hint else f"{guess}{REQUIRED_HINT}",
        )


def _check_sample(rows: Rows, report: LoadReport, count: int) -> None:
    if report.refused["not_utf8"]:
        raise _stop(rows, f"{report.refused['not_utf8']:,} rows are not UTF-8, {report.examples['not_utf8']}")
    if report.refused.total() > MOST_REFUSED_SHARE * count:
        reasons = "; ".join(
            f"{number:,} {why}, {report.examples[why]}" for why, number in report.refused.most_common(3)
        )
        raise _stop(
            rows, f"{report.refused.total():,} of the first {count:,} rows are no products ({reasons})", REQUIRED_HINT
        )


def _stop(rows: Rows, what: str, hint: str = "") -> UserError:
    reasons = "; ".join(filter(None, (what, hint)))
    return UserError(f"nothing of {rows.name} was loaded: {reasons}; read as {rows.read_as()}")
