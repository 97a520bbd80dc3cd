"""What tests of operators share: a real Redis, and a stand-in for the state backend."""

from collections.abc import Iterator

import pytest

from operators.session import due_sessions
from operators.session import store as session_store
from tests.operators.flink_fakes import NamedState, drain_map
from tests.redis_server import RedisServer, redis_server


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """A Redis of the test's own, not yet started."""
    with redis_server() as started:
        yield started


@pytest.fixture
def named_state(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep named state in a dictionary: a state backend is only in a TaskManager."""
    monkeypatch.setattr(session_store, "NamedState", NamedState)
    monkeypatch.setattr(due_sessions, "keys_of", lambda named: list(named.keys()))
    monkeypatch.setattr(due_sessions, "drain_map", drain_map)
