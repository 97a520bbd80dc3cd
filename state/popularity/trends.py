"""Which products trend in a region: by count, or by their rise above the region's own past."""

from collections.abc import Sequence
from math import sqrt

from state.configuration import Popularity
from state.popularity.baseline import Baseline
from state.popularity.window import Counted

Trend = tuple[str, int, float]
"""Product, count in the window, score."""
CORRECTION = 0.5
"""Added to both counts of a comparison, or one of zero would be certain (Anscombe 1956; Haldane 1956)."""


def trends(counted: Counted, baseline: Baseline | None, settings: Popularity) -> list[Trend]:
    """Return at most `top` trending products of at least `trend_support` counts, the highest score first, equal ones by id.

    By `count` the score is the product's share of the region's counts. By `rise` it is `rise`; until a whole window was folded into
    the baseline, trends are by count.
    """
    if settings.trend == "count" or baseline is None or not baseline.folded_ms:
        return by_count(counted, settings)
    found = rising(counted, baseline, settings)
    found.sort(key=lambda trend: (-trend[2], trend[0]))
    return found[: settings.top]


def by_count(counted: Counted, settings: Popularity) -> list[Trend]:
    """Return the most counted, with their shares as scores."""
    enough: Sequence[tuple[str, int]] = counted.products[: settings.top]
    total = max(1, counted.total)
    return [(product, count, count / total) for product, count in enough if count >= settings.trend_support]


def rising(counted: Counted, baseline: Baseline, settings: Popularity) -> list[Trend]:
    """Return products whose count is a rise for certain. The score is that share of the count: 1 − (e + s·√V)/c, so below 1, and
    above 0 where the count c is more than s standard deviations (`trend_significance`) above what the past lets expect.

    With X the product's decayed sum over n windows (`Baseline.windows`, X scaled to them) and g the growth of everything else in
    the region since, its count without a rise is e = g·X/n. c and X are taken as Poisson, so the difference has the variance
    c + g²·X/n² that Krishnamoorthy and Thomson (A more powerful test for comparing two Poisson means, J. Stat. Planning and
    Inference 119, 2004) divide by; to it comes that of g by the delta method, e²·(1/now + 1/then) for the other products' counts
    now and in the past. The growth takes the day's rhythm and a region's first, partial windows out of the comparison.
    """
    windows, sums, floor = baseline.windows, baseline.sums, baseline.floor
    scale = windows / baseline.weight  # from decayed sums to n windows
    past_of_all = scale * baseline.total
    found = []
    for product, count in counted.products:
        if count < settings.trend_support:
            break  # the largest come first
        past = scale * sums.get(product, floor) + CORRECTION
        others = max(0.0, past_of_all - past) + 1.0
        others_now = max(0, counted.total - count) + 1.0
        growth = others_now * windows / others
        expected = growth * past / windows
        variance = count + CORRECTION + growth * expected / windows + expected**2 * (1 / others_now + 1 / others)
        score = 1.0 - (expected + settings.trend_significance * sqrt(variance)) / count
        if score > 0:
            found.append((product, count, score))
    return found
