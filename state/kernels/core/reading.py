"""Reading an event: the plain form of the common types. Whatever is anything else is left to `state/events/event.py`.

Plain is text without quotes and control characters, whose escapes are resolved; no number with more than 15 digits; no list longer
than the record has room for; null where a field need not be.
"""

from typing import Any

import numpy as np

from state.kernels.core.layout import FULL_STRENGTH, LONGEST_NAME, MOST_CONTEXT, MOST_PRODUCTS, MOST_SHOWN
from state.kernels.core.memory import core, ld8
from state.kernels.core.moment import put_moment
from state.kernels.core.scanning import is_text, number_end, printed, skip, text_end, word_end
from state.kernels.core.text import is_less, same

VIEW, CATEGORY_VIEW, CART, CHECKOUT, IMPRESSION, FEEDBACK, HOVER, DWELL, SEARCH = range(9)
HAS_QUERY, HAS_DURATION, HAS_FEEDBACK = 1, 2, 4
LONGEST_SESSION, LONGEST_ID, LONGEST_USER = 128, 128, 256
"""Bytes, no more than the characters that an event may have there."""
EVENT_ID_CHARACTERS, QUERY_CHARACTERS = 64, 256
LONGEST_TOLD = 400
"""Bytes of a moment: so much has room among what an input may add to a session."""
_TENS = (1.0, 10.0, 100.0, 1_000.0)
FIELD_NONE = 0
(
    _SESSION_ID,
    _EVENT_TYPE,
    _TIMESTAMP,
    _EVENT_ID,
    _PRODUCT_ID,
    _CATEGORY_ID,
    _ITEMS,
    _DECISION_ID,
    _SHOWN,
    _FEEDBACK,
    _GRANTED,
    _DURATION_MS,
    _QUERY,
    _REGION,
    _DEVICE,
    _USER_ID,
    _PRICE,
    _QUANTITY,
    _CONTEXT,
    _KIND,
    _VALUE,
) = range(1, 22)


@core
def kind_of(at: int, n: int) -> Any:
    """Return the number of an event's type; -1 for one that is not common."""
    c = ld8(at)
    if n == 12 and is_text(at, n, b"product_view"):
        return VIEW
    if n == 13 and is_text(at, n, b"category_view"):
        return CATEGORY_VIEW
    if n == 11 and is_text(at, n, b"add_to_cart"):
        return CART
    if n == 10 and is_text(at, n, b"impression"):
        return IMPRESSION
    if n == 8 and c == 99 and is_text(at, n, b"checkout"):
        return CHECKOUT
    if n == 8 and is_text(at, n, b"feedback"):
        return FEEDBACK
    if n == 6 and is_text(at, n, b"search"):
        return SEARCH
    if n == 5 and c == 104 and is_text(at, n, b"hover"):
        return HOVER
    if n == 5 and is_text(at, n, b"dwell"):
        return DWELL
    return -1


@core
def _field(at: int, n: int) -> Any:
    """Which field of an event, a line or a feedback a key names; 0 for another."""
    c = ld8(at)
    if n == 10:
        if c == 115 and is_text(at, n, b"session_id"):
            return _SESSION_ID
        if c == 101 and is_text(at, n, b"event_type"):
            return _EVENT_TYPE
        if c == 112 and is_text(at, n, b"product_id"):
            return _PRODUCT_ID
    elif n == 8:
        if c == 101 and is_text(at, n, b"event_id"):
            return _EVENT_ID
        if c == 102 and is_text(at, n, b"feedback"):
            return _FEEDBACK
        if c == 113 and is_text(at, n, b"quantity"):
            return _QUANTITY
    elif n == 11:
        if c == 99 and is_text(at, n, b"category_id"):
            return _CATEGORY_ID
        if c == 100 and ld8(at + 1) == 101 and is_text(at, n, b"decision_id"):
            return _DECISION_ID
        if c == 100 and is_text(at, n, b"duration_ms"):
            return _DURATION_MS
    elif n == 5:
        if is_text(at, n, b"items"):
            return _ITEMS
        if is_text(at, n, b"shown"):
            return _SHOWN
        if is_text(at, n, b"query"):
            return _QUERY
        if is_text(at, n, b"price"):
            return _PRICE
        if is_text(at, n, b"value"):
            return _VALUE
    elif n == 7:
        if is_text(at, n, b"user_id"):
            return _USER_ID
        if is_text(at, n, b"granted"):
            return _GRANTED
        if is_text(at, n, b"context"):
            return _CONTEXT
    elif n == 6:
        if c == 114 and is_text(at, n, b"region"):
            return _REGION
        if c == 100 and is_text(at, n, b"device"):
            return _DEVICE
    elif n == 9:
        if is_text(at, n, b"timestamp"):
            return _TIMESTAMP
    elif n == 4 and is_text(at, n, b"kind"):
        return _KIND
    return FIELD_NONE


