"""The items of a profile as JSON: scores, and the reasons that a visitor could be explained."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import numpy as np

from state.feature_set import DIMENSION
from state.kernels.compiled import kept

SMALLEST_ENGAGEMENT = 0.001
"""Predictions as engagement are clipped to this and 1."""
ITEMS_WITH_TWO_REASONS = 5
_REASONS_BYTES = 8 * DIMENSION

_MILLION = 1_000_000
_ZERO, _POINT, _QUOTE, _BACKSLASH = b'0."\\'
_ITEM_BYTES = len('{"product_id":,"score":0.000000,"propensity":0.000000,"explored":false,"pinned":false,"reasons":[]}')
_REASON_BYTES = len('{"code":,"share":0.0}')
_CATEGORY_BYTES, _PRODUCT_BYTES, _REGION_BYTES = len(',"category_id":'), len(',"product_id":'), len(',"region":')
_HALF_STEPS = np.array([2.0 ** (max(exponent, 1) - 25) for exponent in range(31)] + [np.inf])

_Function = TypeVar("_Function", bound=Callable[..., Any])


def _exactly(function: _Function) -> _Function:
    """Compiled with Python's own arithmetic, so that what is printed does not depend on how loops were rearranged."""
    return kept(function, error_model="numpy")


def _borrowing(function: _Function) -> _Function:
    """The same for a function that creates no array: it counts no references to those it is given, which would take longer than
    its work.
    """
    return kept(function, error_model="numpy", _nrt=False)


class _Items(NamedTuple):
    """What is to be written of k items: see `write_items`. `quotes` are the places of strings' first and last bytes in `packed`."""

    packed: Any
    flags: int
    quotes: Any
    numbers: Any
    explained: Any
    by_category: int


@_exactly
def write_items(packed: Any, k: int, flags: int, theta: Any, base: float, by_category: int, room: int) -> Any:
    """Return the JSON array (uint8) of the first of k items, as many as take at most `room` bytes beside the brackets.

    `packed` (uint8) holds each feature's reason or -1 as d int64; 4k float64: propensities in [0, 1], the session's affinities to
    the products and to their categories, half of which adds to the `base` weight, and the expected rewards; features, k × d
    float16; from `flags` on k bytes that are 1 where an item was explored, and k that are 1 where it is pinned; then JSON with all
    product ids, all category ids, for each item the product that it goes together with, the region, and the codes of the reasons,
    the last two of which are for items that have no reason of their own and for explored ones. `theta` (m × d,) are the
    coefficients of one model or of each item's own, none where there is no model. The reason `by_category` names the category, the
    next one the product, the one after it what it goes together with, and the two after that the region.
    """
    numbers = packed[_REASONS_BYTES : _REASONS_BYTES + 32 * k].view(np.float64)
    quotes = _quotes(packed, flags + 2 * k)
    reasons = len(quotes) // 2 - 3 * k - 3
    explained = _explained(packed, flags, numbers, theta, base, reasons, by_category)
    items = _Items(packed, flags, quotes, numbers, explained, by_category)
    shares = _shares(items, room)
    count = len(shares)
    total = 0.0
    for i in range(count):
        total += explained[i, 0]
    out = np.empty(max(0, room) + 2, np.uint8)
    at = _put(out, 0, b"[")
    for i in range(count):
        score = explained[i, 0] / total if total > 0 else 1.0 / count
        at = _put_item(out, _put(out, at, b"," if i else b""), items, i, score, shares[i])
    return out[: _put(out, at, b"]")]


@_exactly
def _shares(items: Any, room: int) -> Any:
    """For each of the items that fit the share of its first reason in hundredths: 100, or less where there is room for a second."""
    k = len(items.explained)
    shares = np.full(k, 100)
    for i in range(k):
        room -= _length(items, i, 100) + 1
        if room < 0:
            return shares[:i]
    for i in range(min(k, ITEMS_WITH_TWO_REASONS)):
        share = int(items.explained[i, 2])
        if share < 100:
            room -= _length(items, i, share) - _length(items, i, 100)
            if room < 0:
                break
            shares[i] = share
    return shares


