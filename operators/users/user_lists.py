"""Lists that another recommender made for users, on their way to what is kept of each."""

from collections.abc import Callable
from typing import Any

import structlog
from pyflink.common import Row, Types
from pyflink.datastream import ProcessFunction, RuntimeContext

from operators.counters import Counters
from operators.task import begin_task
from state.configuration import Settings
from state.events.rejection import Origin, Rejection, dead_letter, letter_key
from state.session.log import user_hash
from state.users.user_input import Listed, encode_message
from state.users.user_list import read_user_list

logger = structlog.get_logger()

_BYTES = Types.PRIMITIVE_ARRAY(Types.BYTE())
USER_LIST_TYPE = Types.ROW_NAMED(
    ["user_hash", "message", "key", "dead_letter"], [Types.STRING(), Types.STRING(), _BYTES, _BYTES]
)
"""Row(user_hash, message, None, None), or Row(None, None, key, dead letter); an array could not be null."""


class UserListOperator(ProcessFunction):  # type: ignore[misc]
    """Input: records of `user_lists` as Row(key, value, partition, offset, record_ms); output: see `USER_LIST_TYPE`.

    It puts the hash in the place of the user's id: that takes the shop's secret, which must not be in the job's graph, where a
    query that hashes would show it.
    """

    def __init__(self, settings: Settings, salt: Callable[[], bytes], build_id: str) -> None:
        self._topic = settings.kafka.topics.user_lists
        self._most = settings.users.listed
        self._salt_of = salt
        self._build_id = build_id

    def open(self, runtime_context: RuntimeContext) -> None:
        """Read the secret where it runs."""
        begin_task(self._build_id)
        self._salt = self._salt_of()
        self._counters = Counters(runtime_context.get_metrics_group(), "user-lists")

    def process_element(self, value: Row, ctx: Any) -> list[Row]:
        """Return a list, or one that is removed."""
        key, payload, partition, offset, record_ms = value._values
        found = read_user_list(key, payload, self._most)
        if isinstance(found, Rejection):
            self._counters.add("dead_letters", 1)
            self._counters.add(f"dead_letters_{found.reason}", 1)
            self._counters.flush()
            logger.warning("a user's list was refused", reason=found.reason, detail=found.detail)
            letter = dead_letter(found, Origin(self._topic, partition, offset, record_ms), payload)
            return [Row(None, None, letter_key(key), letter)]
        message = encode_message(Listed(found.items, record_ms))
        return [Row(user_hash(found.user_id, self._salt), message, None, None)]
