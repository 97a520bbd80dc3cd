"""Clients that send each batch until it is answered 202, as a shop's do, and an account of every answer."""

import asyncio
import json
import random
import time
from collections import Counter

BATCH = 10
SESSIONS = 200
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 1.0
ANSWER_S = 20.0
"""Longer than the server waits for Kafka: what is not answered by then counts as not answered."""


def session_of(batch: int) -> str:
    """Return the session of a batch; all of its events have the same, so that consent is one for the whole."""
    return f"faults-session-{batch % SESSIONS}"


def event_ids(run: str, batch: int) -> list[str]:
    """Return the ids of a batch's events, which its repetitions have too."""
    return [f"{run}-{batch}-{number}" for number in range(BATCH)]


def views(run: str, batch: int) -> bytes:
    """Return the body of a batch of views."""
    fixed = {"session_id": session_of(batch), "event_type": "product_view", "timestamp": time.time_ns() // 1_000_000}
    events = [
        fixed | {"event_id": name, "product_id": f"product-{place}"} for place, name in enumerate(event_ids(run, batch))
    ]
    return json.dumps({"events": events}).encode()


class Account:
    """What was answered. Counts are of events, and of each attempt.

    Attributes:
        attempts: by `202`, `503`, `none` for no answer, or another status.
        accepted: the ids of events that were answered 202 and not withheld.
    """

    def __init__(self) -> None:
        self.attempts: Counter[str] = Counter()
        self.accepted: set[str] = set()
        self.withheld = 0

    def take(self, status: int, answer: bytes, ids: list[str]) -> None:
        """Note one answer; a batch is accepted or withheld as a whole."""
        self.attempts[str(status)] += len(ids)
        if status == 202:
            found = json.loads(answer)
            self.withheld += found["withheld"]
            if found["accepted"] == len(ids):
                self.accepted.update(ids)
            elif found["accepted"]:
                raise AssertionError(f"a batch was cut in two: {found}")


class Client:
    """One connection, opened anew after each failure."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._open: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, body: bytes) -> tuple[int, bytes]:
        """Return status and body of an answer; OSError, EOFError or TimeoutError if there is none."""
        try:
            async with asyncio.timeout(ANSWER_S):
                if self._open is None:
                    self._open = await asyncio.open_connection(self._host, self._port)
                return await self._exchange(*self._open, body)
        except BaseException:
            self.close()
            raise

    async def _exchange(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body: bytes
    ) -> tuple[int, bytes]:
        kind = "content-type: application/json"
        writer.write(
            f"POST /v1/track HTTP/1.1\r\nhost: x\r\n{kind}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body
        )
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        return int(head.split(b" ", 2)[1]), await reader.readexactly(length)

    def close(self) -> None:
        """Drop the connection."""
        if self._open is not None:
            self._open[1].close()
            self._open = None


async def send_until_accepted(client: Client, body: bytes, ids: list[str], account: Account) -> None:
    """Repeat a batch until it is answered 202, with a pause that grows and is spread."""
    pause_s = FIRST_PAUSE_S
    while True:
        try:
            status, answer = await client.post(body)
        except (OSError, EOFError):  # a timeout is an OSError, and half an answer an EOFError
            account.attempts["none"] += len(ids)
        else:
            account.take(status, answer, ids)
            if status == 202:
                return
        await asyncio.sleep(pause_s * random.uniform(0.5, 1.5))
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)


async def consent(host: str, port: int) -> None:
    """Give the consent of all sessions."""
    client, account = Client(host, port), Account()
    for batch in range(SESSIONS):
        name = f"consent-{batch}"
        event = {"session_id": session_of(batch), "event_type": "consent", "granted": True, "event_id": name}
        await send_until_accepted(client, json.dumps(event).encode(), [name], account)
    client.close()


async def send_all(
    address: tuple[str, int], run: str, batches: int, rate: float, connections: int, account: Account
) -> None:
    """Send so many batches, so many a second as long as the server keeps up, each until it is accepted."""
    due, began = iter(range(batches)), time.perf_counter()

    async def one_after_the_other() -> None:
        client = Client(*address)
        for batch in due:
            await asyncio.sleep(began + batch / rate - time.perf_counter())
            await send_until_accepted(client, views(run, batch), event_ids(run, batch), account)
        client.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(connections):
            group.create_task(one_after_the_other())


async def wait_for(account: Account, events: int) -> None:
    """Return once so many events are accepted."""
    while len(account.accepted) < events:
        await asyncio.sleep(0.01)
