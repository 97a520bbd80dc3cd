"""JSON's white space, strings and numbers, as far as an event of the common kind has them; the rest is for the Python core."""

from typing import Any

from state.kernels.core.memory import core, ld8, st8

_ESCAPED = b'"\\/bfnrt'
_MEANT = b'"\\/\b\f\n\r\t'


@core
def skip(at: int) -> Any:
    """Return the next place that is no white space."""
    while True:
        c = ld8(at)
        if c != 32 and c != 10 and c != 13 and c != 9:
            return at
        at += 1


@core
def is_text(at: int, n: int, text: bytes) -> Any:
    """Return whether n bytes are this text."""
    if n != len(text):
        return False
    for i in range(len(text)):
        if ld8(at + i) != text[i]:
            return False
    return True


@core
def _is_following(c: int, least: int, most: int) -> Any:
    return least <= c <= most


@core
def sequence(at: int) -> Any:
    """Return how many bytes of UTF-8 a character has that begins with a byte from 128 on; 0 where it is none, as Python sees it."""
    c, second = ld8(at), ld8(at + 1)
    if c < 0xC2 or c > 0xF4:
        return 0
    if c < 0xE0:
        return 2 if _is_following(second, 0x80, 0xBF) else 0
    if not _is_following(ld8(at + 2), 0x80, 0xBF):
        return 0
    if c < 0xF0:
        least, most = (0xA0 if c == 0xE0 else 0x80), (0x9F if c == 0xED else 0xBF)
        return 3 if _is_following(second, least, most) else 0
    least, most = (0x90 if c == 0xF0 else 0x80), (0x8F if c == 0xF4 else 0xBF)
    return 4 if _is_following(second, least, most) and _is_following(ld8(at + 3), 0x80, 0xBF) else 0


@core
def is_plain(at: int, n: int) -> Any:
    """Return whether n bytes are UTF-8 without quotes, backslashes and control characters."""
    end = at + n
    while at < end:
        c = ld8(at)
        if c < 128:
            if c == 34 or c == 92 or c < 32 or c == 127:
                return False
            at += 1
        else:
            length = sequence(at)
            if length == 0 or (c == 0xC2 and ld8(at + 1) < 0xA0):
                return False
            at += length
    return at == end


@core
def text_end(s: Any, at: int, end: int) -> Any:
    """Read a string from behind its first quote on: return where the last one stands, -1 where it is none.

    The record's `t_at` and `t_n` say where its text is. Escapes are resolved where they stand: a character is no longer than its
    escape, and the bytes that are read here are a copy. `t_chars` are its characters, and `t_plain` says whether JSON would write
    all of them as they are.
    """
    begin = at
    while at < end:
        c = ld8(at)
        if c == 34:
            s.t_at, s.t_n, s.t_chars, s.t_plain = begin, at - begin, at - begin, 1
            return at
        if c == 92 or c < 32 or c >= 127:
            return _text_end(s, begin, at, end)
        at += 1
    return -1


@core
def _text_end(s: Any, begin: int, at: int, end: int) -> Any:
    """Goes on with a string that is ASCII without escapes up to `at`."""
    to, chars = at, at - begin
    s.t_plain = 1
    while at < end:
        c = ld8(at)
        if c == 34:
            s.t_at, s.t_n, s.t_chars = begin, to - begin, chars
            return at
        if c < 32:
            return -1
        if c == 92:
            n = _unescape(s, at, to)
            if n == 0:
                return -1
            at += n & 15
            to += n >> 4
        else:
            n = 1 if c < 128 else sequence(at)
            if n == 0:
                return -1
            if to != at:
                for i in range(n):
                    st8(to + i, ld8(at + i))
            at += n
            to += n
        chars += 1
    return -1


