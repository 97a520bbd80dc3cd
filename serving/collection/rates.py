"""Rate limits by write key, session and address, counted in each worker's memory by the library `limits`.

A shared count would be a round trip to Redis for each session of each batch, and would stop collection when Redis is away.
"""

import ipaddress
import math
import time
from collections import Counter
from collections.abc import Iterable

import limits
from limits.strategies import FixedWindowRateLimiter

from serving.collection.counts import Counts
from serving.collection.metrics import LIMITED
from serving.problems import Refusal
from state.configuration import RateLimits

MOST_COUNTED = 200_000
"""Keys, sessions and addresses in one window; beyond that all counts begin anew, so that made-up ones cannot fill the memory."""
IPV6_PREFIX = 64


class Rates:
    """Limits of one worker."""

    def __init__(self, configured: RateLimits) -> None:
        self._limiter = FixedWindowRateLimiter(Counts(MOST_COUNTED))
        self._key, self._session, self._address = (
            limits.parse(text) if text else None for text in (configured.key, configured.session, configured.address)
        )

    def take(self, key: str, address: str, sessions: Iterable[str], events: int) -> None:
        """Count a batch of so many events, each with its session in `sessions`.

        Raises:
            Refusal: 429, one limit is reached; nothing of the batch is taken.
        """
        if self._key is not None:
            self._hit(self._key, "key", key, events)
        if self._address is not None:
            self._hit(self._address, "address", network_of(address), events)
        if self._session is not None:
            for session, count in Counter(sessions).items():
                self._hit(self._session, "session", session, count)

    def _hit(self, item: limits.RateLimitItem, what: str, who: str, cost: int) -> None:
        """A batch that is larger than the limit itself counts as the whole of it, or it could never pass."""
        if self._limiter.hit(item, what, who, cost=min(cost, item.amount)):
            return
        LIMITED.labels(what).inc()
        reset_s = self._limiter.get_window_stats(item, what, who).reset_time - time.time()
        wait_s = max(1, math.ceil(reset_s))
        raise Refusal(
            429,
            f"more than {item.amount} events per {item.GRANULARITY.name} of one {what}: wait {wait_s} s",
            headers={"retry-after": str(wait_s)},
        )


def network_of(address: str) -> str:
    """Return the address that is counted: whoever has an IPv6 address has a whole /64 of them."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((int(parsed), IPV6_PREFIX), strict=False))
