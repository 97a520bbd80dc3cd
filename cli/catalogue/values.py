"""Values of product columns as shops write them: amounts with currencies and commas, truth as words, times in any unit."""

import re
from datetime import UTC, datetime
from typing import Any

from cli.replay.hints import parse_time

TRUE_WORDS = frozenset({"true", "t", "yes", "y", "on", "1", "1.0"})
FALSE_WORDS = frozenset({"false", "f", "no", "n", "off", "0", "0.0"})
AMOUNT = re.compile(r"\d[\d.,'’_\s]*|[.,]\d+")
CURRENCY = re.compile(r"\s*(?:[A-Za-z]{1,3}\.?|[A-Za-z]{0,3}[^\W\d_]?[$€£¥₹₽₩₺₴₫฿₪₦¢]|zł|kr\.?|Kč|,-|\.-|-)?\s*")
GROUPED = re.compile(r"\d{1,3}(?P<between>[.,'’_\s])(?:\d{2,3}(?P=between))*\d{3}")
PLAIN = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
EXACT_LIMIT = 2**53
# Which unit a number of a time is in, by its size: seconds reach 1e11 in the year 5138, milliseconds began with it in 1973.
SMALLEST_SECONDS, SMALLEST_MS, SMALLEST_US, SMALLEST_NS = 1e8, 1e11, 1e14, 1e17


def read_amount(value: Any) -> float:
    """Return a number from a number or a text such as `19.9`, `19,90`, `1.299,00 €`, `$12`, `1 299 kr` or `1,29,900`.

    A single separator with three digits behind it groups thousands if it is a comma, or if a currency stands there; `1.299`
    alone is what a program writes, and stays below two.

    Raises:
        ValueError: it is no finite number.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("no number")
    amount = float(value) if isinstance(value, int | float) or PLAIN.fullmatch(value.strip()) else _from_words(value)
    if not abs(amount) < float("inf"):
        raise ValueError("no finite number")
    return amount


def _from_words(text: str) -> float:
    text = text.strip()
    sign = -1.0 if text.startswith("-") else 1.0
    text = text.removeprefix("-")
    found = AMOUNT.search(text)
    if found is None:
        raise ValueError("no number")
    before, digits, after = text[: found.start()], found[0].strip(), text[found.end() :]
    if not CURRENCY.fullmatch(before) or not CURRENCY.fullmatch(after) or (before.strip() and after.strip()):
        raise ValueError("no number")
    has_currency = bool(before.strip() or after.strip())
    return sign * float(_plain_digits(digits.removesuffix(",").removesuffix("."), has_currency))


def _plain_digits(digits: str, has_currency: bool) -> str:
    """Digits with a point before the fraction and nothing between thousands."""
    last = max(digits.rfind("."), digits.rfind(","))
    whole, fraction = (digits[:last], digits[last + 1 :]) if last >= 0 else (digits, "")
    sign = digits[last] if last >= 0 else ""
    if sign and _groups_thousands(digits, sign, fraction, has_currency):
        whole, fraction = digits, ""
    if not fraction.isdigit() and fraction:
        raise ValueError("no number")
    if not (whole.isdigit() or whole == "" or GROUPED.fullmatch(whole)) or (fraction and sign in whole):
        raise ValueError("no number")
    return f"{re.sub(r'[^0-9]', '', whole) or '0'}.{fraction or '0'}"


def _groups_thousands(digits: str, sign: str, fraction: str, has_currency: bool) -> bool:
    if not GROUPED.fullmatch(digits) or len(fraction) != 3:
        return False
    return digits.count(sign) > 1 or ((sign == "," or has_currency) and not digits.startswith("0"))


def read_truth(value: Any) -> bool:
    """Read a truth value from a bool, 0 or 1, or a word such as TRUE, yes, n.

    Raises:
        ValueError: it is neither.
    """
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower() if isinstance(value, str | int | float) else ""
    if word in TRUE_WORDS:
        return True
    if word in FALSE_WORDS:
        return False
    raise ValueError("neither true nor false")


def read_moment_ms(value: Any) -> int:
    """Return a time in ms since the epoch from a number in s, ms, us or ns, by its size, or from text as ISO 8601 writes it.

    Raises:
        ValueError: it is no time.
    """
    try:
        amount = float(value.strip() if isinstance(value, str) else value)
    except (ValueError, TypeError):
        moment = parse_time(value.strip()) if isinstance(value, str) else None
        if moment is None:
            raise ValueError("no time") from None
        return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1_000)
    if isinstance(value, bool) or not abs(amount) < float("inf"):
        raise ValueError("no time")
    size = abs(amount)
    if size < SMALLEST_SECONDS and not amount.is_integer():
        raise ValueError("no time")
    exact = value if isinstance(value, int) else int(value) if str(value).strip().isdigit() else amount
    milliseconds = (
        exact
        if size < SMALLEST_SECONDS
        else exact * 1_000
        if size < SMALLEST_MS
        else exact
        if size < SMALLEST_US
        else exact / 1_000
        if size < SMALLEST_NS
        else exact / 1_000_000
    )
    if abs(milliseconds) > EXACT_LIMIT:
        raise ValueError("no time")
    return round(milliseconds)


def as_day(time_ms: int) -> str:
    """Return a time for a person, as far as it has a date."""
    try:
        return datetime.fromtimestamp(time_ms / 1_000, UTC).strftime("%Y-%m-%d")
    except (ValueError, OverflowError, OSError):
        return f"{time_ms} ms"
