"""Who may see the operator's page: this machine alone, or who has the token."""

import base64
import binascii
import hmac
import ipaddress
from pathlib import Path

from starlette.requests import Request

from jobs.errors import SecretError
from serving.problems import Refusal

SHORTEST = 16
FORWARDED = ("x-forwarded-for", "x-real-ip", "forwarded")
LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})


class Access:
    """Rule of access: with a token it is demanded of everybody, without one only this machine is let in."""

    def __init__(self, token_file: str) -> None:
        """Read the token.

        Raises:
            SecretError: the file cannot be read, or its token is too short.
        """
        self._token = _read_token(token_file) if token_file else b""

    def check(self, request: Request) -> None:
        """Let the request pass.

        Raises:
            Refusal: 401 without the token, 403 from elsewhere.
        """
        if self._token:
            if not hmac.compare_digest(_shown(request.headers.get("authorization", "")), self._token):
                ask = {"www-authenticate": 'Basic realm="heliotrope operator", charset="UTF-8"'}
                raise Refusal(401, "show the token of serving.admin_token_file: as Bearer, or as password", headers=ask)
        elif not _is_from_here(request):
            raise Refusal(403, "this page opens on the server's own machine; for others set serving.admin_token_file")


def _is_from_here(request: Request) -> bool:
    """Say if a person at this machine asks: no proxy on it, and no name of another site that leads here."""
    if request.client is None or any(name in request.headers for name in FORWARDED):
        return False
    try:
        local = ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False
    return local and request.headers.get("host", "").rsplit(":", 1)[0].lower() in LOCAL_NAMES


def _shown(header: str) -> bytes:
    """The token of an Authorization header."""
    kind, _, value = header.partition(" ")
    if kind.lower() == "bearer":
        return value.strip().encode()
    if kind.lower() == "basic":
        try:
            return base64.b64decode(value, validate=True).partition(b":")[2]
        except (binascii.Error, ValueError):
            return b""
    return b""


def _read_token(path: str) -> bytes:
    try:
        token = Path(path).read_bytes().strip()
    except OSError as error:
        raise SecretError(f"serving.admin_token_file: cannot read {path}: {error.strerror}") from None
    if len(token) < SHORTEST:
        raise SecretError(f"serving.admin_token_file: the token in {path} must have at least {SHORTEST} characters")
    return token
