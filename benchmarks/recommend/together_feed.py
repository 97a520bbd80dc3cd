"""Lists of partners from what sessions accepted: what SQL and its operator do in the job, by the same pure core.

See `jobs/streams/together.py` and `operators/together.py`. Lists are handed on once a minute instead of each five
seconds, to save time.
"""

from collections.abc import Callable

from benchmarks.recommend.accepted import Line
from state.configuration import Together
from state.events.accepted import FIELD
from state.together.shard import Shard
from state.together.tally import BOUGHT, KINDS, VIEWED

Feed = Callable[[bytes, bytes | None], object]
INTERVAL_MS = 60_000


class TogetherFeed:
    """Hands lists to `feed`, by key, None for one that ended. One shard of each kind; nothing is ever forgotten but by decay."""

    def __init__(self, rules: Together, feed: Feed) -> None:
        self._feed = feed
        self._shards = {kind: Shard.open(f"{kind}/0/1", None, rules) for kind in KINDS}
        self._rows: dict[str, dict[str, bytes]] = {kind: {} for kind in KINDS}
        self._lines: dict[str, list[str]] = {kind: [] for kind in KINDS}
        self._next_ms = 0

    def add(self, line: Line) -> None:
        """An accepted product of an event."""
        text = FIELD.join((str(line.time_ms // 1_000), line.product_id, line.partners))
        if line.event_type == "checkout":
            self._lines[BOUGHT].append(text)
        elif line.event_type == "product_view" and line.partners:
            self._lines[VIEWED].append(text)

    def advance(self, now_ms: int) -> None:
        """Counts what has come and hands lists on, where it is time."""
        if now_ms < self._next_ms:
            return
        self._next_ms = now_ms + INTERVAL_MS
        for kind, shard in self._shards.items():
            if self._lines[kind]:
                self._count(kind, shard, now_ms)

    def _count(self, kind: str, shard: Shard, now_ms: int) -> None:
        rows, lines = self._rows[kind], self._lines[kind]
        self._lines[kind] = []
        tally = shard.tally(lines, now_ms)
        _hold(shard, rows, list(tally.singles))
        rows.update(shard.add(tally, now_ms)[0])
        _hold(shard, rows, shard.pending)
        lists, changed = shard.lists()
        rows.update(changed)
        shard.trim()
        for key, partners in lists:
            self._feed(key, partners)


def _hold(shard: Shard, rows: dict[str, bytes], products: list[str]) -> None:
    for product in shard.missing(products):
        shard.hold(product, rows.get(product))
