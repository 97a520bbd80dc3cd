"""Writing profiles to a cluster: one pipeline for each primary, by hash slot, and none waits for another."""

import select
import time
from collections.abc import Callable, Iterable
from typing import Any

import structlog

from operators.redis.cluster.dispatch import Dispatcher
from operators.redis.cluster.lane import Question
from operators.redis.cluster.nodes import ClusterNodes
from operators.redis.cluster.profile_call import CallPacker
from operators.redis.cluster.topology import slot_of
from operators.redis.errors import ADVICE, RedisTrouble, trouble_of
from operators.redis.profiles import BATCHES_IN_FLIGHT, CLOSING_S, RedisUnavailableError
from state.profile.effect import Write

MOST_HELD = 8_192
"""Sessions whose newest write is not known to be carried out. Only beyond that a primary that is away holds up the others: so many
come in while another one takes its place."""
LONGEST_LOOK_S = 0.02

logger = structlog.get_logger()


class ClusterProfileWriter:
    """Writer as `ProfileWriter` is, for a cluster: a primary that is away is waited for only once `most_held` sessions wait."""

    def __init__(
        self,
        nodes: ClusterNodes,
        prefix: str,
        ttl_ms: int,
        batch: int,
        block_max_ms: int,
        give_up_ms: int,
        count: Callable[[str, int], None],
        acknowledged: Callable[[list[int]], None] = lambda clicked_ms: None,
        most_held: int = MOST_HELD,
    ) -> None:
        packer, most_in_flight = CallPacker(prefix, ttl_ms), BATCHES_IN_FLIGHT * batch
        self._dispatcher = Dispatcher(nodes, packer, most_in_flight, give_up_ms / 1_000, count, acknowledged)
        self._batch = batch
        self._block_max_s = block_max_ms / 1_000
        self._most_held = most_held
        self._has_failed = False

    def put(self, session_id: str, write: Write, clicked_ms: int = 0) -> None:
        """Take a profile to write. `acknowledged` hears of `clicked_ms` when it is written, 0 is nothing.

        Raises:
            RedisUnavailableError: too much waited for `block_max`; all of it stays held.
        """
        self._hold(session_id, write, clicked_ms)

    def delete(self, session_id: str) -> None:
        """Take a profile away, and with it any write of it that is still pending."""
        self._hold(session_id, None, 0)

    def holds(self, session_id: str) -> bool:
        """Return whether something of the session is not known to be written."""
        return self._dispatcher.holds(session_id)

    def ask(self, command: bytes, answered: Callable[[Any], None], key: bytes = b"") -> bool:
        """Send a command to the primary of a key; return whether it could be sent. A node that is away is nothing to wait for
        here: then no answer comes."""
        lane = self._dispatcher.routing.lane_of(slot_of(key))
        return self._dispatcher.ask(lane, Question(command, answered))

    def ask_primaries(self, command: bytes, answered: Callable[[str, Any], None]) -> int:
        """Send a command to each primary; return how many there are, 0 if one cannot be asked."""
        lanes = self._dispatcher.routing.primaries()
        asked = [
            self._dispatcher.ask(lane, Question(command, _with_node(answered, str(lane.pipeline.node))))
            for lane in lanes
        ]
        return len(lanes) if all(asked) else 0

    @property
    def primaries(self) -> int:
        """How many primaries there are; 0 while it is not known."""
        return len(self._dispatcher.routing.primaries())

    def listen(self) -> None:
        """Read what has been answered, without waiting."""
        self._dispatcher.go_on()

    def send(self) -> None:
        """Send what is pending, without waiting for answers."""
        self._dispatcher.go_on()

    def settle(self) -> None:
        """Send what is pending, and return when all is written and answered.

        Raises:
            RedisUnavailableError: as `put`.
        """
        self._wait_until(lambda: self._dispatcher.is_done)

    def have_arrived(self, session_ids: Iterable[str]) -> bool:
        """Return whether all of the sessions' is written, as far as Redis has answered."""
        self._dispatcher.go_on()
        return not any(map(self.holds, session_ids))

    def close(self) -> None:
        """Settle where Redis still answers, and give the connections up. Never raises, as in `ProfileWriter`."""
        try:
            if not self._has_failed:
                self._block_max_s = min(self._block_max_s, CLOSING_S)
                self.settle()
        except Exception as error:
            held = self._dispatcher.held
            logger.warning("the task ends with profiles that are not written", profiles=held, error=str(error))
        finally:
            self._dispatcher.close()

    def _hold(self, session_id: str, write: Write | None, clicked_ms: int) -> None:
        lane = self._dispatcher.hold(session_id, write, clicked_ms)
        if lane.waiting < self._batch:
            return
        self._dispatcher.flush(lane)
        if lane.waiting >= self._batch:  # it does not take them as fast as they come
            self._dispatcher.go_on()
            if self._dispatcher.held > self._most_held:
                self._wait_until(lambda: self._dispatcher.held <= self._most_held)

    def _wait_until(self, is_done: Callable[[], bool]) -> None:
        deadline_s = time.monotonic() + self._block_max_s
        self._dispatcher.go_on()
        while not is_done():
            if time.monotonic() > deadline_s:
                self._has_failed = True
                raise self._unavailable()
            self._look()
            self._dispatcher.go_on()
        self._has_failed = False

    def _unavailable(self) -> RedisUnavailableError:
        error = self._dispatcher.problem or self._dispatcher.routing.problem
        why = f"{ADVICE[trouble_of(error)]} ({error})" if error is not None else ADVICE[RedisTrouble.AWAY]
        return RedisUnavailableError(f"{self._dispatcher.held} profiles wait for Redis: {why}")

    def _look(self) -> None:
        """Wait until something may have come: a reply, or a connection."""
        polling = select.poll()
        descriptors = [lane.pipeline.fileno() for lane in self._dispatcher.routing.lanes() if lane.in_flight]
        for descriptor in descriptors:
            polling.register(descriptor, select.POLLIN)
        if descriptors:
            polling.poll(LONGEST_LOOK_S * 1_000)
        else:
            self._dispatcher.news.wait(LONGEST_LOOK_S)
        self._dispatcher.news.clear()


def _with_node(answered: Callable[[str, Any], None], node: str) -> Callable[[Any], None]:
    return lambda answer: answered(node, answer)
