"""Profiles written and announced as the job does it."""

import redis

from operators.redis.profile_batch import WRITE_IF_NEWER, BatchPacker, updated_message
from state.profile.effect import Write

PREFIX = "heliotrope"
LIFE_MS = 60_000


def profile(session_id: str, generation: int, version: int, updated_at_ms: int) -> bytes:
    """The first fields of a profile, in the order in which the job writes them."""
    head = f'{{"schema":1,"generation":{generation},"version":{version},"updated_at":{updated_at_ms}'
    return f'{head},"session_id":"{session_id}","score_data":[]}}'.encode()


def publish(
    client: redis.Redis, session_id: str, version: int, generation: int = 1_000, updated_at_ms: int = 0
) -> None:
    """Write one profile by the job's own command, which announces it."""
    updated_at_ms = updated_at_ms or 5_000 + version
    write = Write(generation, version, updated_at_ms, profile(session_id, generation, version, updated_at_ms))
    client.script_load(WRITE_IF_NEWER)
    command = BatchPacker(PREFIX, LIFE_MS).pack({session_id: write}, "fence")
    connection = client.connection_pool.get_connection()
    try:
        connection.send_packed_command([command])
        assert connection.read_response() == 1
    finally:
        client.connection_pool.release(connection)


def announce(client: redis.Redis, session_id: str, version: int, updated_at_ms: int = 0) -> None:
    """Publish a notification alone."""
    client.publish(f"{PREFIX}:profile-updated", updated_message(session_id, version, updated_at_ms))
