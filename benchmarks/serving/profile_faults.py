"""Profile reads while Redis is killed, stopped and slow: `python -m benchmarks.serving.profile_faults`.

`wrk` asks; what is counted is the server's own histogram, so neither the client nor the network is in it. For each fault: reads,
answers that are neither 200 nor 304, and the share that took at most the budget and 10 ms. The result goes to
benchmarks/results/serving-profile-faults.json.
"""

import argparse
import json
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from benchmarks.serving.profiles import fill, run
from tests.redis_server import RedisServer, redis_server
from tests.serving.live_server import LiveServer, live_server
from tests.serving.slow_proxy import SlowProxy, slow_proxy

RESULTS = Path(__file__).parents[1] / "results" / "serving-profile-faults.json"
WITHIN_S = "0.06"
"""The bucket of the budget, 50 ms, and 10 ms."""
RECOVERY_S = 60.0
SAMPLE = re.compile(r'heliotrope_profile_seconds_(bucket|count)\{(?:le="([^"]+)",)?source="(\w+)"\} (\S+)')


def counted(address: str) -> tuple[dict[str, float], dict[str, float]]:
    """Answers by source so far, and those of them within the bound."""
    with urlopen(f"{address}/metrics") as answer:  # noqa: S310
        samples = SAMPLE.findall(answer.read().decode())
    counts = {source: float(value) for kind, _, source, value in samples if kind == "count"}
    within = {source: float(value) for kind, bound, source, value in samples if kind == "bucket" and bound == WITHIN_S}
    return counts, within


def measure(live: LiveServer, script: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Reads for some seconds, as the server counts them."""
    counts_before, within_before = counted(live.address)
    found = run(live.address, options.connections, options.seconds, "", script)
    counts, within = counted(live.address)
    by_source = {name: round(count - counts_before.get(name, 0)) for name, count in counts.items()}
    reads = sum(by_source.values())
    fast = sum(within.values()) - sum(within_before.values())
    return {
        "reads": reads,
        "not_200": found["errors"],
        "within_60_ms": round(fast / reads, 5) if reads else 0.0,
        "by_source": {name: count for name, count in by_source.items() if count},
    }


def recover(live: LiveServer, script: Path) -> None:
    """Waits until most answers are fresh profiles again."""
    deadline = time.monotonic() + RECOVERY_S
    while time.monotonic() < deadline:
        before = counted(live.address)[0]
        run(live.address, 4, 1, "", script)
        after = counted(live.address)[0]
        fresh, total = after.get("profile", 0) - before.get("profile", 0), sum(after.values()) - sum(before.values())
        if total and fresh / total > 0.9:
            return


@contextmanager
def killed(server: RedisServer, proxy: SlowProxy) -> Iterator[None]:
    """Redis is killed, and started again with the same data."""
    server.kill()
    yield
    fill(server.start())


@contextmanager
def stopped(server: RedisServer, proxy: SlowProxy) -> Iterator[None]:
    """Redis answers nothing; connections are taken."""
    server.stall()
    yield
    server.wake()


@contextmanager
def slow(server: RedisServer, proxy: SlowProxy) -> Iterator[None]:
    """Each answer takes half a second more."""
    proxy.delay_s = 0.5
    yield
    proxy.delay_s = 0.0


FAULTS: tuple[Callable[..., Any], ...] = (killed, stopped, slow)


def main() -> None:
    """Measures, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--seconds", type=int, default=8)
    options = parser.parse_args()
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name, redis_server() as server:
        folder, script = Path(name), Path(name) / "reads.lua"
        fill(server.start())
        redis_socket = Path(server.url.removeprefix("unix://").partition("?")[0])
        with slow_proxy(redis_socket) as proxy, live_server(folder, redis={"url": proxy.url}) as live:
            recover(live, script)
            found["none"] = measure(live, script, options)
            for fault in FAULTS:
                with fault(server, proxy):
                    found[fault.__name__] = measure(live, script, options)
                recover(live, script)
            found["after"] = measure(live, script, options)
    for fault_name, one in found.items():
        print(fault_name, json.dumps(one))
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
