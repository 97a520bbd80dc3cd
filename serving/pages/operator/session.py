"""Why one session sees what it sees, as far as its profile says it."""

from collections.abc import Mapping
from typing import Any

import msgspec
from redis.exceptions import RedisError

from serving.context import AnyRedis
from serving.problems import Refusal
from state.profile.reasons import sentence

MOST_ID = 128


async def session_report(redis: AnyRedis, prefix: str, session_id: str, titles: Mapping[str, str]) -> dict[str, Any]:
    """Read the profile and say it in words.

    Raises:
        Refusal: 400, 404 or 503: no id, no profile, no Redis.
    """
    if not 1 <= len(session_id) <= MOST_ID:
        raise Refusal(400, f"a session id has 1 to {MOST_ID} characters", field="id")
    try:
        raw = await redis.get(f"{prefix}:profile:{session_id}")
        profile = msgspec.json.decode(raw, type=dict[str, Any]) if raw is not None else None
    except (RedisError, OSError) as error:
        raise Refusal(503, f"Redis does not answer ({type(error).__name__})", headers={"retry-after": "2"}) from None
    except msgspec.DecodeError:
        raise Refusal(404, "what Redis has under this id is no profile") from None
    if profile is None:
        raise Refusal(404, "there is no profile of this session: it has no event yet, or was erased")
    return _described(profile, titles)


def _described(profile: dict[str, Any], titles: Mapping[str, str]) -> dict[str, Any]:
    items = [
        {
            "product_id": item.get("product_id"),
            "title": titles.get(str(item.get("product_id")), str(item.get("product_id"))),
            "score": item.get("score"),
            "propensity": item.get("propensity"),
            "how": "pinned" if item.get("pinned") else "explored" if item.get("explored") else "chosen",
            "because": [
                {"text": sentence(each, titles), "share": each.get("share")} for each in item.get("reasons") or []
            ],
        }
        for item in profile.get("score_data") or []
    ]
    head = {key: profile.get(key) for key in _HEAD}
    return head | {"items": items}


_HEAD = (
    "session_id",
    "status",
    "generation",
    "version",
    "updated_at",
    "event_time",
    "policy",
    "variant",
    "model_version",
    "decision_id",
    "affinities",
    "windows",
    "counts",
    "last_event",
)
