"""Prometheus' metrics over several workers: each writes its own files in a shared folder, and any of them answers for all.

The folder must be in the environment before prometheus_client is first imported, so `serving/server.py` spawns its workers.
"""

import os
from pathlib import Path

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client import REGISTRY as IN_PROCESS
from prometheus_client.multiprocess import MultiProcessCollector
from starlette.requests import Request
from starlette.responses import Response

from serving.metrics_folder import FOLDER

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

REQUESTS = Counter("heliotrope_http_requests", "Answered requests.", ["route", "method", "status"])
SECONDS = Histogram("heliotrope_http_request_seconds", "Time to the whole answer.", ["route"], buckets=BUCKETS)
IN_FLIGHT = Gauge("heliotrope_http_in_flight", "Requests that are being answered.", multiprocess_mode="livesum")
FAILURES = Counter("heliotrope_http_failures", "Requests that ended in an error that nobody expected.", ["route"])
WORKERS = Gauge("heliotrope_http_workers", "Workers that are configured.", multiprocess_mode="livemax")


def metrics_text() -> str:
    """Return the metrics of all workers, or of this process if it is alone, in Prometheus' text format."""
    registry = IN_PROCESS
    if folder := os.environ.get(FOLDER):
        _drop_gauges_of_the_dead(Path(folder))
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry).decode()


def _drop_gauges_of_the_dead(folder: Path) -> None:
    """Drop what a killed worker left behind: its subscription or open breaker would be shown for ever."""
    for path in folder.glob("gauge_live*.db"):
        try:
            os.kill(int(path.stem.rpartition("_")[2]), 0)
        except ProcessLookupError:
            path.unlink(missing_ok=True)


async def metrics(request: Request) -> Response:
    """Answer `GET /metrics`."""
    return Response(metrics_text(), headers={"content-type": CONTENT_TYPE_LATEST, "cache-control": "no-store"})
