"""Events that are not in the plain form: what is valid all the same, and what is not."""

from collections.abc import Callable
from random import Random
from typing import Any

import msgspec


def odd_payload(fields: dict[str, Any], rng: Random) -> bytes:
    """The event in an unusual form, or one that is none."""
    return rng.choice(WAYS)(dict(fields), msgspec.json.encode(fields), rng)


def _escaped(fields: dict[str, Any], plain: bytes, rng: Random) -> bytes:
    name = rng.choice([name for name, value in fields.items() if isinstance(value, str) and value])
    value = "".join(f"\\u{ord(c):04x}" if rng.random() < 0.3 else c for c in fields.pop(name))
    return msgspec.json.encode(fields)[:-1] + f',"{name}":"{value}"}}'.encode()


def _escaped_key(fields: dict[str, Any], plain: bytes, rng: Random) -> bytes:
    return plain.replace(b'"timestamp"', b'"time\\u0073tamp"')


def _foreign(fields: dict[str, Any], plain: bytes, rng: Random) -> bytes:
    return msgspec.json.encode(fields | {rng.choice(("region", "device", "query", "event_id")): "süd\u2003\U0001f600"})


def _nested(fields: dict[str, Any], plain: bytes, rng: Random) -> bytes:
    return msgspec.json.encode(fields | {"extra": rng.choice(({"a": [1, None]}, [], None, True, -1, 1.5e3))})


def _context(fields: dict[str, Any], plain: bytes, rng: Random) -> bytes:
    return msgspec.json.encode(fields | {"context": {"weather": "rain", "age": 7}})


def _number(fields: dict[str, Any], plain: bytes, rng: Random) -> bytes:
    time = str(fields["timestamp"])
    other = rng.choice(
        (f"{time}.0", f"{time}.5", f"{time}e0", f"0{time}", f"-{time}", f'"{time}"', "1" * 30, "null", f"{time}.")
    )
    return plain.replace(time.encode(), other.encode(), 1)


def _twice(fields: dict[str, Any], plain: bytes, rng: Random) -> bytes:
    """A key comes twice: the last one counts."""
    name = rng.choice([*fields])
    value: Any = rng.choice((fields[name], "other", 5, {}, [], "product_view"))
    return plain[:-1] + b',"' + name.encode() + b'":' + msgspec.json.encode(value) + b"}"


def _spaced(fields: dict[str, Any], plain: bytes, rng: Random) -> bytes:
    spaces = (b" ", b"\n", b"\t", b"\r", b"")
    out = b"".join(
        rng.choice(spaces) + bytes((c,)) + rng.choice(spaces) if c in b"{}[],:" else bytes((c,)) for c in plain
    )
    return rng.choice(spaces) + out + rng.choice(spaces)


def _cut(fields: dict[str, Any], plain: bytes, rng: Random) -> bytes:
    return plain[: rng.randrange(len(plain))]


def _longer(fields: dict[str, Any], plain: bytes, rng: Random) -> bytes:
    return plain + rng.choice((b"}", b"x", b"\x00", b" {}", b"\xff", b"\x1f"))


def _changed(fields: dict[str, Any], plain: bytes, rng: Random) -> bytes:
    at = rng.randrange(len(plain))
    return plain[:at] + bytes((rng.randrange(256),)) + plain[at + 1 :]


def _of_another(fields: dict[str, Any], plain: bytes, rng: Random) -> bytes:
    return msgspec.json.encode(fields | {"session_id": "somebody else"})


def _without(fields: dict[str, Any], plain: bytes, rng: Random) -> bytes:
    fields.pop(rng.choice([*fields]))
    return msgspec.json.encode(fields)


def _empty(fields: dict[str, Any], plain: bytes, rng: Random) -> bytes:
    return msgspec.json.encode(fields | {rng.choice([*fields]): rng.choice(("", [], {}, None, 0))})


def _not_an_object(fields: dict[str, Any], plain: bytes, rng: Random) -> bytes:
    return rng.choice((b"", b"{}", b"[]", b"null", b"{", b'{"', b"\xef\xbb\xbf" + plain, b"[" + plain + b"]"))


def _control(fields: dict[str, Any], plain: bytes, rng: Random) -> bytes:
    return plain[:-1] + b',"region":"a' + bytes((rng.randrange(32),)) + b'b"}'


WAYS: tuple[Callable[[dict[str, Any], bytes, Random], bytes], ...] = (
    _escaped,
    _escaped_key,
    _foreign,
    _nested,
    _context,
    _number,
    _twice,
    _spaced,
    _spaced,
    _cut,
    _longer,
    _changed,
    _of_another,
    _without,
    _empty,
    _not_an_object,
    _control,
)
