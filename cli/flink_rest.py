"""What the tools ask of Flink's REST API."""

import json
import urllib.error
import urllib.request
from typing import Any

from cli.errors import UserError
from operators.names import SESSION

TIMEOUT_S = 5.0
NO_WATERMARK = -(2**63)


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
    """The session operators' event time, in ms since the epoch: the newest of the running jobs'; None where none has one yet.

    Read from the watermark that they pass on: the one that REST calls their input's is the smaller of two inputs, and one of
    them never has any.

    Raises:
        UserError: Flink does not answer.
    """
    clocks: list[int] = []
    for job in get_json(flink, "/jobs")["jobs"]:
        if job["status"] != "RUNNING":
            continue
        for vertex in get_json(flink, f"/jobs/{job['id']}")["vertices"]:
            if vertex["name"].startswith(SESSION):
                names = ",".join(f"{i}.{SESSION}.currentOutputWatermark" for i in range(vertex["parallelism"]))
                clock = clock_ms(get_json(flink, f"/jobs/{job['id']}/vertices/{vertex['id']}/metrics?get={names}"))
                if clock is not None:
                    clocks.append(clock)
    return max(clocks, default=None)


def clock_ms(metrics: list[dict[str, str]]) -> int | None:
    """The watermark of an operator: the smallest of its subtasks; None where it has none yet."""
    smallest = min((int(metric["value"]) for metric in metrics), default=NO_WATERMARK)
    return smallest if smallest > NO_WATERMARK else None
