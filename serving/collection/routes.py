"""The routes of this room."""

from serving.context import Context
from serving.room import Room


def collection(context: Context) -> Room:
    """What this room gives to the application."""
    return Room("collection")
