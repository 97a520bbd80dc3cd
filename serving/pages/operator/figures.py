"""A few figures out of Prometheus' text: of the job, and of this server."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

PREFIX = "flink_taskmanager_job_task_operator_"
SUMS = (
    "events_applied",
    "events_duplicate",
    "events_late",
    "dead_letters",
    "profiles_written",
    "exposures",
    "reward_milli",
    "examples_learned",
    "redis_retries",
)
"""Counters, summed over tasks."""
LARGEST = ("model_version_ms", "event_lag_ms", "overload_level")
BY_VARIANT = ("exposures", "reward_milli", "penalty_milli")
LATENCY = "le_click_to_redis_ms_bucket"
REASON = "dead_letters_"
MOST_LABELS = 64
_LINE = re.compile(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)(?: \d+)?")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def job_figures(text: str) -> dict[str, Any]:
    """Add the tasks' metrics up: `sums`, `largest`, `reasons` of dead letters, `variants`, and the counts of `latency` by bound."""
    sums, largest, reasons = dict.fromkeys(SUMS, 0.0), dict.fromkeys(LARGEST, 0.0), dict[str, float]()
    variants: dict[str, dict[str, float]] = {}
    latency: dict[str, float] = {}
    for name, labels, value in samples(text.splitlines(), PREFIX):
        if name in sums:
            sums[name] += value
        elif name in largest:
            largest[name] = max(largest[name], value)
        elif name == LATENCY:
            _add(latency, labels.get("le", ""), value)
        elif name.startswith(REASON):
            _add(reasons, name.removeprefix(REASON), value)
        elif name.startswith("variant_") and name.removeprefix("variant_") in BY_VARIANT:
            variant = labels.get("variant", "")
            if variant in variants or len(variants) < MOST_LABELS:
                _add(variants.setdefault(variant, dict.fromkeys(BY_VARIANT, 0.0)), name.removeprefix("variant_"), value)
    return {"sums": sums, "largest": largest, "reasons": reasons, "variants": variants, "latency": latency}


def server_figures(text: str) -> dict[str, Any]:
    """Count this server's answers by status, and their times by bound, streams and the operator's own reads left out."""
    statuses: dict[str, float] = {}
    latency: dict[str, float] = {}
    for name, labels, value in samples(text.splitlines(), "heliotrope_http_"):
        route = labels.get("route", "")
        if "/stream/" in route or "/ws/" in route or route.startswith("/admin"):
            continue
        if name == "requests_total":
            _add(statuses, labels.get("status", ""), value)
        elif name == "request_seconds_bucket":
            _add(latency, labels.get("le", ""), value)
    return {"statuses": statuses, "latency": latency}


def samples(lines: Iterable[str], prefix: str) -> Iterator[tuple[str, dict[str, str], float]]:
    """Read the samples whose names begin with the prefix, as name without it, labels and value."""
    for line in lines:
        if not line.startswith(prefix):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            continue
        try:
            value = float(match[3])
        except ValueError:
            continue
        if value == value and abs(value) != float("inf"):
            yield match[1].removeprefix(prefix), dict(_LABEL.findall(match[2] or "")), value


def _add(into: dict[str, float], key: str, value: float) -> None:
    if key in into or len(into) < MOST_LABELS:
        into[key] = into.get(key, 0.0) + value
