"""Bytes as text: hashes, comparison, and numbers as Python prints them."""

from typing import Any

from state.kernels.core.memory import bits_of, copy_short, core, entry, ld8, ld64, mul_shift, st8

PADDING = 32
"""Bytes behind whatever is read or written that may be read or written too."""
SEED = 0x2545F4914F6CDD1D
_K1, _K2 = -7046029254386353131, -4417276706812531889
_THIRTY, _FORTY_THREE = 1073741824.0, 8796093022208.0


@entry
def hash_of(at: int, n: int) -> Any:
    """Return 64 bits of n bytes. The same bytes have the same hash in every process; others may have it too."""
    h = SEED ^ (n * _K1)
    while n >= 8:
        h = (h ^ ld64(at)) * _K2
        h ^= (h >> 32) & 0xFFFFFFFF
        at += 8
        n -= 8
    if n > 0:
        h = (h ^ (ld64(at) & ((1 << (8 * n)) - 1))) * _K2
        h ^= (h >> 32) & 0xFFFFFFFF
    h *= _K1
    return h ^ ((h >> 29) & 0x7FFFFFFFF)


@core
def same(a: int, b: int, n: int) -> Any:
    """Return whether n bytes are the same at two places."""
    while n >= 8:
        if ld64(a) != ld64(b):
            return False
        a += 8
        b += 8
        n -= 8
    return n == 0 or ((ld64(a) ^ ld64(b)) & ((1 << (8 * n)) - 1)) == 0


@core
def is_less(a: int, na: int, b: int, nb: int) -> Any:
    """Return whether a text stands before another."""
    for i in range(min(na, nb)):
        x, y = ld8(a + i), ld8(b + i)
        if x != y:
            return x < y
    return na < nb


@core
def put(to: int, at: int, n: int) -> Any:
    """Write n bytes; return where they end."""
    if n > 0:
        copy_short(to, at, n)
    return to + n


@core
def put_byte(to: int, value: int) -> Any:
    """Write a byte; return where it ends."""
    st8(to, value)
    return to + 1


@core
def put_digits(to: int, v: int, n: int) -> Any:
    """Write a number in n digits; return where they end."""
    p = to + n - 1
    while p >= to:
        q = v // 10
        st8(p, 48 + v - 10 * q)
        v = q
        p -= 1
    return to + n


@core
def put_int(to: int, v: int) -> Any:
    """Write a whole number; return where it ends."""
    if v < 0:
        st8(to, 45)
        to += 1
        v = -v
    n, t = 1, v
    while t >= 10:
        t //= 10
        n += 1
    return put_digits(to, v, n)


@core
def rounded(x: float, scale: int) -> Any:
    """Return `x` in [0, 4000) times `scale`, rounded as Python prints: by the exact value, halves to even. The value is split at
    2⁻³⁰; the rest is a multiple of 2⁻⁷³ unless `x` is too small to be rounded up."""
    whole = int(x * _THIRTY)
    rest = int((x * _THIRTY - whole) * _FORTY_THREE) * scale
    product = whole * scale + (rest >> 43)
    above, half = product & 0x3FFFFFFF, 0x20000000
    found = product >> 30
    if above > half or (above == half and ((rest & 0x7FFFFFFFFFF) != 0 or (found & 1) == 1)):
        found += 1
    return found


@core
def put_millionths(to: int, x: float) -> Any:
    """Write a number in [0, 1] with six digits."""
    v = rounded(x, 1_000_000)
    st8(to, 48 + v // 1_000_000)
    st8(to + 1, 46)
    return put_digits(to + 2, v % 1_000_000, 6)


@core
def _put_fraction(to: int, left: int, n: int) -> Any:
    """Writes the digits behind the point without zeros at the end, but at least one."""
    while n > 1 and left % 10 == 0:
        left //= 10
        n -= 1
    return put_digits(to, left, n)


@core
def put_tenthousandths(to: int, x: float) -> Any:
    """Write `round(x, 4)` as Python prints it; `x` in (-4000, 4000)."""
    if x < 0:
        st8(to, 45)
        to += 1
        x = -x
    v = rounded(x, 10_000)
    to = put_int(to, v // 10_000)
    st8(to, 46)
    return _put_fraction(to + 1, v % 10_000, 4)


@core
def put_hundredths(to: int, v: int) -> Any:
    """Write hundredths in [0, 100] with one digit or two."""
    st8(to, 48 + v // 100)
    st8(to + 1, 46)
    st8(to + 2, 48 + v // 10 % 10)
    if v % 10 == 0:
        return to + 3
    st8(to + 3, 48 + v % 10)
    return to + 4


@core
def put_exact(to: int, x: float) -> Any:
    """Write a number in [-9, 9] so that it is read back to the last bit: in millionths where that does, else in 19 digits."""
    if x < 0:
        st8(to, 45)
        to += 1
        x = -x
    whole = int(x)
    if x == whole:
        return put_int(to, whole)
    v = int(x * 1e6 + 0.5)
    if v / 1e6 == x:
        to = put_int(to, v // 1_000_000)
        st8(to, 46)
        return _put_fraction(to + 1, v % 1_000_000, 6)
    bits = bits_of(x)
    exponent = (bits >> 52) & 0x7FF
    mantissa = (bits & 0xFFFFFFFFFFFFF) | 0x10000000000000
    v = mul_shift(mantissa, 1_000_000_000_000_000_000, 1075 - exponent)
    to = put_int(to, v // 1_000_000_000_000_000_000)
    st8(to, 46)
    return put_digits(to + 1, v % 1_000_000_000_000_000_000, 18)


@core
def put_m64(to: int, kind: int, v: int) -> Any:
    """Write MessagePack's mark and eight bytes, big endian; return where they end."""
    st8(to, kind)
    for i in range(8):
        st8(to + 1 + i, (v >> (56 - 8 * i)) & 0xFF)
    return to + 9


@core
def put_hex(to: int, v: int) -> Any:
    """Write a number from 0 on in hexadecimal; return where it ends."""
    digits = 1
    while digits < 16 and v >> (4 * digits):
        digits += 1
    for d in range(digits - 1, -1, -1):
        c = (v >> (4 * d)) & 15
        st8(to, c + (48 if c < 10 else 87))
        to += 1
    return to
