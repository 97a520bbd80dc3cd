"""The regions' lists written to a cluster: each by a call of its own to the primary of its slot."""

from collections.abc import Sequence
from typing import Any

from redis.exceptions import RedisError

from operators.redis.cluster.calls import Call, ClusterCalls


def write_each(calls: ClusterCalls, script: str, keys: Sequence[str], arguments: Sequence[Any]) -> list[Any]:
    """Call the script that takes many lists once for each; `arguments` are what they share, then the lists. Return the sum of
    the answers, as from one call.

    Raises:
        RedisError: the first that one of them met. The others are carried out.
    """
    shared, lists = arguments[0], arguments[1:]
    found = calls.run(
        [Call(key.encode(), ("EVAL", script, 1, key, shared, each)) for key, each in zip(keys, lists, strict=True)]
    )
    problem = next((answer for answer in found if isinstance(answer, RedisError)), None)
    if problem is not None:
        raise problem
    written, foreign, refused = (sum(answer[place] for answer in found) for place in range(3))
    refusals = [answer[3] for answer in found if answer[2]]
    return [written, foreign, refused, *refusals[:1]]
