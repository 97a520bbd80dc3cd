"""Writing profiles to Redis: in batches, without waiting for each answer; newer wins; retried while Redis is away."""

import time
from collections import deque
from collections.abc import Callable, Iterable
from itertools import chain, islice

import redis
from redis.exceptions import RedisError

from operators.profile_batch import WRITE_IF_NEWER, Batch, BatchPacker
from operators.redis_pipe import RedisPipe
from state.personalizer import Write

BATCHES_IN_FLIGHT = 4
PATIENCE_S = 0.1
"""An answer that takes longer is waited for, so that a Redis that hangs is found out."""
FIRST_BACKOFF_S = 0.05
LONGEST_BACKOFF_S = 2.0


class RedisUnavailableError(Exception):
    """Redis took no profiles for `redis.block_max`. See to Redis: the job goes on from its checkpoint by itself."""


class ProfileWriter:
    """Holds the newest write or deletion of at most `batch` sessions, and up to four batches that await their answer.

    Batches go out in order on one connection. After a failure all that has no answer is sent again, the newest of each
    session, and the caller waits until it is answered.
    """

    def __init__(
        self,
        client: redis.Redis,
        prefix: str,
        ttl_ms: int,
        batch: int,
        block_max_ms: int,
        count: Callable[[str, int], None],
        pause: Callable[[float], None] = time.sleep,
        acknowledged: Callable[[list[int]], None] = lambda clicked_ms: None,
    ) -> None:
        self._acknowledged = acknowledged
        self._clicked: list[int] = []
        self._clicked_in_flight: deque[list[int]] = deque()
        self._pipe = RedisPipe(client, prefix, WRITE_IF_NEWER)
        self._packer = BatchPacker(prefix, ttl_ms)
        self._batch = batch
        self._block_max_s = block_max_ms / 1_000
        self._count = count
        self._pause = pause
        self._pending: Batch = {}
        self._in_flight: deque[Batch] = deque()
        self._sent_at_s = 0.0

    def put(self, session_id: str, write: Write, clicked_ms: int = 0) -> None:
        """Takes a profile to write; sends what is pending where the batch is full. `acknowledged` hears of `clicked_ms` when it is
        written, 0 is nothing.

        Raises:
            RedisUnavailableError: after `block_max`, as all below; what is not known to be written stays pending.
        """
        self._pending[session_id] = write
        if clicked_ms:
            self._clicked.append(clicked_ms)
        if len(self._pending) >= self._batch:
            self._insist(self._send)

    def delete(self, session_id: str) -> None:
        """Takes a profile away, and with it any write of it that is still pending."""
        self._pending[session_id] = None
        if len(self._pending) >= self._batch:
            self._insist(self._send)

    def holds(self, session_id: str) -> bool:
        """Whether something of the session is not known to be written."""
        return session_id in self._pending or any(session_id in batch for batch in self._in_flight)

    def settle(self) -> None:
        """Sends what is pending, and returns when all is written."""
        if self._pending or self._in_flight:
            self._insist(self._settle)

    def send(self) -> None:
        """Sends what is pending, without waiting for answers."""
        if self._pending:
            self._insist(self._send)

    def have_arrived(self, session_ids: Iterable[str]) -> bool:
        """Whether all of the sessions' is written, as far as Redis has answered; waits only for what is overdue."""
        if self._in_flight:
            self._insist(self._read_answers)
        return not any(map(self.holds, session_ids))

    def close(self) -> None:
        """Settles, and gives the connection up even where that fails."""
        try:
            self.settle()
        finally:
            self._pipe.drop()

    def _insist(self, step: Callable[[], None]) -> None:
        deadline_s = time.monotonic() + self._block_max_s
        try:
            step()
        except RedisError as error:
            self._recover(error, deadline_s)

    def _recover(self, error: RedisError, deadline_s: float) -> None:
        """Tries until all is written: a Redis that only ever takes batches and fails them must come to the deadline too."""
        backoff_s = FIRST_BACKOFF_S
        while True:
            self._count("redis_retries", 1)
            self._take_back()
            if time.monotonic() + backoff_s > deadline_s:
                raise RedisUnavailableError(f"{len(self._pending)} profiles wait for Redis: {error}") from error
            self._pause(backoff_s)
            backoff_s = min(2 * backoff_s, LONGEST_BACKOFF_S)
            try:
                self._settle()
                return
            except RedisError as next_error:
                error = next_error

    def _take_back(self) -> None:
        """Makes all that has no answer pending again, the newest of each session."""
        self._pipe.drop()
        newest: Batch = {}
        for batch in (*self._in_flight, self._pending):
            newest.update(batch)
        self._in_flight.clear()
        self._pending = newest
        self._clicked = [*chain.from_iterable(self._clicked_in_flight), *self._clicked]
        self._clicked_in_flight.clear()

    def _settle(self) -> None:
        self._send()
        while self._in_flight:
            self._read_answer()

    def _read_answers(self) -> None:
        is_overdue = time.monotonic() - self._sent_at_s > PATIENCE_S
        while self._in_flight and (is_overdue or self._pipe.has_answer()):
            self._read_answer()

    def _send(self) -> None:
        while self._pending:
            if len(self._in_flight) == BATCHES_IN_FLIGHT:
                self._read_answers()  # several at once, as each look at the socket takes as long as an answer
            if len(self._in_flight) == BATCHES_IN_FLIGHT:
                self._read_answer()
            self._send_batch()
        self._sent_at_s = time.monotonic()

    def _send_batch(self) -> None:
        self._pipe.open()
        batch = dict(islice(self._pending.items(), self._batch))
        for session_id in batch:
            del self._pending[session_id]
        self._in_flight.append(batch)
        clicked, self._clicked = (
            ([], self._clicked) if self._pending else (self._clicked, [])
        )  # the last batch has them
        self._clicked_in_flight.append(clicked)
        self._pipe.send(self._packer.pack(batch, self._pipe.fence))

    def _read_answer(self) -> None:
        written = self._pipe.answer()
        batch = self._in_flight.popleft()
        self._acknowledged(self._clicked_in_flight.popleft())
        writes = sum(write is not None for write in batch.values())
        self._count("profiles_written", written)
        self._count("profiles_stale", writes - written)
