"""What the tools ask of Flink's REST API."""

import json
import urllib.error
import urllib.request
from typing import Any

from cli.errors import UserError

TIMEOUT_S = 5.0
NO_WATERMARK = -(2**63)
UNBOUNDED_FROM_MS = 253_402_000_000_000  # broadcast tables have a watermark at the end of time: no clock of events


def get_json(flink: str, path: str) -> Any:
    """The answer to GET `path`.

    Raises:
        UserError: Flink does not answer.
    """
    try:
        with urllib.request.urlopen(flink.rstrip("/") + path, timeout=TIMEOUT_S) as response:  # noqa: S310
            return json.load(response)
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise UserError(f"Flink at {flink} does not answer ({error}): look at `heliotrope status`") from None


def event_clock_ms(flink: str) -> int | None:
    """The newest watermark of any running job's operators, in ms since the epoch; None where none has one yet.

    Raises:
        UserError: Flink does not answer.
    """
    clocks: list[int] = []
    for job in get_json(flink, "/jobs")["jobs"]:
        if job["status"] != "RUNNING":
            continue
        for vertex in get_json(flink, f"/jobs/{job['id']}")["vertices"]:
            metrics = get_json(flink, f"/jobs/{job['id']}/vertices/{vertex['id']}/watermarks")
            clock = vertex_clock_ms(metrics)
            if clock is not None:
                clocks.append(clock)
    return max(clocks, default=None)


def vertex_clock_ms(metrics: list[dict[str, str]]) -> int | None:
    """The watermark of one operator: the smallest of its subtasks; None where it has none, or one without bound."""
    values = [int(metric["value"]) for metric in metrics if metric["id"].endswith("currentInputWatermark")]
    smallest = min(values, default=NO_WATERMARK)
    return smallest if NO_WATERMARK < smallest < UNBOUNDED_FROM_MS else None