@core
def _unescape(s: Any, at: int, to: int) -> Any:
    """Writes the character of an escape; returns the escape's bytes, and from bit 4 on the character's; 0 where it is none."""
    c = ld8(at + 1)
    if c != 117:
        for i in range(len(_ESCAPED)):
            if c == _ESCAPED[i]:
                if i != 2:
                    s.t_plain = 0
                st8(to, _MEANT[i])
                return 2 + (1 << 4)
        return 0
    code, n = _four(at + 2), 6
    if 0xD800 <= code < 0xE000:
        low = _four(at + 8) if code < 0xDC00 and ld8(at + 6) == 92 and ld8(at + 7) == 117 else -1
        if low < 0xDC00 or low > 0xDFFF:
            return 0  # half of a pair stands for no character
        code, n = 0x10000 + ((code - 0xD800) << 10) + low - 0xDC00, 12
    if code < 0:
        return 0
    if code < 32 or code == 34 or code == 92:
        s.t_plain = 0
    return n + (_put_character(to, code) << 4)


@core
def _four(at: int) -> Any:
    """The number of four hexadecimal digits; -1 where these are none."""
    v = 0
    for i in range(4):
        c = ld8(at + i)
        if 48 <= c <= 57:
            v = 16 * v + c - 48
        elif 97 <= c | 32 <= 102:
            v = 16 * v + (c | 32) - 87
        else:
            return -1
    return v


@core
def _put_character(to: int, code: int) -> Any:
    """Writes a character in UTF-8; returns its bytes."""
    if code < 0x80:
        st8(to, code)
        return 1
    if code < 0x800:
        st8(to, 0xC0 | (code >> 6))
        st8(to + 1, 0x80 | (code & 63))
        return 2
    if code < 0x10000:
        st8(to, 0xE0 | (code >> 12))
        st8(to + 1, 0x80 | ((code >> 6) & 63))
        st8(to + 2, 0x80 | (code & 63))
        return 3
    st8(to, 0xF0 | (code >> 18))
    st8(to + 1, 0x80 | ((code >> 12) & 63))
    st8(to + 2, 0x80 | ((code >> 6) & 63))
    st8(to + 3, 0x80 | (code & 63))
    return 4


@core
def clipped(at: int, n: int, most: int) -> Any:
    """Return how many bytes the first `most` characters of a text have."""
    if n <= most:
        return n
    for i in range(n):
        if (ld8(at + i) & 0xC0) != 0x80:
            if most == 0:
                return i
            most -= 1
    return n


@core
def word_end(at: int) -> Any:
    """Return where null, true or false ends, -1 where none of them stands."""
    c = ld8(at)
    if c == 110 and is_text(at, 4, b"null"):
        return at + 4
    if c == 116 and is_text(at, 4, b"true"):
        return at + 4
    return at + 5 if c == 102 and is_text(at, 5, b"false") else -1


@core
def number_end(at: int, end: int) -> Any:
    """Return where a plain number from 0 on ends: at most 15 digits, no exponent; -1 for any other."""
    start, c = at, ld8(at)
    if c == 48 and 48 <= ld8(at + 1) <= 57:
        return -1
    while 48 <= c <= 57:
        at += 1
        c = ld8(at)
    digits = at - start
    if digits == 0:
        return -1
    if c == 46:
        at += 1
        point, c = at, ld8(at)
        while 48 <= c <= 57:
            at += 1
            c = ld8(at)
        digits += at - point
        if at == point:
            return -1
    return -1 if c == 101 or c == 69 or digits > 15 or at > end else at


@core
def printed(at: int, end: int) -> Any:
    """Return how many bytes of a plain number, which may be negative, Python prints; -1 where it prints others."""
    first = at + 1 if ld8(at) == 45 else at
    point = first
    while point < end and ld8(point) != 46:
        point += 1
    if point == end:
        return -1 if first > at and ld8(first) == 48 else end - at
    while end > point + 2 and ld8(end - 1) == 48:
        end -= 1
    if point == first + 1 and ld8(first) == 48 and end > point + 5:
        for i in range(4):
            if ld8(point + 1 + i) != 48:
                return end - at
        return -1  # with an exponent
    return end - at
