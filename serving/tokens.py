"""Tokens by which a shop's backend lets a visitor's browser read that visitor's profile, and nobody else's.

    TOKENS = SessionTokens(read_secrets(Path("session-tokens")))
    token = TOKENS.mint(session_id, expires_at_ms=now_ms + 3_600_000)   # into the page, for Authorization or ?token=

A token is `v1.EXPIRES_AT_MS.SIGNATURE`: the signature is an HMAC-SHA256 over the session id and the expiry, in base64url without
padding. It holds nothing of the session. The first secret signs, and all verify: to replace a secret, put the new one above the
old, let every server and backend have both, and remove the old one when its last token has expired.

Needs nothing but the standard library, so a backend may copy this file.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Sequence
from pathlib import Path

SHORTEST_SECRET = 32
MOST_SECRETS = 16
LONGEST_TOKEN = 128
_TOKEN = re.compile(r"v1\.(\d{1,16})\.([A-Za-z0-9_-]{43})", re.ASCII)


class TokenError(Exception):
    """Error of a token that does not open its session. The message says why and holds nothing of it. Ask the shop for another."""


class SecretsError(Exception):
    """Error of secrets that cannot be used. Write one a line, each of at least 32 characters, as `openssl rand -hex 32` makes
    them."""


class SessionTokens:
    """Signer and verifier of tokens. The first of the secrets signs."""

    def __init__(self, secrets: Sequence[bytes]) -> None:
        """Take the secrets, newest first.

        Raises:
            SecretsError: none, too many, or one that is too short to be one.
        """
        if not 1 <= len(secrets) <= MOST_SECRETS or min(map(len, secrets)) < SHORTEST_SECRET:
            raise SecretsError(f"needs 1 to {MOST_SECRETS} secrets of at least {SHORTEST_SECRET} characters each")
        self._secrets = tuple(secrets)

    def mint(self, session_id: str, expires_at_ms: int) -> str:
        """Make the token that opens one session until a time, in ms since the epoch."""
        return f"v1.{expires_at_ms}.{_sign(self._secrets[0], session_id, expires_at_ms)}"

    def verify(self, token: str, session_id: str, now_ms: int) -> int:
        """Return when the token expires.

        Takes as long for a wrong signature as for a right one.

        Raises:
            TokenError: it opens another session or none, or has expired.
        """
        match = _TOKEN.fullmatch(token) if len(token) <= LONGEST_TOKEN else None
        if match is None:
            raise TokenError("the token is not of the form v1.EXPIRES_AT_MS.SIGNATURE")
        expires_at_ms = int(match[1])
        signatures = [_sign(secret, session_id, expires_at_ms) for secret in self._secrets]
        if not sum([hmac.compare_digest(signature, match[2]) for signature in signatures]):
            raise TokenError("the token does not open this session")
        if expires_at_ms <= now_ms:
            raise TokenError("the token has expired")
        return expires_at_ms


def read_secrets(path: Path) -> list[bytes]:
    """Read secrets from a file, one a line; empty lines are skipped.

    Raises:
        OSError: the file cannot be read.
    """
    return [line for line in map(bytes.strip, path.read_bytes().splitlines()) if line]


def _sign(secret: bytes, session_id: str, expires_at_ms: int) -> str:
    signed = b"heliotrope session v1\0%d\0%b" % (expires_at_ms, session_id.encode())
    digest = hmac.digest(secret, signed, hashlib.sha256)
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
