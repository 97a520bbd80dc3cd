"""Forward decay: what a weight loses with time, and the landmarks that decayed sums are expressed as of.

Cormode, Shkapenyuk, Srivastava and Xu 2009, "Forward decay: a practical time decay model for streaming systems", section 3: with a
landmark L and half-life h, what happened at t has the weight 2^((t - L)/h). To move the landmark is to scale the sum.
"""

import math


def decay_between(earlier_ms: int, later_ms: int, half_life_ms: int | None) -> float:
    """Return the factor by which a sum falls from one time to a later one, above 1 for an earlier one; 1 without a half-life.

    It is also the weight, as of a landmark `later_ms`, of what happened at `earlier_ms`.
    """
    return 1.0 if half_life_ms is None else float(2.0 ** ((earlier_ms - later_ms) / half_life_ms))


def landmark_of(time_ms: int, span_ms: int) -> int:
    """Return the newest multiple of `span_ms` that is not later than a time."""
    return time_ms // span_ms * span_ms


def landmark_scale(old_ms: int, new_ms: int, half_life_ms: int | None) -> float:
    """Return the factor that moves a sum to a landmark whole half-lives later: an exact power of two."""
    if half_life_ms is None or old_ms == new_ms:
        return 1.0
    return math.ldexp(1.0, -((new_ms - old_ms) // half_life_ms))
