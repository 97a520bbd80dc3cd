"""How long the supervisor waits before it starts again what has died."""


class Backoff:
    """Delays that grow from `first_seconds` by `factor` up to `limit_seconds`; a long life begins anew."""

    def __init__(
        self,
        first_seconds: float = 0.1,
        factor: float = 2.0,
        limit_seconds: float = 30.0,
        healthy_after_seconds: float = 60.0,
    ) -> None:
        self._first_seconds = first_seconds
        self._factor = factor
        self._limit_seconds = limit_seconds
        self._healthy_after_seconds = healthy_after_seconds
        self._next_seconds = first_seconds

    def delay(self, lived_seconds: float) -> float:
        """Return the delay after a process that lived for `lived_seconds`."""
        if lived_seconds >= self._healthy_after_seconds:
            self._next_seconds = self._first_seconds
        delay = self._next_seconds
        self._next_seconds = min(self._limit_seconds, delay * self._factor)
        return delay
