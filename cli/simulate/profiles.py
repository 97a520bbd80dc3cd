"""Waiting for profiles: one MGET for all shoppers that wait, every few milliseconds."""

from typing import Any, Protocol

import msgspec
import redis

from cli.simulate.visit import AwaitProfile, Seen


class Store(Protocol):
    """Store that profiles are read from; redis-py's client is one."""

    def mget(self, keys: list[str]) -> Any:
        """Return the values of the keys, None where there is none, in their order."""


class _LastEvent(msgspec.Struct):
    timestamp: int


class _Item(msgspec.Struct):
    product_id: str


class PublishedProfile(msgspec.Struct):
    """The part of a profile that shoppers and the live view use."""

    decision_id: str
    model_version: int
    last_event: _LastEvent | None = None
    score_data: list[_Item] = []


_decoder = msgspec.json.Decoder(PublishedProfile)


class ProfileReader:
    """Reader of the profiles of many sessions at once, which keeps the newest model version that was seen, in ms, 0 for none."""

    def __init__(self, store: Store, prefix: str) -> None:
        self._store = store
        self._prefix = prefix
        self.model_version = 0

    def read(self, waits: list[AwaitProfile]) -> list[Seen | None]:
        """Return what each shopper sees, None where the profile does not know the awaited event yet."""
        if not waits:
            return []
        try:
            raws = self._store.mget([f"{self._prefix}:profile:{wait.session_id}" for wait in waits])
        except redis.RedisError:  # it may be back before the shoppers' patience is over
            return [None] * len(waits)
        return [self._seen(raw, wait) for raw, wait in zip(raws, waits, strict=True)]

    def _seen(self, raw: bytes | None, wait: AwaitProfile) -> Seen | None:
        if raw is None:
            return None
        profile = _decoder.decode(raw)
        if profile.last_event is None or profile.last_event.timestamp < wait.event_ms:
            return None
        self.model_version = max(self.model_version, profile.model_version)
        return Seen(profile.decision_id, [item.product_id for item in profile.score_data])
