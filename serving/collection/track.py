"""`POST /v1/track`: a batch in, and an answer once the broker has all of it."""

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from serving.collection.admission import Admitted, Batch, Rejected, admit, sessions_of, split
from serving.collection.body import JSON_TYPES, read_body
from serving.collection.consent import ConsentDoor
from serving.collection.keys import WriteKeys
from serving.collection.metrics import EVENTS, REJECTED, UNAVAILABLE
from serving.collection.producer import Producer, Record, UnavailableError
from serving.collection.rates import Rates
from serving.problems import Refusal
from state.configuration import Settings


class Tracked(msgspec.Struct, frozen=True):
    """Answer with the number of events that are in the topic, and why others are not. `withheld` counts those without consent."""

    accepted: int
    rejected: list[Rejected]
    withheld: int = 0


Segment = Callable[[Request, bytes], Awaitable[Response]]


class _Shape(msgspec.Struct):
    """Fields by which one of Segment's calls is distinguished from an event of ours."""

    session_id: Any = None
    events: Any = None
    event: Any = None
    anonymousId: Any = None  # noqa: N815  # Segment's name
    userId: Any = None  # noqa: N815  # likewise


_shape = msgspec.json.Decoder(_Shape)


def is_of_segment(body: bytes) -> bool:
    """Return whether a body is one of Segment's `track` calls."""
    if b'"event"' not in body:
        return False
    try:
        shape = _shape.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    is_ours = shape.session_id is not None or shape.events is not None
    return not is_ours and isinstance(shape.event, str) and bool(shape.anonymousId or shape.userId)


class Collector:
    """Path that all forms of collection share, from the key to the acknowledgement."""

    def __init__(
        self,
        settings: Settings,
        keys: WriteKeys,
        rates: Rates,
        door: ConsentDoor,
        producer: Producer,
        forget: Callable[[str], None],
    ) -> None:
        self._settings, self._keys, self._rates = settings, keys, rates
        self._door, self._producer, self._forget = door, producer, forget
        self._encode = msgspec.json.Encoder().encode
        self.segment: Segment | None = None
        """Takes Segment's own `track` calls, which come under the same path."""

    async def track(self, request: Request) -> Response:
        """Answer `POST /v1/track`, the route's own form."""
        key = self.key_of(request)
        body = await read_body(request, self._settings.serving.body_timeout_ms / 1_000)
        if self.segment is not None and is_of_segment(body):
            return await self.segment(request, body)
        now_ms = time.time_ns() // 1_000_000
        batch = admit(split(body), self._settings.events, now_ms, request.headers.get("idempotency-key", ""))
        answer = await self.collect(request, key, "heliotrope", batch)
        return Response(self._encode(answer), 202, {"cache-control": "no-store"}, "application/json")

    def key_of(self, request: Request, in_body: str = "") -> str:
        """Return the name of the request's write key, which some forms have in the body.

        Raises:
            Refusal: 401.
        """
        return self._keys.name_of(request, in_body)

    async def collect(self, request: Request, key: str, form: str, batch: Batch) -> Tracked:
        """Send what may be sent of a batch.

        Raises:
            Refusal: 429 or 503, then nothing of it is accepted.
        """
        address = request.client.host if request.client else ""
        events = len(batch.admitted) + len(batch.rejected)
        self._rates.take(key, address, sessions_of(batch.admitted), max(1, events))
        try:
            passed = await self._door.pass_on(batch.admitted)
            await self._producer.send([_record(one) for one in passed.events])
        except UnavailableError as error:
            UNAVAILABLE.inc()
            raise Refusal(
                503,
                f"{error}: nothing of this was accepted, send all of it again",
                headers={"retry-after": str(error.retry_after_s)},
            ) from None
        for one in passed.events:
            if one.is_word and not one.grants:
                self._forget(one.session_id)
        _count(form, key, len(passed.events), batch.rejected, passed.withheld)
        return Tracked(len(passed.events), batch.rejected, passed.withheld)


def _record(admitted: Admitted) -> Record:
    return Record(admitted.session_id.encode(), admitted.content)


def _count(form: str, key: str, accepted: int, rejected: Sequence[Rejected], withheld: int) -> None:
    for outcome, events in (("accepted", accepted), ("rejected", len(rejected)), ("withheld", withheld)):
        if events:
            EVENTS.labels(form, key, outcome).inc(events)
    for one in rejected:
        REJECTED.labels(one.reason).inc()


ANSWERS: dict[str, Any] = {
    "400": "The body cannot be read as a whole.",
    "401": "There is no write key, or a wrong one.",
    "408": "The body came too slowly.",
    "413": "More than 500 KB or 100 events.",
    "415": "Another type or coding than the given ones.",
    "429": "A rate limit is reached; Retry-After says for how long.",
    "503": "Kafka does not answer. Nothing was accepted; Retry-After says when to send it again.",
}
BODY_TYPES = sorted(JSON_TYPES)