@core
def whole(at: int, end: int) -> Any:
    """Return the whole number in plain digits; -1 where it is none."""
    v = 0
    while at < end:
        c = ld8(at)
        if c < 48 or c > 57:
            return -1
        v = 10 * v + c - 48
        at += 1
    return v


@core
def decimal(at: int, end: int) -> Any:
    """Return a plain number of at most three decimals, exactly as Python reads it; NaN for any other."""
    v, places, has_point = 0, 0, False
    while at < end:
        c = ld8(at)
        if c == 46:
            has_point = True
        else:
            v = 10 * v + c - 48
            places += has_point
        at += 1
    if places > 3:
        return float("nan")
    return v / _TENS[places]


@core
def _read_lines(s: Any, at: int, end: int) -> Any:
    """Reads the lines of a checkout; returns where they end, -1 where they are not plain."""
    n = 0
    at = skip(at + 1)
    while ld8(at) == 123 and n < MOST_PRODUCTS:
        at = skip(at + 1)
        s.e_items[n, 1] = 0
        while True:
            if ld8(at) != 34:
                return -1
            key = at + 1
            q = text_end(s, key, end)
            if q < 0:
                return -1
            field = _field(s.t_at, s.t_n)
            at = skip(q + 1)
            if ld8(at) != 58:
                return -1
            at = skip(at + 1)
            if field == _PRODUCT_ID and ld8(at) == 34:
                q = text_end(s, at + 1, end)
                if q < 0 or not _is_name(s):
                    return -1
                s.e_items[n, 0], s.e_items[n, 1] = s.t_at, s.t_n
                at = q + 1
            elif field == _PRICE or field == _QUANTITY:
                if is_text(at, 4, b"null"):
                    q = at + 4
                else:
                    q = number_end(at, end)
                    if q < 0 or (field == _QUANTITY and not decimal(at, q) > 0):
                        return -1
                at = q
            else:
                return -1
            at = skip(at)
            if ld8(at) == 125:
                break
            if ld8(at) != 44:
                return -1
            at = skip(at + 1)
        if s.e_items[n, 1] == 0:
            return -1
        n += 1
        at = skip(at + 1)
        if ld8(at) != 44:
            break
        at = skip(at + 1)
        if ld8(at) != 123:
            return -1
    s.e_n_items = n
    return at + 1 if ld8(at) == 93 and n > 0 else -1


@core
def _read_shown(s: Any, at: int, end: int) -> Any:
    """Reads what an impression shows; returns where it ends, -1 where it is not plain."""
    n = 0
    at = skip(at + 1)
    while ld8(at) == 34 and n < MOST_SHOWN:
        q = text_end(s, at + 1, end)
        if q < 0 or not _is_name(s):
            return -1
        s.e_shown[n, 0], s.e_shown[n, 1] = s.t_at, s.t_n
        n += 1
        at = skip(q + 1)
        if ld8(at) != 44:
            break
        at = skip(at + 1)
        if ld8(at) != 34:
            return -1
    s.e_n_shown = n
    return at + 1 if ld8(at) == 93 and n > 0 else -1


@core
def _read_feedback(s: Any, at: int, end: int) -> Any:
    """Reads a thumb or a rating; returns where it ends, -1 where it is not plain or not valid."""
    kind, value, sign = 0, float("nan"), 1.0
    at = skip(at + 1)
    while ld8(at) == 34:
        q = text_end(s, at + 1, end)
        if q < 0:
            return -1
        field = _field(s.t_at, s.t_n)
        at = skip(q + 1)
        if ld8(at) != 58:
            return -1
        at = skip(at + 1)
        if field == _KIND and ld8(at) == 34:
            q = text_end(s, at + 1, end)
            if q < 0:
                return -1
            kind = 1 if is_text(s.t_at, s.t_n, b"thumb") else 2 if is_text(s.t_at, s.t_n, b"rating") else 0
            at = q + 1
        elif field == _VALUE:
            sign = 1.0
            if ld8(at) == 45:
                sign = -1.0
                at += 1
            q = number_end(at, end)
            if q < 0:
                return -1
            value = sign * decimal(at, q)
            at = q
        else:
            return -1
        at = skip(at)
        if ld8(at) != 44:
            break
        at = skip(at + 1)
        if ld8(at) != 34:
            return -1
    if ld8(at) != 125:
        return -1
    if kind == 1 and (value == 1 or value == -1):
        s.e_strength = FULL_STRENGTH if value > 0 else -FULL_STRENGTH
    elif kind == 2 and value >= 1 and value <= 5:
        s.e_strength = int(np.rint(value * 1_000))
    else:
        return -1
    s.e_has |= HAS_FEEDBACK
    return at + 1


