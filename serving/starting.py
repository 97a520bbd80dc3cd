"""From settings to a running server: everything is checked first, then this process becomes the server."""

import os
import sys
import tempfile

import msgspec

from serving.address import check_open_door
from state.configuration import Settings


def check(settings: Settings) -> None:
    """Make the application once, as each worker will: whatever is wrong with the configuration or a secret shows now.

    Raises:
        ServingError, ConfigurationError, SecretError: it is.
    """
    from serving.app import create_app  # half a second, which only the server needs

    check_open_door(settings.serving)
    create_app(settings)


def become_server(settings: Settings) -> None:
    """Replace this process by the server; does not return."""
    with tempfile.TemporaryFile() as handed:
        handed.write(msgspec.json.encode(settings))
        handed.seek(0)
        os.set_inheritable(handed.fileno(), True)
        command = [sys.executable, "-m", "serving", str(handed.fileno())]
        os.execv(sys.executable, command)  # noqa: S606  # our own interpreter and module
