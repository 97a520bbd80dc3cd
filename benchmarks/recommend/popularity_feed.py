"""Popularity lists from what sessions accepted: what SQL and its operator do in the job, by the same pure core.

SQL counts in sliding windows there; here slides are added and taken away. See `jobs/streams/popularity.py` and
`operators/popularity.py`.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from heapq import nsmallest

from benchmarks.recommend.accepted import Line
from state.configuration import Popularity
from state.popularity.baseline import Baseline
from state.popularity.listing import listing
from state.popularity.moments import ALL_MOMENTS, Moments
from state.popularity.names import CATEGORY, MOMENT, WHOLE, is_region
from state.popularity.trends import trends
from state.popularity.window import Counted

Feed = Callable[[str, bytes], object]
_EVENT_TYPE = {"views": "product_view", "purchases": "checkout"}


class Counts:
    """Of a list in some stretch of time: products, and categories where the list is a region's or the whole."""

    def __init__(self) -> None:
        self.products: Counter[str] = Counter()
        self.categories: Counter[str] = Counter()

    def add(self, other: "Counts", sign: int) -> None:
        """Adds or takes away."""
        _add(self.products, other.products, sign)
        _add(self.categories, other.categories, sign)

    def counted(self, tracked: int) -> Counted:
        """In the form in which SQL tells it."""
        return Counted(self.products.total(), _largest(self.products, tracked), _largest(self.categories, tracked))


class PopularityFeed:
    """Hands lists to `feed`, by name, as the watermark passes the windows' ends."""

    def __init__(self, rules: Popularity, feed: Feed) -> None:
        self._rules = rules
        self._feed = feed
        self._slides: dict[int, dict[str, Counts]] = {}
        self._window: dict[str, Counts] = {}
        self._baselines: defaultdict[str, Baseline] = defaultdict(Baseline)
        self._moments = Moments({})
        self._viewed: dict[int, defaultdict[str, Counter[str]]] = {}
        self._next_ms = 0

    def add(self, line: Line) -> None:
        """An accepted product of an event."""
        rules = self._rules
        if line.event_type == _EVENT_TYPE[rules.counts]:
            end_ms = _end(line.time_ms, rules.slide_ms)
            self._next_ms = self._next_ms or end_ms
            if end_ms >= self._next_ms:  # SQL counts no event that comes after its slide's end
                self._count(self._slides.setdefault(end_ms, {}), line)
        if line.event_type == "product_view" and line.category_id:
            end_ms = _end(line.time_ms, rules.window_ms)
            viewed = self._viewed.setdefault(end_ms, defaultdict(Counter))
            for name in {ALL_MOMENTS, *line.moment}:
                viewed[name][line.category_id] += 1

    def advance(self, watermark_ms: int) -> None:
        """Ends the windows that the watermark has passed."""
        while self._next_ms and self._next_ms <= watermark_ms:
            self._end_slide(self._next_ms)
            self._next_ms += self._rules.slide_ms
            if not self._window:  # nothing is counted until the next slide that has something
                self._next_ms = min(self._slides, default=self._next_ms)
        for end_ms in sorted(end_ms for end_ms in self._viewed if end_ms <= watermark_ms):
            self._feed_moments(end_ms, self._viewed.pop(end_ms))

    def _count(self, slide: dict[str, Counts], line: Line) -> None:
        for name in (WHOLE, line.region):
            if name:
                counts = slide.setdefault(name, Counts())
                counts.products[line.product_id] += 1
                if line.category_id:
                    counts.categories[line.category_id] += 1
        if line.category_id:
            slide.setdefault(CATEGORY + line.category_id, Counts()).products[line.product_id] += 1

    def _end_slide(self, end_ms: int) -> None:
        window_ms = self._rules.window_ms
        for name, counts in self._slides.get(end_ms, {}).items():
            self._window.setdefault(name, Counts()).add(counts, 1)
        for name, counts in self._slides.pop(end_ms - window_ms, {}).items():
            self._window[name].add(counts, -1)
            if not self._window[name].products:
                del self._window[name]
        for name, counts in self._window.items():
            self._feed_list(name, end_ms, counts.counted(self._rules.tracked))

    def _feed_list(self, name: str, end_ms: int, counted: Counted) -> None:
        rules = self._rules
        found = trends(counted, self._baselines.get(name), rules) if is_region(name) else []
        if end_ms % rules.window_ms == 0 and is_region(name) and rules.trend == "rise":
            self._baselines[name].fold(
                end_ms,
                counted.total,
                counted.products,
                window_ms=rules.window_ms,
                half_life_ms=rules.baseline_half_life_ms,
                tracked=rules.tracked,
            )
        self._feed(name, listing(end_ms, rules.window_ms, counted, found, rules.top).encode())

    def _feed_moments(self, end_ms: int, viewed: Mapping[str, Mapping[str, int]]) -> None:
        gone = self._moments.add(end_ms, viewed, self._rules.moments_half_life_ms)
        for name in sorted(viewed.keys() - set(gone)):
            self._feed(MOMENT + name, self._moments.moments[name].encode())


def _end(time_ms: int, length_ms: int) -> int:
    """The end of the stretch that the time lies in."""
    return (time_ms // length_ms + 1) * length_ms


def _add(counts: Counter[str], other: Counter[str], sign: int) -> None:
    for name, count in other.items():
        counts[name] += sign * count
        if not counts[name]:
            del counts[name]


def _largest(counts: Counter[str], most: int) -> list[tuple[str, int]]:
    """The largest counts first, equal ones by id."""
    return nsmallest(most, counts.items(), key=lambda entry: (-entry[1], entry[0]))