@core
def _is_name(s: Any) -> Any:
    """Whether the text that was read can be a product's or a category's name in the record."""
    return s.t_plain and 1 <= s.t_n <= LONGEST_NAME


@core
def _is_told_again(s: Any, n: int, name: int, size: int, value: int, length: int) -> Any:
    """Puts an entry among the n of the event's `context`, in the order of their names; whether one has that name already."""
    i = n
    while i > 0:
        at, its = s.e_context[i - 1, 0], s.e_context[i - 1, 1]
        if its == size and same(at, name, size):
            return True
        if is_less(at, its, name, size):
            break
        for k in range(4):
            s.e_context[i, k] = s.e_context[i - 1, k]
        i -= 1
    s.e_context[i, 0], s.e_context[i, 1], s.e_context[i, 2], s.e_context[i, 3] = name, size, value, length
    return False


@core
def _read_context(s: Any, at: int, end: int) -> Any:
    """Reads what the shop tells of the moment; returns where it ends, -1 where it is not plain."""
    n = 0
    at = skip(at + 1)
    while ld8(at) == 34 and n < MOST_CONTEXT:
        q = text_end(s, at + 1, end)
        if q < 0 or not s.t_plain:
            return -1
        name, size = s.t_at, s.t_n
        at = skip(q + 1)
        if ld8(at) != 58:
            return -1
        at = skip(at + 1)
        if ld8(at) == 34:
            q = text_end(s, at + 1, end)
            if q < 0 or not s.t_plain:
                return -1
            value, length = s.t_at, s.t_n
            at = q + 1
        else:
            q = number_end(at + 1 if ld8(at) == 45 else at, end)
            length = printed(at, q) if q >= 0 else -1
            if length < 0:
                return -1
            value = at
            at = q
        if _is_told_again(s, n, name, size, value, length):
            return -1
        n += 1
        at = skip(at)
        if ld8(at) != 44:
            break
        at = skip(at + 1)
        if ld8(at) != 34:
            return -1
    s.e_n_context = n
    return at + 1 if ld8(at) == 125 else -1


@core
def _take_text(s: Any, field: int, at: int, n: int) -> Any:
    """Takes a field that is a text; False where it is not one that an event of the common kind has there."""
    if field == _SESSION_ID:
        return n == s.e_session_len and same(at, s.e_session, n)
    if field == _QUERY:
        s.e_has = s.e_has | HAS_QUERY if n else s.e_has & ~HAS_QUERY
        return s.t_chars <= QUERY_CHARACTERS
    if field == FIELD_NONE or field == _KIND or field == _VALUE:
        return True
    if not s.t_plain:
        return False
    if field == _EVENT_TYPE:
        s.e_kind = kind_of(at, n)
        return s.e_kind >= 0
    if field == _EVENT_ID:
        s.e_id, s.e_id_len = at, n
        return s.t_chars <= EVENT_ID_CHARACTERS and n <= LONGEST_ID
    if field == _PRODUCT_ID:
        s.e_product, s.e_product_len = at, n
        return 1 <= n <= LONGEST_NAME
    if field == _CATEGORY_ID:
        s.e_category, s.e_category_len = at, n
        return 1 <= n <= LONGEST_NAME
    if field == _DECISION_ID:
        s.e_decision, s.e_decision_len = at, n
        return n <= LONGEST_ID
    if field == _REGION:
        s.e_region, s.e_region_len = at, n
        return n <= LONGEST_ID
    if field == _DEVICE:
        s.e_device, s.e_device_len = at, n
        return n <= LONGEST_ID
    if field == _USER_ID:
        s.e_user, s.e_user_len = at, n
        return n <= LONGEST_USER
    return False


@core
def _take_number(s: Any, field: int, at: int, q: int) -> Any:
    """Takes a field that is a plain number from 0 on."""
    if field == _TIMESTAMP:
        s.e_ms = whole(at, q)
        return s.e_ms > 0
    if field == _DURATION_MS:
        s.e_has |= HAS_DURATION
        return True
    if field == _QUANTITY:
        return decimal(at, q) > 0
    return field == _PRICE or field == FIELD_NONE or field == _VALUE


