"""Events that are not in the plain form: what is valid all the same, and what is not."""

from collections.abc import Callable
from random import Random
from typing import Any

import msgspec

CONTEXTS = (
    b'{"weather":"rain","age":7}',
    b"{}",
    b"null",
    b'{"a":1,"a":2}',
    b'{"a":1,"b":null}',
    b'{"a":true}',
    b'{"a":{}}',
    b'{"a":1,}',
    b"{,}",
    b'{"a":-0}',
    b'{"a":-0.00,"b":0.0,"c":0.00001,"d":0.000100,"e":0.12340}',
    b'{"a":1.500,"b":1e3,"c":12345678901234567}',
    b'{"a":12345678901234.0,"b":100.0,"c":-3}',
    b'{"a":01}',
    b'{"a":-}',
    b'{"\\u00e4":"\\u00f6\\/","\xc3\xa4":1}',
    b'{"\\u00e4":"\\u00f6\\/","\xc3\xb6":"\\ud83d\\ude00"}',
    b'{"a":"\\"","b":"\\u0000"}',
    b'{"a":"\xff"}',
    b'{"a" : "x" , "b" : 1.0 }',
)
OPTIONAL = (
    "event_id",
    "product_id",
    "category_id",
    "items",
    "decision_id",
    "shown",
    "feedback",
    "granted",
    "duration_ms",
    "query",
    "region",
    "device",
    "user_id",
    "price",
    "quantity",
    "context",
    "kind",
    "value",
    "page",
)
TEXTS = (
    b"\xc3\xb6",
    b"\xc3",
    b"\xc0\xaf",
    b"\xed\xa0\x80",
    b"\xed\x9f\xbf",
    b"\xf4\x8f\xbf\xbf",
    b"\xf4\x90\x80\x80",
    b"\xe0\x9f\xbf",
    b"\xc2\x80",
    b"\x7f",
    b"\\u00fC\\/",
    b"\\u0041",
    b"\\u0022",
    b"\\u005c\\\\",
    b"\\n\\t\\b\\f\\r",
    b"\\ud83d\\ude00",
    b"\\ud83d",
    b"\\ude00",
    b"\\ud83d\\u0041",
    b"\\ud83d\\ud83d\\ude00",
    b"\\u00g1",
    b"\\u00",
    b"\\x41",
    b"\\U0041",
    b"\\",
)


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
    fields.pop("context", None)
    return msgspec.json.encode(fields)[:-1] + b',"context":' + rng.choice(CONTEXTS) + b"}"


def _no_text(fields: dict[str, Any], plain: bytes, rng: Random) -> bytes:
    """A field that is no UTF-8, or has escapes of no character, or just those that are."""
    name = rng.choice((b"region", b"query", b"page"))
    return plain[:-1] + b',"' + name + b'":"a' + rng.choice(TEXTS) + b'b"}'


def _comma(fields: dict[str, Any], plain: bytes, rng: Random) -> bytes:
    """A comma behind the last entry of something."""
    at = rng.choice([at for at, c in enumerate(plain) if c in b"}]"])
    return plain[:at] + b"," + plain[at:]


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


def _words(fields: dict[str, Any], plain: bytes, rng: Random) -> bytes:
    """A word in place of a value, which is none where one must be; at the end, where it counts, or before, where it does not."""
    word = rng.choice((b"null", b"null", b"true", b"false", b"nul", b"nulls", b"True"))
    name = rng.choice((*fields, *OPTIONAL)).encode()
    given = b'"' + name + b'":' + word
    if rng.random() < 0.2:
        return plain.replace(b'"quantity":2', b'"quantity":' + word).replace(b'"price":9.99', b'"price":' + word)
    return plain[:-1] + b"," + given + b"}" if rng.random() < 0.7 else b"{" + given + b"," + plain[1:]


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
    _no_text,
    _comma,
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
    _words,
    _words,
    _not_an_object,
    _control,
)
