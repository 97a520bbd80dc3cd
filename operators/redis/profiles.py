"""Writing profiles to Redis: in batches, without waiting for each answer; newer wins; retried while Redis is away."""

import time
from collections import deque
from collections.abc import Callable, Iterable
from itertools import chain, islice
from typing import Any, NamedTuple

import redis
import structlog
from redis.exceptions import RedisError, ResponseError

from operators.redis.errors import ADVICE, RedisTrouble, trouble_of
from operators.redis.pipe import RedisPipe
from operators.redis.profile_batch import WRITE_IF_NEWER, Batch, BatchPacker
from state.profile.effect import Write

BATCHES_IN_FLIGHT = 4
PATIENCE_S = 0.1
"""An answer that takes longer is waited for, so that a Redis that hangs is found out."""
FIRST_BACKOFF_S = 0.05
LONGEST_BACKOFF_S = 2.0
CLOSING_S = 2.0
"""A task that ends tries for so long to write what is pending. What it does not write, its next start does."""

logger = structlog.get_logger()


class RedisUnavailableError(Exception):
    """Redis took no profiles for `redis.block_max`. See to Redis: the job goes on from its checkpoint by itself."""


class Question(NamedTuple):
    """A command besides the batches. `answered` gets the answer, or the error that Redis answered with."""

    command: bytes
    answered: Callable[[Any], None]


class ProfileWriter:
    """Writer that holds the newest write or deletion of at most `batch` sessions, and up to four batches that await their answer.

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
        self._in_flight: deque[Batch | Question] = deque()
        self._sent_at_s = 0.0
        self._has_failed = False

    def put(self, session_id: str, write: Write, clicked_ms: int = 0) -> None:
        """Take a profile to write; send what is pending where the batch is full. `acknowledged` hears of `clicked_ms` when it is
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
        """Take a profile away, and with it any write of it that is still pending."""
        self._pending[session_id] = None
        if len(self._pending) >= self._batch:
            self._insist(self._send)

    def holds(self, session_id: str) -> bool:
        """Return whether something of the session is not known to be written."""
        return session_id in self._pending or any(session_id in batch for batch in self._in_flight)

    def ask(self, command: bytes, answered: Callable[[Any], None], key: bytes = b"") -> bool:
        """Send a command whose answer is handed on once it is read; return whether it could be sent. A Redis that is away is
        nothing to wait for here: then no answer comes. The command's key matters in a cluster only."""
        try:
            self._pipe.open()
            self._in_flight.append(Question(command, answered))
            self._pipe.send(command)
            self._sent_at_s = time.monotonic()
            return True
        except RedisError as error:
            self._requeue()
            if self._pending:
                self._recover(error, time.monotonic() + self._block_max_s)
            return False

    def listen(self) -> None:
        """Read what has been answered, without waiting where only questions are open."""
        if any(isinstance(sent, dict) for sent in self._in_flight):
            self._insist(self._read_answers)
            return
        try:
            while self._in_flight and self._pipe.has_answer():
                self._read_answer()
        except RedisError:
            self._requeue()

    def settle(self) -> None:
        """Send what is pending, and return when all is written."""
        if self._pending or self._in_flight:
            self._insist(self._settle)

    def send(self) -> None:
        """Send what is pending, without waiting for answers."""
        if self._pending:
            self._insist(self._send)

    def have_arrived(self, session_ids: Iterable[str]) -> bool:
        """Return whether all of the sessions' is written, as far as Redis has answered; wait only for what is overdue."""
        if self._in_flight:
            self._insist(self._read_answers)
        return not any(map(self.holds, session_ids))

    def close(self) -> None:
        """Settle where Redis still answers, and give the connection up.

        Never raises: Flink takes an error at the end of a task for a fatal one and ends the process with all its tasks. What is
        not written stands in the checkpoint, so the next start writes it.
        """
        try:
            if not self._has_failed:
                self._block_max_s = min(self._block_max_s, CLOSING_S)
                self.settle()
        except Exception as error:
            logger.warning(
                "the task ends with profiles that are not written", profiles=len(self._pending), error=str(error)
            )
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
        named: set[RedisTrouble] = set()
        while True:
            self._requeue()
            trouble = self._name(error, named)
            if time.monotonic() + backoff_s > deadline_s:
                self._has_failed = True
                what = f"{len(self._pending)} profiles wait for Redis"
                raise RedisUnavailableError(f"{what}: {ADVICE[trouble]} ({error})") from error
            self._pause(backoff_s)
            backoff_s = min(2 * backoff_s, LONGEST_BACKOFF_S)
            try:
                self._settle()
                self._has_failed = False
                return
            except RedisError as next_error:
                error = next_error

    def _name(self, error: Exception, named: set[RedisTrouble]) -> RedisTrouble:
        """Counts a failure by its kind, and says it once in the log."""
        trouble = trouble_of(error)
        self._count("redis_retries", 1)
        self._count(f"redis_errors_{trouble}", 1)
        if trouble not in named:
            named.add(trouble)
            logger.warning("Redis took no profiles", trouble=str(trouble), advice=ADVICE[trouble], error=str(error))
        return trouble

    def _requeue(self) -> None:
        """Makes all that has no answer pending again, the newest of each session."""
        self._pipe.drop()
        newest: Batch = {}
        for batch in (*self._in_flight, self._pending):
            if isinstance(batch, dict):
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
        asked = self._in_flight[0]
        if not isinstance(asked, dict):
            self._hand_on(asked)
            return
        answer = self._pipe.answer()
        self._in_flight.popleft()
        written, foreign, refused = answer, 0, 0
        if isinstance(answer, list):
            written, foreign, refused, *refusal = answer
        writes = sum(write is not None for write in asked.values())
        self._count("profiles_written", written)
        if foreign:
            self._count("profiles_over_foreign", foreign)
        if refused:  # all of it is sent again, which changes nothing where it was written
            self._in_flight.appendleft(asked)
            raise ResponseError(refusal[0].decode(errors="replace").strip())
        self._acknowledged(self._clicked_in_flight.popleft())
        self._count("profiles_stale", writes - written)

    def _hand_on(self, question: Question) -> None:
        try:
            answer = self._pipe.answer()
        except ResponseError as error:
            answer = error
        self._in_flight.popleft()
        question.answered(answer)