@core
def _take_word(s: Any, field: int, is_null: bool) -> Any:
    """Takes null where a field need not be, as if it were not there; true and false where nothing is made of them."""
    if field == FIELD_NONE or field == _GRANTED or field == _KIND or field == _VALUE:
        return True
    if not is_null or field == _SESSION_ID or field == _EVENT_TYPE or field == _TIMESTAMP:
        return False
    if field == _EVENT_ID:
        s.e_id_len = 0
    elif field == _PRODUCT_ID:
        s.e_product_len = 0
    elif field == _CATEGORY_ID:
        s.e_category_len = 0
    elif field == _DECISION_ID:
        s.e_decision_len = 0
    elif field == _REGION:
        s.e_region_len = 0
    elif field == _DEVICE:
        s.e_device_len = 0
    elif field == _USER_ID:
        s.e_user_len = 0
    elif field == _ITEMS:
        s.e_n_items = 0
    elif field == _SHOWN:
        s.e_n_shown = 0
    elif field == _CONTEXT:
        s.e_n_context = 0
    elif field == _QUERY:
        s.e_has &= ~HAS_QUERY
    elif field == _DURATION_MS:
        s.e_has &= ~HAS_DURATION
    elif field == _FEEDBACK:
        s.e_has &= ~HAS_FEEDBACK
        s.e_strength = FULL_STRENGTH
    return True


@core
def _clear_event(s: Any) -> None:
    s.e_product_len = s.e_category_len = s.e_decision_len = s.e_region_len = s.e_id_len = 0
    s.e_device_len = s.e_user_len = s.e_n_items = s.e_n_shown = s.e_n_context = s.e_has = 0
    s.e_ms, s.e_kind, s.e_strength = -1, -1, FULL_STRENGTH


@core
def _is_complete(s: Any, w: Any, has_session: bool) -> Any:
    """Whether the event has what its type needs, and nothing that would make another of it."""
    kind = s.e_kind
    if not has_session or kind < 0 or s.e_ms < 1 or s.e_ms > w.now_ms + w.max_future_ms:
        return False
    if kind == CATEGORY_VIEW:
        return s.e_category_len > 0
    if kind == SEARCH:
        return (s.e_has & HAS_QUERY) != 0
    if kind == IMPRESSION:
        return s.e_decision_len > 0 and s.e_n_shown > 0
    if kind == CHECKOUT:
        return s.e_product_len > 0 or s.e_n_items > 0
    if s.e_product_len == 0:
        return False
    if kind == DWELL:
        return (s.e_has & HAS_DURATION) != 0
    return kind != FEEDBACK or (s.e_has & HAS_FEEDBACK) != 0


@core
def read_event(s: Any, w: Any, at: int, end: int) -> Any:
    """Read an event into the record; False where it is anything but the plain form of a common type: Python reads it then."""
    _clear_event(s)
    has_session = False
    at = skip(at)
    if ld8(at) != 123:
        return False
    at = skip(at + 1)
    while True:
        if ld8(at) != 34:
            return False
        key = at + 1
        q = text_end(s, key, end)
        if q < 0:
            return False
        field = _field(s.t_at, s.t_n)
        at = skip(q + 1)
        if ld8(at) != 58:
            return False
        at = skip(at + 1)
        c = ld8(at)
        if c == 34:
            q = text_end(s, at + 1, end)
            if q < 0 or not _take_text(s, field, s.t_at, s.t_n):
                return False
            has_session = has_session or field == _SESSION_ID
            at = q + 1
        elif 48 <= c <= 57:
            q = number_end(at, end)
            if q < 0 or not _take_number(s, field, at, q):
                return False
            at = q
        elif c == 91 and field == _ITEMS:
            at = _read_lines(s, at, end)
        elif c == 91 and field == _SHOWN:
            at = _read_shown(s, at, end)
        elif c == 123 and field == _FEEDBACK:
            at = _read_feedback(s, at, end)
        elif c == 123 and field == _CONTEXT:
            at = _read_context(s, at, end)
        else:
            q = word_end(at)
            if q < 0 or not _take_word(s, field, c == 110):
                return False
            at = q
        if at < 0:
            return False
        at = skip(at)
        c = ld8(at)
        if c == 125:
            break
        if c != 44:
            return False
        at = skip(at + 1)
    if skip(at + 1) < end or not _is_complete(s, w, has_session):
        return False
    return s.e_n_context == 0 or put_moment(s, w) <= LONGEST_TOLD
