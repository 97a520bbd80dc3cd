"""Connections that stay open and send batches of 10 events; prints what came of them as JSON.

python -m benchmarks.serving.batch_clients HOST PORT CONNECTIONS SECONDS RATE
"""

import asyncio
import json
import sys
import time

import uvloop

EVENTS = 10
SESSIONS = 5_000
BODIES = 500


def request(number: int) -> bytes:
    """Return a whole request. Events bring no id and no time, so that the server does all of its work."""
    events = [
        {
            "session_id": f"session-{(number * EVENTS + one) % SESSIONS}",
            "event_type": "product_view",
            "product_id": f"product-{(number * 7 + one) % 1_000}",
            "category_id": f"category-{one}",
            "region": "EU",
            "device": "mobile",
        }
        for one in range(EVENTS)
    ]
    body = json.dumps({"events": events}).encode()
    head = (
        f"POST /v1/track HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Load:
    """What all connections share."""

    def __init__(self, seconds: float, rate: float) -> None:
        self.requests = [request(number) for number in range(BODIES)]
        self.latencies: list[float] = []
        self.accepted = self.refused = 0
        self._began, self._seconds, self._rate, self._sent = time.perf_counter(), seconds, rate, 0

    async def next_due(self) -> float | None:
        """Return when the next batch is due, after waiting for that; None at the end."""
        now = time.perf_counter()
        self._sent += 1
        due = self._began + self._sent / self._rate if self._rate else now
        if due > self._began + self._seconds:
            return None
        if due > now:
            await asyncio.sleep(due - now)
        return due


async def connection(load: Load, host: str, port: int) -> None:
    """Send one batch after the other."""
    reader, writer = await asyncio.open_connection(host, port)
    number = id(writer) % BODIES
    while (due := await load.next_due()) is not None:
        number += 1
        writer.write(load.requests[number % BODIES])
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        body = json.loads(await reader.readexactly(length))
        load.latencies.append(time.perf_counter() - due)
        if b" 202 " in head[:16]:
            load.accepted += body["accepted"]
        else:
            load.refused += 1
    writer.close()


async def main(host: str, port: int, connections: int, seconds: float, rate: float) -> None:
    """Send, and print."""
    load = Load(seconds, rate)
    began = time.perf_counter()
    await asyncio.gather(*(connection(load, host, port) for _ in range(connections)))
    lasted = time.perf_counter() - began
    sorted_ms = sorted(latency * 1_000 for latency in load.latencies)
    found = {
        "batches": len(sorted_ms),
        "batches_per_second": len(sorted_ms) / lasted,
        "accepted": load.accepted,
        "refused": load.refused,
        "p50_ms": sorted_ms[len(sorted_ms) // 2],
        "p99_ms": sorted_ms[len(sorted_ms) * 99 // 100],
    }
    print(json.dumps(found))


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]), float(sys.argv[5])))
