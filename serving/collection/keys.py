"""Write keys: who may send events. Read from a file that may change while the server runs."""

import asyncio
import base64
import binascii
import hashlib
from pathlib import Path
from typing import Any, NamedTuple

from starlette.requests import Request

from jobs.errors import SecretError
from serving.collection.metrics import KEYS_FAILED
from serving.problems import Refusal

LEAST_CHARACTERS = 16
MOST_KEYS = 10_000
LOOK_SECONDS = 5.0
OPEN = "open"
"""The name that events are counted under if no key is needed."""


class _Stamp(NamedTuple):
    """By what a changed file is known."""

    modified_ns: int
    size: int
    inode: int


class WriteKeys:
    """Keys of a file by their digests, so that finding one takes as long whether or not it begins like another."""

    def __init__(self, path: str, log: Any) -> None:
        self._path, self._log = Path(path).expanduser() if path else None, log
        self._names: dict[bytes, str] = {}
        self._stamp: _Stamp | None = None
        if self._path is not None:
            self._stamp = _stamp(self._path)
            self._names = read_keys(self._path)

    @property
    def are_needed(self) -> bool:
        """Whether a request needs a key."""
        return self._path is not None

    def name_of(self, request: Request, in_body: str = "") -> str:
        """Return the name of the request's key; `in_body` is what the body shows, for a request that shows none elsewhere.

        Raises:
            Refusal: 401, there is none, or it is none of ours.
        """
        if self._path is None:
            return OPEN
        key = key_in(request) or in_body
        if not key:
            raise _refused("a write key is needed: Authorization: Bearer KEY, the user of Basic, or ?write_key=")
        name = self._names.get(_digest(key))
        if name is None:
            raise _refused("the write key is not known")
        return name

    async def watch(self) -> None:
        """Read the file again when it has changed; one that cannot be read leaves the keys as they are."""
        while self._path is not None:
            await asyncio.sleep(LOOK_SECONDS)
            self.look()

    def look(self) -> None:
        """Look once."""
        assert self._path is not None
        try:
            stamp = _stamp(self._path)
            if stamp != self._stamp:
                self._names, self._stamp = read_keys(self._path), stamp
                self._log.info("write keys were read again", keys=len(self._names))
        except SecretError as error:
            KEYS_FAILED.inc()
            self._log.error("write keys stay as they were", error=str(error))


def read_keys(path: Path) -> dict[bytes, str]:
    """Read names of keys by the keys' digests. A line is `NAME KEY` or `KEY`; `#` begins a comment.

    Raises:
        SecretError: the file cannot be read, a line is no key, or there is none. No key is in the message.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SecretError(f"serving.write_keys_file: cannot read {path}: {_why(error)}") from None
    found: dict[bytes, str] = {}
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) > 2 or len(words[-1]) < LEAST_CHARACTERS or len(found) >= MOST_KEYS:
            raise SecretError(
                f"serving.write_keys_file: {path}, line {number}: write NAME KEY or KEY, the key of at least "
                f"{LEAST_CHARACTERS} characters, at most {MOST_KEYS:,} of them"
            )
        found[_digest(words[-1])] = words[0] if len(words) == 2 else f"key-{len(found) + 1}"
    if not found:
        raise SecretError(f"serving.write_keys_file: {path} holds no key: nobody could send events")
    return found


def key_in(request: Request) -> str:
    """Return the key that a request shows; empty if it shows none."""
    scheme, _, credentials = request.headers.get("authorization", "").strip().partition(" ")
    if scheme.lower() == "bearer":
        return credentials.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(credentials.strip(), validate=True).decode().partition(":")[0]
        except (binascii.Error, ValueError):
            return ""
    return request.query_params.get("write_key", "")


def _digest(key: str) -> bytes:
    return hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _stamp(path: Path) -> _Stamp:
    try:
        found = path.stat()
    except OSError as error:
        raise SecretError(f"serving.write_keys_file: cannot read {path}: {_why(error)}") from None
    return _Stamp(found.st_mtime_ns, found.st_size, found.st_ino)


def _why(error: Exception) -> str:
    return (error.strerror or "") if isinstance(error, OSError) else "it is not UTF-8"


def _refused(detail: str) -> Refusal:
    return Refusal(401, detail, headers={"www-authenticate": 'Bearer realm="heliotrope"'})
