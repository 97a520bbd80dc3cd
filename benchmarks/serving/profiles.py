"""Profile reads a second by one worker, with `wrk` on the same machine: `python -m benchmarks.serving.profiles`.

Redis holds 20,000 profiles of 2.5 KB and some regions' lists. Each run of some seconds counts reads, percentiles, and answers that
were no fresh profile; the medians of the runs are printed, and written to benchmarks/results/serving-profiles.json.
"""

import argparse
import json
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import msgspec

from benchmarks.machine import machine
from tests.redis_server import redis_server
from tests.serving.live_server import LiveServer, live_server

SESSIONS, ITEMS = 20_000, 20
RESULTS = Path(__file__).parents[1] / "results" / "serving-profiles.json"
SCRIPT = """
local number = 0
request = function()
  number = (number * 1103515245 + 12345) % 2147483648
  return wrk.format("GET", "/v1/profile/session-" .. (number % {sessions}) .. "?region=EU{query}")
end
done = function(summary, latency)
  io.write(string.format("RESULT %d %d %d %d %d %d %d\\n", summary.requests, summary.duration, latency:percentile(50),
    latency:percentile(99), latency:percentile(99.9), summary.errors.status,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout))
end
"""


def profile(session_id: str) -> bytes:
    """A profile as large as the job's."""
    now_ms = time.time_ns() // 1_000_000
    reasons = [{"code": "category_affinity", "category_id": "category-3", "share": 1.0}]
    numbers = {"score": 0.05, "propensity": 0.81, "explored": False, "pinned": False}
    items = [{"product_id": f"p{place}", **numbers, "reasons": reasons} for place in range(ITEMS)]
    head = {"schema": 1, "generation": 1, "version": 3, "updated_at": now_ms, "session_id": session_id}
    rest = {"event_time": now_ms, "refresh_after_ms": 30_000, "status": "active", "score_data": items}
    return msgspec.json.encode(head | rest)


def fill(client: Any) -> None:
    """Writes the profiles and lists."""
    pipe = client.pipeline(transaction=False)
    for number in range(SESSIONS):
        pipe.set(f"heliotrope:profile:session-{number}", profile(f"session-{number}"))
    for region in ("EU", "_all"):
        items = [{"product_id": f"p{place}", "score": 0.02, "count": 9} for place in range(50)]
        found = {
            "region": region,
            "updated_at": time.time_ns() // 1_000_000,
            "window_ms": 1,
            "items": items,
            "categories": [],
        }
        pipe.set(f"heliotrope:popular:{region}", msgspec.json.encode(found))
    pipe.execute()


def run(address: str, connections: int, seconds: int, query: str, rate_free: Path) -> dict[str, float]:
    """One run of wrk: reads a second, percentiles in ms, errors, and what of the processors wrk itself took."""
    rate_free.write_text(SCRIPT.replace("{sessions}", str(SESSIONS)).replace("{query}", query))
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(rate_free), address]
    before_s = ended_children_s()
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    wrk_s = ended_children_s() - before_s
    found = re.search(r"RESULT (.*)", output)
    assert found is not None, output
    requests, duration_us, p50, p99, p999, status, broken = map(int, found[1].split())
    return {
        "reads_per_s": requests / duration_us * 1e6,
        "p50_ms": p50 / 1e3,
        "p99_ms": p99 / 1e3,
        "p999_ms": p999 / 1e3,
        "errors": status + broken,
        "wrk_us_per_read": wrk_s / requests * 1e6 if requests else 0.0,
    }


def ended_children_s() -> float:
    """Return the processor time of all children that have ended: the servers run on, so what it grows by is wrk's."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def sources(address: str) -> dict[str, float]:
    """How many answers came from where so far, as the server itself counts them."""
    with urlopen(f"{address}/metrics") as answer:  # noqa: S310
        text = answer.read().decode()
    return {name: float(count) for name, count in re.findall(r'profile_seconds_count\{source="(\w+)"\} (\S+)', text)}


def worker_seconds(live: LiveServer) -> float:
    """Processor time of all workers so far: what a read costs, however busy the machine is."""
    ticks = os.sysconf("SC_CLK_TCK")
    fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in live.workers()]
    return sum(int(found[11]) + int(found[12]) for found in fields) / ticks


def measure(live: LiveServer, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """The medians of several runs after one that warms up."""
    script = folder / "reads.lua"
    run(live.address, options.connections, 3, options.query, script)
    before, before_s = sources(live.address), worker_seconds(live)
    runs = [run(live.address, options.connections, options.seconds, options.query, script) for _ in range(options.runs)]
    after, used_s = sources(live.address), worker_seconds(live) - before_s
    medians = {name: round(statistics.median(one[name] for one in runs), 2) for name in runs[0]}
    total = sum(after.values()) - sum(before.values())
    fresh = after.get("profile", 0.0) - before.get("profile", 0.0)
    medians["worker_us_per_read"] = round(used_s / total * 1e6, 1) if total else 0.0
    return {"medians": medians, "runs": runs, "fresh_share": round(fresh / total, 5) if total else 0.0}


def main() -> None:
    """Measures, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--query", default="", help="further parameters, as &metadata=1")
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("wrk is not installed: apt-get install wrk")
    with tempfile.TemporaryDirectory() as name, redis_server() as server:
        folder = Path(name)
        fill(server.start("--maxmemory-policy", "noeviction"))
        with live_server(folder, redis={"url": server.url}) as live:
            found = measure(live, options, folder)
    found |= {"machine": machine(), "options": vars(options)}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps({**found["medians"], "fresh_share": found["fresh_share"]}))


if __name__ == "__main__":
    main()
