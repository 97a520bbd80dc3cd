"""The last hour of figures, kept while somebody looks, so that a page begins with a past."""

import asyncio
import time
from collections import deque
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from serving.metrics import metrics_text
from serving.pages.operator.figures import job_figures, server_figures

INTERVAL_SECONDS = 5.0
POINTS = 720
IDLE_SECONDS = 900.0
"""So long after the last look nothing is sampled any more."""
MOST_BYTES = 16 * 1024 * 1024
READ_SECONDS = 3.0


class Sampler:
    """Sampler of the job's metrics and of this server's own, every few seconds.

    Attributes:
        points: the samples, oldest first; one has its time `at` in ms, and `job` is None when the job's metrics did not come.
    """

    def __init__(self, job_metrics: str) -> None:
        self._address = job_metrics
        self._looked_s = 0.0
        self._task: asyncio.Task[None] | None = None
        self.points: deque[dict[str, Any]] = deque(maxlen=POINTS)

    async def look(self) -> None:
        """Say that somebody looks; the first look waits for the first sample."""
        self._looked_s = time.monotonic()
        if self._task is None or self._task.done():
            await self._sample()
            self._task = asyncio.create_task(self._go_on())

    async def close(self) -> None:
        """Stop sampling."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _go_on(self) -> None:
        while time.monotonic() - self._looked_s < IDLE_SECONDS:
            await asyncio.sleep(INTERVAL_SECONDS)
            await self._sample()

    async def _sample(self) -> None:
        self.points.append(await asyncio.to_thread(self._read))

    def _read(self) -> dict[str, Any]:
        """One sample; in a thread, because reading some thousand lines takes longer than a request may wait."""
        point: dict[str, Any] = {"at": int(time.time() * 1_000), "server": server_figures(metrics_text()), "job": None}
        if self._address:
            try:
                with urlopen(self._address, timeout=READ_SECONDS) as answer:  # noqa: S310  # the operator's own address
                    point["job"] = job_figures(answer.read(MOST_BYTES).decode("utf-8", "replace"))
            except (URLError, OSError, ValueError) as error:
                point["trouble"] = f"{self._address} does not answer ({type(error).__name__})"
        return point
