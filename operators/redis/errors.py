"""What is wrong with Redis, in one word for a metric and one sentence for a person."""

import enum

from redis.exceptions import (
    AuthenticationError,
    AuthenticationWrongNumberOfArgsError,
    BusyLoadingError,
    ClusterDownError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)


class RedisTrouble(enum.StrEnum):
    """The closed set of troubles. All are tried again, as each can end by itself or by an operator's hand; none is a session's."""

    AWAY = "away"
    LOGIN = "login"
    NO_PERMISSION = "no_permission"
    FULL = "full"
    READ_ONLY = "read_only"
    NOT_SAVING = "not_saving"
    BUSY = "busy"
    LOADING = "loading"
    NO_SCRIPT = "no_script"
    CLUSTER = "cluster"
    NO_CLUSTER = "no_cluster"
    SLOTS = "slots"
    FENCED = "fenced"
    OTHER = "other"


ADVICE = {
    RedisTrouble.AWAY: "nothing answers: start Redis, or correct redis.url",
    RedisTrouble.LOGIN: "Redis refuses the login: correct the user in redis.url and the password in redis.password_file",
    RedisTrouble.NO_PERMISSION: "Redis refuses the user a command or key: give it the rights that docs/redis.md lists",
    RedisTrouble.FULL: "Redis is full and evicts nothing: raise its maxmemory, or set redis.max_bytes below it",
    RedisTrouble.READ_ONLY: "Redis is a replica: name the primary in redis.url",
    RedisTrouble.NOT_SAVING: "Redis refuses writes because it cannot save to its disk: see its log",
    RedisTrouble.BUSY: "Redis is busy with a script of another program",
    RedisTrouble.LOADING: "Redis is loading its data",
    RedisTrouble.NO_SCRIPT: "Redis has forgotten a script, and is taught it again",
    RedisTrouble.CLUSTER: "Redis is in cluster mode and redis.url does not say so: write redis+cluster://host:port",
    RedisTrouble.NO_CLUSTER: "Redis is not in cluster mode, as redis.url says: write redis://host:port",
    RedisTrouble.SLOTS: "the cluster serves not all of its slots: a primary without a replica is away, or slots are unassigned",
    RedisTrouble.FENCED: "an earlier connection was given up, and what it sent is not carried out twice",
    RedisTrouble.OTHER: "Redis answers with an error",
}

_BY_CODE = {
    "OOM": RedisTrouble.FULL,
    "NOAUTH": RedisTrouble.LOGIN,
    "WRONGPASS": RedisTrouble.LOGIN,
    "NOPERM": RedisTrouble.NO_PERMISSION,
    "READONLY": RedisTrouble.READ_ONLY,
    "NOREPLICAS": RedisTrouble.READ_ONLY,
    "MISCONF": RedisTrouble.NOT_SAVING,
    "BUSY": RedisTrouble.BUSY,
    "LOADING": RedisTrouble.LOADING,
    "NOSCRIPT": RedisTrouble.NO_SCRIPT,
    "MOVED": RedisTrouble.CLUSTER,
    "ASK": RedisTrouble.CLUSTER,
    "CROSSSLOT": RedisTrouble.CLUSTER,
    "CLUSTERDOWN": RedisTrouble.SLOTS,
    "MASTERDOWN": RedisTrouble.SLOTS,
    "TRYAGAIN": RedisTrouble.SLOTS,
    "FENCED": RedisTrouble.FENCED,
}
_BY_CLASS: tuple[tuple[type[RedisError], RedisTrouble], ...] = (
    (AuthenticationError, RedisTrouble.LOGIN),
    (AuthenticationWrongNumberOfArgsError, RedisTrouble.LOGIN),
    (NoPermissionError, RedisTrouble.NO_PERMISSION),
    (OutOfMemoryError, RedisTrouble.FULL),
    (ReadOnlyError, RedisTrouble.READ_ONLY),
    (NoScriptError, RedisTrouble.NO_SCRIPT),
    (BusyLoadingError, RedisTrouble.LOADING),
    (ClusterDownError, RedisTrouble.SLOTS),
)


def trouble_of(error: Exception) -> RedisTrouble:
    """Return the trouble behind an error of redis-py, or of the system on the way to Redis."""
    for kind, trouble in _BY_CLASS:  # redis-py cuts the code off the text of those that it knows
        if isinstance(error, kind):
            return trouble
    if isinstance(error, ResponseError):
        return _of_text(str(error))
    return RedisTrouble.AWAY


def _of_text(text: str) -> RedisTrouble:
    """By the code that an answer begins with, or that a script met: some releases put words of their own before that."""
    code = next((word for word in text.replace("-", " ").split() if word in _BY_CODE), None)
    if code is not None:
        return _BY_CODE[code]
    if "cluster support disabled" in text:
        return RedisTrouble.NO_CLUSTER
    if "can't access at least one of the keys" in text or "permissions" in text or "can't run this command" in text:
        return RedisTrouble.NO_PERMISSION
    return RedisTrouble.OTHER
