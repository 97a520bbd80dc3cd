"""Names and uids of every operator: state is found by uid, so a uid is never changed and never used again."""

from typing import Final

SESSION: Final = "session"
"""The name; its uid is `session_uid`."""
LEARNER: Final = "learner"
MODEL: Final = "model"
TOGETHER: Final = "together"
REFERENCE: Final = "reference"
DIRECTORY: Final = "directory"
ASSORTMENT: Final = "assortment"
USERS: Final = "users"
USER_LISTS: Final = "user-lists"


def session_uid(buckets: int) -> str:
    """Return the session operator's uid. Buckets go by their number: the state of another number is another operator's."""
    return f"sessions-by-id-in-{buckets}"


HINT_PARTITION: Final = -1
"""Stands in the place of an event's partition where a record is a hint of partition 0; those of others have the numbers below."""
POPULARITY: Final = "popularity"

MOMENTS_KEY: Final = "moments"
"""The popularity operator's key for what is counted at moments; its others are shards of lists."""

EXAMPLES: Final = "examples"
"""A kind of record that stays in the job, as do `wanted` and `user`; the others are topics."""

OUTCOMES: Final = "outcomes"
"""The kind of record that holds several, a line each."""

WANTED: Final = "wanted"
"""The kind of record by which a session operator asks for a product."""

MODEL_KEY: Final = b"MODEL"
"""Key of the live snapshot in the model's topic."""

CHANGE_SUFFIX: Final = b"+"
"""Ends the key of what changed since the live snapshot."""

COMMAND_KEY: Final = b"COMMAND"
"""Key of what a person asks of the model: import, rollback."""


def archive_key(model_key: bytes, version: int) -> bytes:
    """Return key of an archived snapshot of the model whose live one has `model_key`."""
    return b"%s@%d" % (model_key, version)


def key_of_model(key: bytes, model: str, default: str) -> bytes:
    """Return `MODEL_KEY` or `COMMAND_KEY` of a model by the name of its statistics; the default variant's have no name there."""
    return key if model == default else b"%s:%s" % (key, model.encode())


PRODUCT_RECORD: Final = "product"
MODEL_RECORD: Final = "model"
CANDIDATES_RECORD: Final = "candidates"
POPULARITY_RECORD: Final = "popularity"
BUNDLE_RECORD: Final = "bundle"
"""Kinds of records that are broadcast to the session operators."""
