"""Reading a request's body: bounded in bytes and time, also after unpacking."""

import asyncio
import zlib

from starlette.requests import ClientDisconnect, Request

from serving.problems import Refusal

MOST_BYTES = 500_000
GZIP = zlib.MAX_WBITS | 16
JSON_TYPES = frozenset({"application/json", "text/plain"})
"""`text/plain` is what a browser's beacon sends without asking first (CORS)."""


async def read_body(request: Request, timeout_s: float, types: frozenset[str] = JSON_TYPES) -> bytes:
    """Read the whole body and unpack it.

    Raises:
        Refusal: 415 for another type or coding, 413 for too many bytes, 408 for too slow a sender, 400 for broken gzip.
    """
    _check_type(request, types)
    coding = request.headers.get("content-encoding", "identity").strip().lower()
    if coding not in ("gzip", "identity", ""):
        raise Refusal(
            415, "the Content-Encoding must be gzip, or there must be none", headers={"accept-encoding": "gzip"}
        )
    content = await _receive(request, timeout_s)
    return gunzip(content) if coding == "gzip" else content


def gunzip(content: bytes) -> bytes:
    """Unpack gzip, of one member or several, without ever holding more than the bound.

    Raises:
        Refusal: it is broken, or holds too much.
    """
    parts: list[bytes] = []
    left = MOST_BYTES
    while content:
        unpacker = zlib.decompressobj(GZIP)
        try:
            part = unpacker.decompress(content, left + 1)
        except zlib.error:
            raise Refusal(400, "the body is not gzip, as its Content-Encoding says", reason="not_json") from None
        left -= len(part)
        if left < 0:
            raise _too_large()
        if not unpacker.eof:
            raise Refusal(400, "the gzip of the body ends too early", reason="not_json")
        parts.append(part)
        content = unpacker.unused_data
    return b"".join(parts)


def _check_type(request: Request, types: frozenset[str]) -> None:
    media, _, parameters = request.headers.get("content-type", "").partition(";")
    if media.strip().lower() not in types:
        raise Refusal(
            415,
            f"the Content-Type must be {' or '.join(sorted(types))}",
            headers={"accept-post": ", ".join(sorted(types))},
        )
    charset = next(
        (one.partition("=")[2] for one in parameters.split(";") if one.strip().lower().startswith("charset")), ""
    )
    if charset.strip().strip('"').lower() not in ("", "utf-8", "utf8", "us-ascii"):
        raise Refusal(415, "the charset must be utf-8")


async def _receive(request: Request, timeout_s: float) -> bytes:
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > MOST_BYTES:
        raise _too_large()
    parts, left = [], MOST_BYTES
    try:
        async with asyncio.timeout(timeout_s):
            async for part in request.stream():
                left -= len(part)
                if left < 0:
                    raise _too_large()
                parts.append(part)
    except TimeoutError:
        raise Refusal(
            408, f"the body was not complete within {timeout_s:g} s", headers={"connection": "close"}
        ) from None
    except ClientDisconnect:
        raise Refusal(400, "the connection was closed before the body was complete") from None
    return b"".join(parts)


def _too_large() -> Refusal:
    return Refusal(
        413, f"the body has more than {MOST_BYTES:,} bytes, unpacked: send fewer events at once", reason="too_large"
    )
