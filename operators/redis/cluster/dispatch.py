"""What waits for a cluster, sent to the primary of its slot; answers, redirections and failures followed up. Nothing here waits."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import structlog
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as SilentError

from operators.redis.cluster.lane import ASKING, Asking, Held, Lane, Question
from operators.redis.cluster.nodes import ClusterNodes
from operators.redis.cluster.profile_call import STALE, WRITE_ONE_IF_NEWER, WRITTEN_OVER_FOREIGN, CallPacker
from operators.redis.cluster.routing import Routing
from operators.redis.cluster.topology import redirection_in, slot_of
from operators.redis.errors import ADVICE, trouble_of
from operators.redis.profile_batch import packed
from state.profile.effect import Write

MOST_REDIRECTIONS = 8
"""In a row, of one write. After that its node is left alone for a moment."""
ASKING_COMMAND = packed(b"ASKING")

logger = structlog.get_logger()


class Dispatcher:
    """Sender with a lane to each node. Of one session there is only one command on its way; the newest waits for its answer. So it
    does not matter that a slot moves between the two, nor which of two nodes is faster.

    Attributes:
        news: set when a thread that connects, or asks who holds what, has ended.
        problem: the newest failure.
    """

    def __init__(
        self,
        nodes: ClusterNodes,
        packer: CallPacker,
        most_in_flight: int,
        give_up_s: float,
        count: Callable[[str, int], None],
        acknowledged: Callable[[list[int]], None],
    ) -> None:
        self.news = threading.Event()
        self.routing = Routing(nodes, WRITE_ONE_IF_NEWER, self.news)
        self.problem: RedisError | None = None
        self._packer = packer
        self._most_in_flight = most_in_flight
        self._give_up_s = give_up_s
        self._count = count
        self._acknowledged = acknowledged
        self._flying: dict[str, Held] = {}
        self._number = 0
        self._has_moved = False

    @property
    def held(self) -> int:
        """How many commands are not known to be carried out."""
        lanes = (self.routing.nowhere, *self.routing.lanes())
        return len(self._flying) + sum(lane.waiting for lane in lanes)

    @property
    def is_done(self) -> bool:
        """Whether all is carried out and answered, questions too."""
        return not self.held and not any(lane.in_flight or lane.questions for lane in self.routing.lanes())

    def holds(self, session_id: str) -> bool:
        """Return whether something of the session is not known to be carried out."""
        slot = slot_of(self._packer.key(session_id))
        return session_id in self._flying or self.routing.lane_of(slot).holds(session_id)

    def hold(self, session_id: str, write: Write | None, clicked_ms: int) -> Lane:
        """Take a write or a deletion in, in the place of what waits of the session; return where it waits."""
        slot = slot_of(self._packer.key(session_id))
        self._number += 1
        lane = self.routing.lane_of(slot)
        lane.hold(Held(session_id, write, slot, self._number, [clicked_ms] if clicked_ms else []))
        return lane

    def ask(self, lane: Lane, question: Question) -> bool:
        """Send a question on a connection that is there; return whether it was. What waits for one may wait for long."""
        if not lane.pipeline.is_open:
            self._is_open(lane)
            return False
        lane.questions.append(question)
        self.flush(lane)
        return lane.pipeline.is_open

    def go_on(self) -> None:
        """Continue: 1 read what has come; 2 deal anew what waits, if slots have moved; 3 send."""
        for lane in self.routing.lanes():
            if lane.in_flight:
                self._read(lane)
            if lane.is_away:
                self.routing.refresh()
        if self.routing.poll() or self._has_moved:
            self._deal_anew()
        for lane in self.routing.lanes():
            self.flush(lane)

    def flush(self, lane: Lane) -> None:
        """Send what there is room for on the way."""
        if lane is self.routing.nowhere or lane.is_idle or not self._is_open(lane):
            return
        commands = self._next_commands(lane)
        if commands:
            try:
                lane.pipeline.send(b"".join(commands))
            except RedisError as error:
                self._fail(lane, error)

    def close(self) -> None:
        """Give the connections up."""
        for lane in self.routing.lanes():
            lane.pipeline.drop(has_unanswered=False)

    def _is_open(self, lane: Lane) -> bool:
        """Whether it takes commands; begins to connect if not."""
        if lane is self.routing.nowhere or time.monotonic() < lane.rests_until_s:
            return False
        if lane.pipeline.is_open and not lane.in_flight and lane.pipeline.is_stale():
            lane.pipeline.drop(has_unanswered=False)
        try:
            return lane.pipeline.open()
        except RedisError as error:
            self._fail(lane, error)
            return False

    def _next_commands(self, lane: Lane) -> list[bytes]:
        pack = self._packer.pack
        commands: list[bytes] = []
        if not lane.in_flight:
            lane.heard_at_s = time.monotonic()
        for asked in lane.asking:
            commands += (ASKING_COMMAND, pack(asked.session_id, asked.write))
            lane.in_flight += (ASKING, asked)
        for held in lane.next_held(self._most_in_flight - len(lane.in_flight), self._flying.__contains__):
            commands.append(pack(held.session_id, held.write))
            lane.in_flight.append(held)
            self._flying[held.session_id] = held
        for question in lane.questions:
            commands.append(question.command)
            lane.in_flight.append(question)
        lane.asking.clear()
        lane.questions.clear()
        return commands

    def _read(self, lane: Lane) -> None:
        counts: Counter[str] = Counter()
        done: list[Held] = []
        try:
            replies = lane.pipeline.replies()
            if replies:
                lane.heard_at_s = time.monotonic()
            elif time.monotonic() - lane.heard_at_s > self._give_up_s:
                raise SilentError(f"{lane.pipeline.node} does not answer")
            for reply in replies:
                self._take(lane, reply, counts, done)
        except RedisError as error:
            self._fail(lane, error)
        for name, number in counts.items():
            self._count(name, number)
        if done:
            self._acknowledged([clicked_ms for held in done for clicked_ms in held.clicked_ms])

    def _take(self, lane: Lane, reply: Any, counts: Counter[str], done: list[Held]) -> None:
        """Take in one answer.

        Raises:
            ResponseError: the node refuses; it and all behind it is still in flight.
        """
        sent = lane.in_flight[0]
        if isinstance(reply, ResponseError) and not isinstance(sent, Question) and not self._follow(lane, sent, reply):
            raise reply
        lane.in_flight.popleft()
        if isinstance(sent, Question):
            self._hand_on(lane, sent, reply)
        elif isinstance(sent, Held) and not isinstance(reply, ResponseError):
            lane.succeed()
            del self._flying[sent.session_id]
            done.append(sent)
            if sent.write is not None:
                counts["profiles_stale" if reply == STALE else "profiles_written"] += 1
                if reply == WRITTEN_OVER_FOREIGN:
                    counts["profiles_over_foreign"] += 1

    def _hand_on(self, lane: Lane, question: Question, reply: Any) -> None:
        if isinstance(reply, ResponseError) and redirection_in(str(reply), lane.pipeline.node):
            self.routing.refresh()  # it is asked again a second later
        question.answered(reply)

    def _follow(self, lane: Lane, sent: Held | Asking, reply: ResponseError) -> bool:
        """Send a command on to where the node says that it belongs; return whether it said so."""
        redirection = redirection_in(str(reply), lane.pipeline.node)
        if redirection is None or isinstance(sent, Asking) or sent.redirections >= MOST_REDIRECTIONS:
            return False
        self._count("redis_redirections", 1)
        sent.redirections += 1
        if redirection.is_moved:
            self._has_moved = True
            self.routing.moved(redirection.slot, redirection.node)
            self._requeue(sent)
        else:
            self.routing.lane_to(redirection.node).asking.append(sent)
        return True

    def _deal_anew(self) -> None:
        self._has_moved = False
        for lane in (self.routing.nowhere, *self.routing.lanes()):
            for held in lane.drain_waiting():
                self.routing.lane_of(held.slot).hold(held)
        self.routing.forget_departed()

    def _requeue(self, held: Held) -> None:
        """Let it wait again, unless something newer of its session does."""
        del self._flying[held.session_id]
        self.routing.lane_of(held.slot).hold(held)

    def _fail(self, lane: Lane, error: RedisError) -> None:
        """Give a connection up. What it has not answered waits for the next one, or for another node; the other lanes go on."""
        self.problem = error
        self._name(lane, error)
        lane.pipeline.drop(has_unanswered=bool(lane.in_flight))
        for held in lane.drain_lost():
            held.redirections = 0
            self._requeue(held)
        lane.rest(time.monotonic())
        self.routing.refresh()

    def _name(self, lane: Lane, error: RedisError) -> None:
        """Count a failure by its kind, and say it once in the log until the node takes something again."""
        trouble = trouble_of(error)
        self._count("redis_retries", 1)
        self._count(f"redis_errors_{trouble}", 1)
        if trouble not in lane.troubles:
            lane.troubles.add(trouble)
            advice, node = ADVICE[trouble], str(lane.pipeline.node)
            logger.warning("Redis took no profiles", node=node, trouble=str(trouble), advice=advice, error=str(error))
