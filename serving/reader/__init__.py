"""Reading profiles within a budget, from Redis or from what was kept of it: a library of its own, see docs/delivery.md."""

from serving.reader.answer import Answer, ProfileRequest, Reason, Served, Source
from serving.reader.asynchronous import AsyncProfileReader
from serving.reader.settings import ReaderSettings
from serving.reader.sync import ProfileReader

__all__ = [
    "Answer",
    "AsyncProfileReader",
    "ProfileReader",
    "ProfileRequest",
    "ReaderSettings",
    "Reason",
    "Served",
    "Source",
]
