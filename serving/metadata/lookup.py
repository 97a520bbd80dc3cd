"""Adding to the items of an answer what a page shows of them."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec

from serving.metadata import metrics
from serving.metadata.store import Reader
from serving.reader import Answer

MOST_WAITING = 1_000
"""Answers that wait for the file. While so many do, further ones go out without."""


class Lookup:
    """A reader of the file in a thread of its own, for all requests of one tick at once: a disk that hangs holds up nobody."""

    def __init__(self, path: Path) -> None:
        self._reader = Reader(path)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="product-metadata-reads")
        self._next: dict[str, None] = {}
        self._waiting: list[asyncio.Future[dict[str, bytes]]] = []
        self._is_reading = False

    async def add_to(self, answer: Answer, left_s: float) -> Answer:
        """Return the answer with the metadata of its items; as it is if that is not there within the time."""
        parts: dict[str, Any] = dict(_parts.decode(answer.content))
        items = _items.decode(parts["score_data"])
        ids = [_id_of.decode(item).product_id for item in items]
        found = await self._find(ids, left_s) if ids else {}
        if not found:
            return answer
        parts["score_data"] = [
            _joined(item, found.get(product_id)) for item, product_id in zip(items, ids, strict=True)
        ]
        return Answer(_encoder.encode(parts), answer.served)

    def close(self) -> None:
        """End the thread."""
        self._thread.submit(self._reader.close)
        self._thread.shutdown(wait=False, cancel_futures=False)

    async def _find(self, ids: Sequence[str], left_s: float) -> dict[str, bytes]:
        if len(self._waiting) >= MOST_WAITING:
            metrics.LATE.inc()
            return {}
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[dict[str, bytes]] = loop.create_future()
        self._next.update(dict.fromkeys(ids))
        self._waiting.append(waiter)
        if not self._is_reading:
            self._is_reading = True
            loop.call_soon(self._read)
        timer = loop.call_later(max(0.001, left_s), self._expire, waiter)
        try:
            return await waiter
        finally:
            timer.cancel()

    def _read(self) -> None:
        """Ask for all products that are waited for, in one go."""
        ids, waiting = list(self._next), self._waiting
        self._next, self._waiting = {}, []
        loop = asyncio.get_running_loop()
        reading = loop.run_in_executor(self._thread, self._reader.find, ids)
        reading.add_done_callback(lambda done: self._finish(waiting, {} if done.cancelled() else done.result()))

    def _finish(self, waiting: list["asyncio.Future[dict[str, bytes]]"], found: dict[str, bytes]) -> None:
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(found)
        self._is_reading = bool(self._waiting)
        if self._is_reading:
            self._read()

    def _expire(self, waiter: "asyncio.Future[dict[str, bytes]]") -> None:
        if not waiter.done():
            metrics.LATE.inc()
            waiter.set_result({})


class _Id(msgspec.Struct, gc=False):
    product_id: str


def _joined(item: msgspec.Raw, shown: bytes | None) -> msgspec.Raw:
    """Make one JSON object of two."""
    if shown is None or shown == b"{}":
        return item
    text = bytes(item)
    return msgspec.Raw(text[: text.rindex(b"}")] + b"," + shown[1:])


_parts = msgspec.json.Decoder(dict[str, msgspec.Raw])
_items = msgspec.json.Decoder(list[msgspec.Raw])
_id_of = msgspec.json.Decoder(_Id)
_encoder = msgspec.json.Encoder()
