"""A shop's past, event by event, through the job in process, once for several configurations side by side.

All arms see the same events; whatever their lists say, the visitors do what they did. So the arms learn alike how often their lists
foretell, and their differences are paired.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from benchmarks.in_process import InProcess
from benchmarks.recommend.accepted import read_accepted
from benchmarks.recommend.measure import FIRST_EVENT, Observation, rank
from benchmarks.recommend.popularity_feed import PopularityFeed
from benchmarks.recommend.stream import Stream, split_at_ms
from benchmarks.recommend.together_feed import TogetherFeed
from jobs.settings import settings_from
from state.configuration import Settings
from state.events.event import Event

POPULARITY = "popularity"
"""The arm that shows everybody the region's popular list, as Redis has it."""
PUBLISH_EVERY = 250
"""Events between two models."""


class _Item(msgspec.Struct):
    product_id: str


class _Profile(msgspec.Struct):
    status: str
    score_data: list[_Item]


_profiles = msgspec.json.Decoder(_Profile)


class Replay:
    """One run. `arms` is configuration by name and section, on top of the shop's own; the first gives a session's status."""

    def __init__(self, stream: Stream, arms: Mapping[str, Mapping[str, Any]], seed: int) -> None:
        self._stream = stream
        self._jobs = [InProcess(_settings(stream, arm), seed, PUBLISH_EVERY) for arm in arms.values()]
        self._first = self._jobs[0]
        self._written: list[dict[str, bytes]] = [{} for _ in arms]
        self._listed = 0
        self._next_listing_ms = 0
        self._touched: dict[str, set[str]] = {}
        self._last = {event.session_id: index for index, event in enumerate(stream.events)}
        self._popularity = PopularityFeed(self._first.settings.popularity, self._feed_popularity)
        self._together = TogetherFeed(self._first.settings.together, self._feed_together)
        self.observations: list[Observation] = []

    def run(self, progress: Callable[[int], None]) -> list[Observation]:
        """What was seen in the test period; `progress` is told of every hundred events."""
        stream = self._stream
        begin_ms = split_at_ms([event.timestamp for event in stream.events])
        for index, event in enumerate(stream.events):
            self._stock(event.timestamp)
            self._advance(event.timestamp)
            if event.event_type in stream.targets and event.timestamp >= begin_ms:
                self._observe(index, event)
            self._apply(event)
            if self._last[event.session_id] == index:
                self._forget(event.session_id)
            if index % 100 == 0:
                progress(index)
        return self.observations

    def _stock(self, now_ms: int) -> None:
        """Lists what is new since the last time, where it is time."""
        if now_ms < self._next_listing_ms:
            return
        self._next_listing_ms = now_ms + self._stream.listing_ms
        products = self._stream.products
        begin = self._listed
        while self._listed < len(products) and products[self._listed].from_ms < now_ms:
            self._listed += 1
        for job in self._jobs:
            for found in products[begin : self._listed]:
                job.chooser.catalogue.put(found.product)

    def _advance(self, now_ms: int) -> None:
        self._popularity.advance(now_ms - self._first.settings.popularity.allowed_lateness_ms)
        self._together.advance(now_ms)

    def _apply(self, event: Event) -> None:
        effects = [job.apply(event, event.timestamp) for job in self._jobs]
        for written, effect in zip(self._written, effects, strict=True):
            if effect.write is not None:
                written[event.session_id] = effect.write.profile
        self._touched.setdefault(event.session_id, set()).update(event.products())
        for line in read_accepted(effects[0].accepted) if effects[0].accepted else ():
            self._popularity.add(line)
            self._together.add(line)

    def _forget(self, session_id: str) -> None:
        """The session's lists are asked for no more; its state stays, as the job knows nothing of that."""
        self._touched.pop(session_id, None)
        for written in self._written:
            written.pop(session_id, None)

    def _observe(self, index: int, event: Event) -> None:
        status, lists = self._lists(event)
        touched = self._touched.get(event.session_id, set())
        new = [[product for product in listed if product not in touched] for listed in lists]
        for product_id in event.products():
            self.observations.append(
                Observation(
                    event.session_id,
                    status,
                    product_id not in touched,
                    product_id in self._first.chooser.catalogue.row_of,
                    tuple(rank(product_id, listed) for listed in lists),
                    tuple(rank(product_id, listed) for listed in new),
                    self._stream.best.get(index),
                )
            )

    def _lists(self, event: Event) -> tuple[str, Sequence[Sequence[str]]]:
        """The session's status, and each arm's list, that of popularity last. Without a profile all show what is popular."""
        found = self._first.chooser.shelf.popularity.of(event.region or "", event.timestamp)
        popular = [item[0] for item in found.items]
        if event.session_id not in self._written[0]:
            return FIRST_EVENT, [popular] * (1 + len(self._jobs))
        profiles = [_profiles.decode(written[event.session_id]) for written in self._written]
        lists = [[item.product_id for item in profile.score_data] for profile in profiles]
        return profiles[0].status, [*lists, popular]

    def _feed_popularity(self, name: str, payload: bytes) -> None:
        for job in self._jobs:
            job.chooser.shelf.popularity.apply(name, payload)

    def _feed_together(self, key: bytes, payload: bytes | None) -> None:
        for job in self._jobs:
            job.chooser.shelf.together.apply(key, payload)


def _settings(stream: Stream, arm: Mapping[str, Any]) -> Settings:
    tree = merged([{"profile": {"min_interval": 0}, "decisions": {"full_share": 0.0}}, stream.overrides, arm])
    return settings_from(tree)


def merged(trees: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Configuration trees as one; the later is the stronger, key by key."""
    result: dict[str, Any] = {}
    for tree in trees:
        for key, value in tree.items():
            known = result.get(key)
            both = isinstance(known, dict) and isinstance(value, Mapping)
            result[key] = merged([known, value]) if both and known else value
    return result
