"""The server as a process of its own: `python -m serving FD`, with the settings as JSON in that open file.

The command checks the settings and then becomes this, so that a server does not keep what only the check needed in memory.
"""

import os
import sys

import msgspec

from serving.server import serve
from state.configuration import Settings


def main(descriptor: int) -> None:
    """Serve until stopped; print the address once it answers."""
    with os.fdopen(descriptor, "rb") as stream:
        settings = msgspec.json.decode(stream.read(), type=Settings)
    serve(settings, lambda address: print(address, flush=True))  # noqa: T201  # for scripts: this line alone


if __name__ == "__main__":
    main(int(sys.argv[1]))