@_borrowing
def _length(items: Any, i: int, share: int) -> Any:
    """How many bytes `_put_item` writes."""
    flag = items.flags + i
    true = int(items.packed[flag]) + int(items.packed[flag + len(items.explained)])
    length = (
        _ITEM_BYTES - true + _text_length(items.quotes, i) + _reason_length(items, i, int(items.explained[i, 1]), share)
    )
    return length + 1 + _reason_length(items, i, int(items.explained[i, 3]), 100 - share) if share < 100 else length


@_borrowing
def _reason_length(items: Any, i: int, reason: int, share: int) -> Any:
    k = len(items.explained)
    length = _REASON_BYTES + _text_length(items.quotes, 3 * k + 1 + reason) + (share % 10 > 0)
    text = _named(items, i, reason)
    if text < 0:
        return length
    of = reason - items.by_category
    name = _CATEGORY_BYTES if of == 0 else _PRODUCT_BYTES if of < 3 else _REGION_BYTES
    return length + name + _text_length(items.quotes, text)


@_borrowing
def _named(items: Any, i: int, reason: int) -> int:
    """Which of the texts a reason of an item names; -1 for none, as where the text is empty."""
    k, of = len(items.explained), reason - items.by_category
    if of < 0 or of > 4:
        return -1
    text = 3 * k
    if of == 0:
        text = k + i
    elif of == 1:
        text = i
    elif of == 2:
        text = 2 * k + i
    return text if of == 1 or _text_length(items.quotes, text) > 2 else -1


@_borrowing
def _text_length(quotes: Any, text: int) -> Any:
    return quotes[2 * text + 1] + 1 - quotes[2 * text]


@_exactly
def _explained(
    packed: Any,
    flags: int,
    numbers: Any,
    theta: Any,
    base: float,
    reasons: int,
    by_category: int,
) -> Any:
    """What each of k items is scored for, (k, 4): the score, the reason with the largest terms, its share in hundredths of what it
    and the next have together, and that next one. Reasons are numbers of their codes.
    """
    k = len(numbers) // 4
    reason_of, x = packed[:_REASONS_BYTES].view(np.int64), packed[_REASONS_BYTES + 32 * k : flags].view(np.uint16)
    d = len(x) // k
    models = len(theta) // d if d else 0
    explained, terms = np.zeros((k, 4)), np.zeros(reasons)
    for i in range(k):
        product, category = 0.5 * numbers[k + i], 0.5 * numbers[2 * k + i]
        product -= min(0.0, product + category + base)
        explained[i, 0] = min(1.0, max(SMALLEST_ENGAGEMENT, numbers[3 * k + i])) * (base + product + category)
        explained[i, 2] = 100
        if packed[flags + i]:
            explained[i, 1] = reasons + 1
            continue
        terms[:] = 0.0
        if models:
            _add_terms(terms, x[i * d : (i + 1) * d], theta[min(i, models - 1) * d :], reason_of, base)
        terms[by_category + 1] += max(0.0, product)
        terms[by_category] += max(0.0, category)
        first = _best(terms)
        term = terms[first]
        if term <= 0:
            explained[i, 1] = reasons
            continue
        terms[first] = -1.0
        second = _best(terms)
        explained[i, 1], explained[i, 3] = first, second
        explained[i, 2] = _rounded(term / (term + max(0.0, terms[second])), 100)
    return explained


@_borrowing
def _add_terms(terms: Any, x: Any, theta: Any, reason_of: Any, base: float) -> None:
    """Adds to each reason the positive terms x·θ of its features, in parts of `base` that all positive terms share."""
    total = 0.0
    for j in range(len(x)):
        part = _half(x[j]) * theta[j]
        if part > 0:
            total += part
            if reason_of[j] >= 0:
                terms[reason_of[j]] += part
    if total > 0:
        terms *= base / total


@_borrowing
def _best(values: Any) -> int:
    """The index of the largest value, the first of equals."""
    best = 0
    for i in range(1, len(values)):
        if values[i] > values[best]:
            best = i
    return best


@_borrowing
def _half(bits: int) -> Any:
    """The number whose float16 has these bits."""
    exponent = (bits >> 10) & 31
    size = ((bits & 1023) + (1024 if exponent else 0)) * _HALF_STEPS[exponent]
    return -size if bits & 0x8000 else size


