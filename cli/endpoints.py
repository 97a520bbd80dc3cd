"""Where Kafka, Redis and Flink are: named in the configuration, or those of the stack that `up` left running."""

from pathlib import Path

import msgspec

from cli.errors import UserError
from state.configuration import Settings

STACK_FILE = "stack.json"


class Endpoints(msgspec.Struct, frozen=True):
    """Addresses: `kafka` host:port, `redis` redis://host:port/db, `flink` and `serving` http://host:port (empty where unknown)."""

    kafka: str
    redis: str
    flink: str
    serving: str = ""


def locate(settings: Settings, workdir: Path) -> Endpoints:
    """Return the endpoints from the configuration, filled up from the stack file in `workdir`.

    Raises:
        UserError: neither names a broker and a Redis.
    """
    stack = _stack(workdir)
    if settings.kafka.bootstrap and settings.redis.url:
        own = stack.get("redis", "")  # of the same server the URL in the stack file has its password too
        url = own if own.rpartition("@")[2] == settings.redis.url.removeprefix("redis://") else settings.redis.url
        return Endpoints(settings.kafka.bootstrap, url, stack.get("flink", ""), stack.get("serving", ""))
    if not stack:
        raise UserError(
            f"no stack runs in {workdir}: start one with `heliotrope up`, name its --workdir, "
            "or set kafka.bootstrap and redis.url"
        )
    kafka, url = settings.kafka.bootstrap or stack["kafka"], settings.redis.url or stack["redis"]
    return Endpoints(kafka, url, stack["flink"], stack.get("serving", ""))


def _stack(workdir: Path) -> dict[str, str]:
    try:
        return dict(msgspec.json.decode((workdir / STACK_FILE).read_bytes()))
    except (OSError, msgspec.DecodeError):
        return {}
