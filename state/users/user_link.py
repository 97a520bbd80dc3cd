"""What ties a session to its user: who it is, what the users' operator is told of it, and what it answers."""

from state.events.event import Event
from state.session.hint import Hint
from state.session.log import Record, user_hash
from state.session.session import Session
from state.users.user_input import Forget, Hello, Message, encode_message


def identify_user(session: Session, event: Event, is_newest: bool, salt: bytes) -> tuple[str, list[Record]]:
    """Return the hash of the event's user, "" for none, and if that is a new one for the session, a request for its hint.

    An event that names no user is of the session's; the newest event that names one says whose session it is.
    """
    if not event.user_id:
        return session.user, []
    user = user_hash(event.user_id, salt)
    if user == session.user or not (is_newest or not session.user):
        return user, []
    session.user, session.hint = user, b""
    return user, [hello(user, event.session_id, event.timestamp)]


def hello(user: str, session_id: str, timestamp_ms: int) -> Record:
    """Return the request for the hint of a user, by hash, whom a session has named."""
    return _record(user, Hello(session_id, timestamp_ms))


def forget_messages(session: Session, event: Event, salt: bytes) -> tuple[list[str], list[Record]]:
    """Return whom an erasure or a withdrawal reaches, the session's user and the one that the event names; and the messages that
    say so.

    A withdrawal reaches them too: what a session told stays in the long-lived profile, which cannot be taken apart.
    """
    named = user_hash(event.user_id, salt) if event.user_id else ""
    users = list(dict.fromkeys(user for user in (session.user, named) if user))
    return users, [_record(user, Forget(event.timestamp)) for user in users]


def accepts_hint(session: Session | None, hint: Hint, denied_by_default: bool) -> bool:
    """Return whether the hint is for this session as it is now: alive, consenting, and still that user's."""
    return (
        session is not None
        and bool(session.user)
        and hint.user == session.user
        and session.consent.is_given(denied_by_default)
    )


def _record(user: str, message: Message) -> Record:
    return Record("user", user.encode(), encode_message(message).encode())
