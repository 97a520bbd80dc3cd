"""The server on a running stack."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cli.stack.record import StackRecord


@contextmanager
def served(record: StackRecord, workdir: Path) -> Iterator[str]:
    """Give the address of a server of its own, and stop it at the end."""
    command = [sys.executable, "-m", "heliotrope_command", "serve", "--workdir", str(workdir)]
    with (workdir / "serve.log").open("w") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address.startswith("http"), (workdir / "serve.log").read_text()
        yield address
    finally:
        process.terminate()
        process.wait(30)
