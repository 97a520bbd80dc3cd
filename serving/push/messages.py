"""Notifications as bytes on their way to a client."""

import msgspec

from serving.push.position import Position


class ProfileUpdated(msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="profile-updated"):
    """The notification of one session's new profile; its client fetches the profile."""

    session_id: str
    version: int
    updated_at: int


_ENCODER = msgspec.json.Encoder()
KEEP_ALIVE = b": keep-alive\n"


def notification(session_id: str, position: Position) -> bytes:
    """Return the notification as JSON."""
    return _ENCODER.encode(ProfileUpdated(session_id, position.version, position.updated_at_ms))


def event(session_id: str, position: Position) -> bytes:
    """Return the notification as a server-sent event. JSON escapes line ends, so nothing in it can begin a field."""
    return b"event: profile-updated\nid: %b\ndata: %b\n\n" % (
        position.event_id.encode(),
        notification(session_id, position),
    )


def reached(position: Position) -> bytes:
    """Let a browser keep an event id without an event, so that it names it when it comes again."""
    return b"id: %b\n\n" % position.event_id.encode()


def retry(after_ms: int) -> bytes:
    """Return the field that says to a browser when to open the stream again after its end."""
    return b"retry: %d\n" % after_ms
