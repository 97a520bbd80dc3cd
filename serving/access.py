"""Who may read a session: whoever shows a token of it, if `serving.session_tokens` asks for one.

The answer to a wrong token is the same whether the session exists or not, and comes before anything is read of it.
"""

import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, unquote_to_bytes

import msgspec
from starlette.convertors import Convertor, register_url_convertor
from starlette.types import Scope

from jobs.errors import ConfigurationError, SecretError
from serving.problems import Refusal
from serving.tokens import SecretsError, SessionTokens, TokenError, read_secrets
from state.configuration import Serving
from state.events.event import SessionId

BEARER = b"bearer "
CHALLENGE = {"www-authenticate": 'Bearer realm="session"'}
QUERY_MOST_FIELDS = 32
SESSION = "{session_id:anything}"
"""The last part of a path that names a session."""


class _Anything(Convertor[str]):
    """The rest of a path, whatever it holds: a slash is part of a session id, and a line end is refused by name."""

    regex = "(?s:.*)"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("anything", _Anything())


class SessionAccess:
    """Guard of reads of a session. Without tokens everybody may who knows its id."""

    def __init__(
        self, tokens: SessionTokens | None, now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000
    ) -> None:
        self._tokens = tokens
        self._now_ms = now_ms

    def check(self, scope: Scope, session_id: str) -> int | None:
        """Return when the access ends, in ms since the epoch; None if it does not.

        Raises:
            Refusal: 401, no token or a wrong one.
        """
        if self._tokens is None:
            return None
        token = _token_of(scope)
        if token is None:
            raise Refusal(
                401, "give the session's token as Authorization: Bearer TOKEN or as ?token=", headers=CHALLENGE
            )
        try:
            return self._tokens.verify(token, session_id, self._now_ms())
        except TokenError as error:
            raise Refusal(401, str(error), field="token", headers=CHALLENGE) from None


def session_access(serving: Serving) -> SessionAccess:
    """Make the check that the configuration asks for.

    Raises:
        ConfigurationError: tokens are asked for without secrets, or with weak ones.
        SecretError: the file of secrets cannot be read.
    """
    if not serving.session_tokens:
        return SessionAccess(None)
    path = serving.session_tokens_file
    if not path:
        raise ConfigurationError(
            "serving.session_tokens_file: name the file of secrets that session tokens are signed with"
        )
    try:
        return SessionAccess(SessionTokens(read_secrets(Path(path))))
    except OSError as error:
        raise SecretError(f"serving.session_tokens_file: cannot read {path}: {error.strerror}") from None
    except SecretsError as error:
        raise ConfigurationError(f"serving.session_tokens_file: {path} {error}, one a line") from None


def session_of(scope: Scope) -> str:
    """Return the session id of a path, if it is one of an event's form.

    Raises:
        Refusal: 400, it is none.
    """
    try:
        return msgspec.convert(_last_part(scope), SessionId)
    except (msgspec.ValidationError, UnicodeDecodeError):
        raise Refusal(
            400,
            "a session_id has 1 to 128 characters, none of them a control character",
            reason="invalid_value",
            field="session_id",
        ) from None


def query_of(scope: Scope) -> dict[str, str]:
    """Return the query's values, the last of each name.

    Raises:
        Refusal: 400, too many of them.
    """
    try:
        fields = parse_qs(
            scope["query_string"].decode("latin-1"), keep_blank_values=True, max_num_fields=QUERY_MOST_FIELDS
        )
    except ValueError:
        raise Refusal(400, f"a query has at most {QUERY_MOST_FIELDS} fields", reason="invalid_value") from None
    return {name: values[-1] for name, values in fields.items()}


def header_of(scope: Scope, name: bytes) -> bytes | None:
    """Return the first header of a name, in lower case."""
    return next((value for key, value in scope["headers"] if key == name), None)


def _last_part(scope: Scope) -> str:
    """What follows `/v1/NAME/` in a path, decoded once: servers put U+FFFD for what is not UTF-8, which is another session's id.

    Raises:
        UnicodeDecodeError: it is not UTF-8.
    """
    return unquote_to_bytes(scope["raw_path"].split(b"/", 3)[3]).decode()


def _token_of(scope: Scope) -> str | None:
    header = header_of(scope, b"authorization")
    if header is not None and header[: len(BEARER)].lower() == BEARER:
        return header[len(BEARER) :].strip().decode("latin-1")
    return query_of(scope).get("token")
