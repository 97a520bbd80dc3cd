"""The order and the moments in which events are sent: sorted by time, then disturbed as much as was asked for."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class SendingOrder(NamedTuple):
    """`indices` into the events, in sending order; `moments_ms` on the events' own time line, never falling."""

    indices: NDArray[np.int64]
    moments_ms: NDArray[np.int64]
    duplicates: int


def sending_order(
    times_ms: NDArray[np.int64], duplicate_share: float, shuffle_within_ms: int, rng: np.random.Generator
) -> SendingOrder:
    """Sort by time; repeats each event with probability `duplicate_share`; move each by at most `shuffle_within_ms`.

    No event is sent after one that is newer by more than `shuffle_within_ms`, copies included.
    """
    originals = np.arange(len(times_ms), dtype=np.int64)
    copies = originals[rng.random(len(times_ms)) < duplicate_share]
    indices = np.concatenate([originals, copies])
    moments = times_ms[indices] + rng.integers(0, shuffle_within_ms + 1, size=len(indices), dtype=np.int64)
    order = np.argsort(moments, kind="stable")
    return SendingOrder(indices[order], moments[order], len(copies))
