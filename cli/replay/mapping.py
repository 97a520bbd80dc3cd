"""One row of a file to one event: pure, so that it can be tested without files."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from cli.errors import UserError
from cli.replay.formats import UNITS_PER_SECOND, Field, Format, Skip, Time

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
MOST_SUMMED = 1_000_000
LATEST_TIME_MS = 253_402_300_799_999  # the end of the year 9999: what lies beyond is no time


class MappedEvent(msgspec.Struct, frozen=True):
    """An event without its time; `timestamp_ms` is None where it cannot be read and `fields` holds it as it came."""

    fields: dict[str, Any]
    timestamp_ms: int | None


class RowMapper:
    """Application of one mapping to rows.

    Raises:
        UserError: the mapping's time zone is unknown.
    """

    def __init__(self, mapping: Format) -> None:
        self._mapping = mapping
        self._read_time = row_time(mapping.time)

    def map_row(self, row: Mapping[str, Any]) -> MappedEvent | str:
        """Return the row's event, or the reason why it is skipped."""
        for rule in self._mapping.skip:
            if matches(rule, row.get(rule.column)):
                return rule.reason
        fields: dict[str, Any] = {}
        for name, source in self._mapping.event.items():
            value = field_value(source, row)
            if value is not None:
                put(fields, name, value)
        raw_time = row.get(self._mapping.time.column)
        timestamp_ms = self._read_time(row)
        if timestamp_ms is None and raw_time is not None:
            fields["timestamp"] = raw_time if isinstance(raw_time, str | int | float | bool) else str(raw_time)
        return MappedEvent(fields, timestamp_ms)


def put(fields: dict[str, Any], name: str, value: Any) -> None:
    """Set `a.b` inside an object, `a` at the top."""
    outer, dot, inner = name.partition(".")
    if dot:
        fields.setdefault(outer, {})[inner] = value
    else:
        fields[outer] = value


def field_value(source: Field, row: Mapping[str, Any]) -> Any:
    """Return the field's value from the row; None where it is to be left out."""
    value = source.constant
    for column in source.columns:
        value = row.get(column)
        if not _is_empty(value):
            break
    if _is_empty(value):
        return None
    if source.map:
        text = str(value)
        if text in source.map:
            value = source.map[text]
            if value is None:
                return None
        elif source.unmapped == "omit":
            return None
    value = _as_type(value, source.type)
    return f"{source.prefix}{value}" if source.prefix else value


def matches(rule: Skip, value: Any) -> bool:
    """Return whether all of the rule's conditions hold for a column's value."""
    if rule.empty and not _is_empty(value):
        return False
    if rule.equals is not None and str(value) != str(rule.equals):
        return False
    if rule.starts_with is not None and not str(value or "").startswith(rule.starts_with):
        return False
    if rule.below is not None or rule.above is not None:
        amount = _as_number(value)
        if amount is None:
            return False
        return (rule.below is None or amount < rule.below) and (rule.above is None or amount > rule.above)
    return True


def row_time(time: Time) -> Callable[[Mapping[str, Any]], int | None]:
    """Return a function from a row to its time in ms since the epoch, None where it has none.

    Raises:
        UserError: the time zone is unknown.
    """
    if time.summed:
        read_row: Callable[[Mapping[str, Any]], int | None] = SummedDays(time)
    else:
        read_value, column = time_reader(time), time.column

        def read_row(row: Mapping[str, Any]) -> int | None:
            return read_value(row.get(column))

    plus = time.plus
    if plus is None:
        return read_row

    def read_with_plus(row: Mapping[str, Any]) -> int | None:
        base_ms = read_row(row)
        if base_ms is None:
            return None
        try:
            return base_ms + _from_number(row.get(plus.column), plus.unit)
        except (ValueError, OverflowError, ArithmeticError, TypeError):
            return None

    return read_with_plus


class SummedDays:
    """Times of data that only say how many days lie between the orders of a user; see `Summed`.

    Keeps one order and one sum for each of at most `MOST_SUMMED` users.
    """

    def __init__(self, time: Time) -> None:
        assert time.summed is not None
        self._column, self._summed = time.column, time.summed
        self._start_ms = time_reader(Time(column="", format="iso", timezone=time.timezone))(time.summed.start) or 0
        self._known: dict[str, tuple[str, float]] = {}

    def __call__(self, row: Mapping[str, Any]) -> int | None:
        """The row's time; None where its hour or days are no numbers."""
        summed = self._summed
        user, order = str(row.get(summed.per)), str(row.get(summed.once_per))
        hour = _as_number(row.get(summed.hour)) if summed.hour else 0.0
        last_order, days = self._known.get(user, (None, 0.0))
        if order != last_order:
            since, first = _as_number(row.get(self._column)), 0.0
            if last_order is None and summed.first_day:
                first = _as_number(row.get(summed.first_day)) or 0.0
            days += since if since is not None and last_order is not None else first
            if len(self._known) >= MOST_SUMMED and user not in self._known:
                raise UserError(f"time.summed: more than {MOST_SUMMED:,} values of {summed.per}: split the file by it")
            self._known[user] = (order, days)
        if hour is None or not 0 <= days * DAY_MS + self._start_ms <= LATEST_TIME_MS or not 0 <= hour < 48:
            return None
        return self._start_ms + round(days * DAY_MS + hour * HOUR_MS)


def time_reader(time: Time) -> Callable[[Any], int | None]:
    """Return a function from a column's value to ms since the epoch, None where it is no time.

    Raises:
        UserError: the time zone is unknown.
    """
    try:
        zone = UTC if time.timezone == "UTC" else ZoneInfo(time.timezone)
    except (ZoneInfoNotFoundError, ValueError):
        raise UserError(f"time.timezone {time.timezone}: no such time zone, write it as Europe/London") from None

    def read(value: Any) -> int | None:
        try:
            milliseconds = (
                _from_number(value, time.unit) if time.unit else _from_text(value, time.format or "iso", zone)
            )
        except (ValueError, OverflowError, ArithmeticError, TypeError):
            return None
        return milliseconds if 0 < milliseconds <= LATEST_TIME_MS else None

    return read


def _from_number(value: Any, unit: str) -> int:
    if isinstance(value, datetime | bool):
        raise TypeError("a number is expected")
    per_second = UNITS_PER_SECOND[unit]
    return int(Decimal(str(value).strip()) * 1_000 / per_second)


def _from_text(value: Any, form: str, zone: Any) -> int:
    if isinstance(value, datetime):
        moment = value
    else:
        text = str(value).strip()
        moment = datetime.fromisoformat(text) if form == "iso" else datetime.strptime(text, form)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    return round(moment.timestamp() * 1_000)


def _is_empty(value: Any) -> bool:
    return value is None or value == "" or value != value  # NaN is how Parquet files often say nothing


def _as_number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _as_type(value: Any, kind: str | None) -> Any:
    """Converts where it can; what is no number stays as it is, so that the row becomes a dead letter."""
    if kind == "string":
        return str(value)
    if kind == "identifier":
        return str(value).removesuffix(".0")
    if kind is not None:
        amount = _as_number(value)
        if amount is not None and abs(amount) < float("inf"):
            return int(amount) if kind == "integer" and amount.is_integer() else amount
    if isinstance(value, date):
        return value.isoformat()
    return value
