"""The routes of this room."""

from serving.context import Context
from serving.room import Room


def push(context: Context) -> Room:
    """What this room gives to the application."""
    return Room("push")
