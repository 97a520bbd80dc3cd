"""Redis: whether it answers, keeps what it is given, and has room for the sessions."""

import time
from collections.abc import Iterator
from typing import Any

import redis

from cli.doctoring.finding import Finding, error, ok, warning
from cli.errors import UserError
from cli.options import Target
from cli.redis_client import open_redis
from cli.redis_cluster import ClusterClient
from operators.redis.cluster.topology import SLOTS

MOST_SKEW_S = 2.0
FULL = 0.9


def look_at_redis(target: Target) -> list[Finding]:
    """Return all that can be asked of Redis."""
    try:
        client = open_redis(target)
    except UserError as problem:
        what, _, mend = str(problem).partition(": ")
        return [error("Redis", mend or what, "mend that first: without Redis no profile is written")]
    with client:
        try:
            return list(_look_at_cluster(client) if isinstance(client, ClusterClient) else _look(client))
        except redis.RedisError as problem:
            return [error("Redis", f"refuses to be asked ({problem})", "allow INFO, TIME and DBSIZE to the job's user")]


def _look_at_cluster(client: ClusterClient) -> Iterator[Finding]:
    """Each primary, and whether another could take its place."""
    info: dict[str, str] = dict(client.cluster_info(target_nodes=client.get_random_node()))
    if info.get("cluster_state") != "ok":
        unserved = SLOTS - int(info.get("cluster_slots_ok", 0))
        yield error(
            "Redis cluster", f"{unserved:,} of {SLOTS:,} slots are not served", "start the primary that holds them"
        )
    for name, primary in client.primaries():
        try:
            for finding in _look(primary):
                yield finding._replace(about=f"{finding.about} {name}")
        except redis.RedisError as problem:
            yield error(f"Redis {name}", f"does not answer ({problem})", "start it, or promote its replica")
    alone = [name for name, _ in client.primaries() if not client.has_replica(name)]
    if alone:
        found = f"no replica follows {', '.join(alone)}"
        yield warning("Redis cluster", found, "give each primary one, so that its profiles are served when it dies")


def _look(client: redis.Redis) -> Iterator[Finding]:
    info: dict[str, Any] = dict(client.info())  # type: ignore[arg-type]
    version = str(info.get("redis_version", "?"))
    if int(version.split(".")[0]) < 6:
        yield error("Redis", f"is version {version}", "use 6.2 or newer")
    else:
        yield ok("Redis", f"version {version}")
    if info.get("role") != "master":
        yield error("Redis", "is a replica, which takes no writes", "name the primary in redis.url")
    yield from _memory(info, int(client.dbsize()))  # type: ignore[arg-type]
    yield from _persistence(info)
    seconds, micros = client.time()  # type: ignore[misc]
    skew_s = time.time() - (int(seconds) + int(micros) / 1e6)
    if abs(skew_s) > MOST_SKEW_S:
        mend = "let both machines take their time from NTP"
        yield warning("clocks", f"this machine's and Redis' differ by {skew_s:.1f} s", mend)
    else:
        yield ok("clocks", f"this machine's and Redis' differ by {abs(skew_s) * 1e3:.0f} ms")


def _memory(info: dict[str, Any], keys: int) -> Iterator[Finding]:
    used, most, policy = int(info["used_memory"]), int(info.get("maxmemory", 0)), str(info.get("maxmemory_policy", ""))
    each = f", {used // keys:,} bytes for each of {keys:,} keys" if keys > 100 else f", {keys:,} keys"
    found = f"{used / 1e6:,.0f} MB used of {f'{most / 1e6:,.0f} MB' if most else 'no bound'}{each}"
    if most and policy.startswith("allkeys"):
        mend = "CONFIG SET maxmemory-policy noeviction (or volatile-ttl)"
        yield error("Redis memory", f"the policy {policy} removes profiles and fences of visitors who are there", mend)
    if most and used > FULL * most:
        yield error("Redis memory", f"is nearly full: {found}", "raise maxmemory, or shorten session.ttl")
    elif not most:
        yield warning(
            "Redis memory", found, "set maxmemory, so that it is Redis that refuses, and not the kernel that kills"
        )
    else:
        yield ok("Redis memory", f"{found}, {policy}")


def _persistence(info: dict[str, Any]) -> Iterator[Finding]:
    if info.get("rdb_last_bgsave_status", "ok") != "ok" or info.get("aof_last_write_status", "ok") != "ok":
        yield error("Redis persistence", "its last save failed, and it may refuse writes", "look for room on its disk")
    elif info.get("loading"):
        yield warning("Redis persistence", "it is loading its data", "wait for it")