@_borrowing
def _rounded(x: float, scale: int) -> int:
    """`x` in [0, 1] times `scale` (at most a million), rounded as Python prints: by the exact value, halves to even.

    The value is split at 2⁻³⁰; the rest is a multiple of 2⁻⁷³ unless `x` is too small to be rounded up.
    """
    whole = int(x * 1073741824.0)
    rest = int((x * 1073741824.0 - whole) * 8796093022208.0) * scale
    product = whole * scale + (rest >> 43)
    above, half = product & 0x3FFFFFFF, 0x20000000
    found = product >> 30
    if above > half or (above == half and (rest & 0x7FFFFFFFFFF or found & 1)):
        found += 1
    return found


@_exactly
def _quotes(text: Any, start: int) -> Any:
    """Where the quotes stand that begin and end the strings of a JSON text, from `start` on. Without branches, which would go wrong
    at every string's end.
    """
    places = np.empty(len(text) - start + 1, np.int64)
    found, escaped = 0, False
    for at in range(start, len(text)):
        places[found] = at
        found += (text[at] == _QUOTE) & (not escaped)
        escaped = (text[at] == _BACKSLASH) & (not escaped)
    return places[:found]


@_borrowing
def _put_item(out: Any, at: int, items: Any, i: int, score: float, share: int) -> int:
    """Writes an item's JSON to `out` from `at` on, returns where it ends. It has a second reason where `share` is less than 100."""
    flag = items.flags + i
    at = _put_text(out, _put(out, at, b'{"product_id":'), items.packed, items.quotes, i)
    at = _put_millionths(out, _put(out, at, b',"score":'), score)
    at = _put_millionths(out, _put(out, at, b',"propensity":'), items.numbers[i])
    at = _put_flag(out, _put(out, at, b',"explored":'), items.packed[flag])
    at = _put_flag(out, _put(out, at, b',"pinned":'), items.packed[flag + len(items.explained)])
    at = _put_reason(out, _put(out, at, b',"reasons":['), items, i, int(items.explained[i, 1]), share)
    if share < 100:
        at = _put_reason(out, _put(out, at, b","), items, i, int(items.explained[i, 3]), 100 - share)
    return _put(out, at, b"]}")


@_borrowing
def _put_reason(out: Any, at: int, items: Any, i: int, reason: int, share: int) -> int:
    k = len(items.explained)
    at = _put_text(out, _put(out, at, b'{"code":'), items.packed, items.quotes, 3 * k + 1 + reason)
    at = _put_hundredths(out, _put(out, at, b',"share":'), share)
    text = _named(items, i, reason)
    if text >= 0:
        of = reason - items.by_category
        if of == 0:
            at = _put(out, at, b',"category_id":')
        elif of < 3:
            at = _put(out, at, b',"product_id":')
        else:
            at = _put(out, at, b',"region":')
        at = _put_text(out, at, items.packed, items.quotes, text)
    return _put(out, at, b"}")


@_borrowing
def _put(out: Any, at: int, text: bytes) -> int:
    for i in range(len(text)):
        out[at + i] = text[i]
    return at + len(text)


@_borrowing
def _put_text(out: Any, at: int, packed: Any, quotes: Any, text: int) -> int:
    for i in range(quotes[2 * text], quotes[2 * text + 1] + 1):
        out[at] = packed[i]
        at += 1
    return at


@_borrowing
def _put_flag(out: Any, at: int, flag: int) -> int:
    return _put(out, at, b"true") if flag else _put(out, at, b"false")


@_borrowing
def _put_millionths(out: Any, at: int, x: float) -> int:
    """A number in [0, 1] with six digits, as `f"{x:.6f}"`."""
    left = _rounded(x, _MILLION)
    for place in range(at + 7, at + 1, -1):
        out[place] = _ZERO + left % 10
        left //= 10
    out[at], out[at + 1] = _ZERO + left, _POINT
    return at + 8


@_borrowing
def _put_hundredths(out: Any, at: int, hundredths: int) -> int:
    """A number in [0, 1] with one digit or two, as Python prints a float."""
    out[at], out[at + 1], out[at + 2] = _ZERO + hundredths // 100, _POINT, _ZERO + hundredths // 10 % 10
    if hundredths % 10 == 0:
        return at + 3
    out[at + 3] = _ZERO + hundredths % 10
    return at + 4
