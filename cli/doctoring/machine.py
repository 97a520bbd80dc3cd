"""This machine: the secrets' files and the versions."""

import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

from cli.doctoring.finding import Finding, error, ok
from cli.errors import UserError
from cli.stack import jars
from state.configuration import Settings


def look_at_secrets(settings: Settings) -> Iterator[Finding]:
    """Yield the files that hold secrets: there, and not for others to read."""
    named = {
        "redis.password_file": settings.redis.password_file,
        "kafka.properties_file": settings.kafka.properties_file,
        "events.salt_file": settings.events.salt_file,
        "serving.write_keys_file": settings.serving.write_keys_file,
        "serving.session_tokens_file": settings.serving.session_tokens_file,
        "serving.admin_token_file": settings.serving.admin_token_file,
    }
    for key, name in named.items():
        if name:
            yield _secret(key, Path(name).expanduser())
    if not settings.events.salt_file and not os.environ.get("HELIOTROPE_USER_SALT"):
        yield error(
            "events.salt_file", "there is no salt for user ids", "name a file with one, or set HELIOTROPE_USER_SALT"
        )


def _secret(key: str, path: Path) -> Finding:
    try:
        mode = path.stat().st_mode
        if not path.read_bytes().strip():
            return error(key, f"{path} is empty", "write the secret into it")
    except OSError as problem:
        return error(key, f"{path} cannot be read ({problem.strerror})", "correct the path, or let this user read it")
    if mode & (stat.S_IROTH | stat.S_IWOTH):
        return error(key, f"{path} can be read by everybody on this machine", f"chmod 600 {path}")
    return ok(key, f"{path} is there, for its owner")


def look_at_versions() -> Iterator[Finding]:
    """Yield findings on Python, and the jars that belong to this release."""
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] == (3, 11):
        yield ok("Python", version)
    else:
        yield error("Python", f"is {version}", "use 3.11, here and on every TaskManager")
    try:
        found = jars.connectors(jars.installed())
        yield ok("connector", ", ".join(path.name for path in found))
    except UserError as problem:
        yield error("connector", str(problem), "heliotrope fetch")
