"""The real server as a process of its own, with its workers, on a free port."""

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

ROOT = Path(__file__).parents[2]
START_SECONDS = 120.0
STOP_SECONDS = 60.0
PROGRAM = """
import sys
import msgspec
from jobs.settings import settings_from
from serving.server import serve
if __name__ == "__main__":
    serve(settings_from(msgspec.json.decode(sys.argv[1])), lambda address: print(address, flush=True))
"""


class LiveServer:
    """A server that listens."""

    def __init__(self, process: subprocess.Popen[str], address: str, log: Path) -> None:
        self._process = process
        self.address = address
        self.log = log

    @property
    def host(self) -> str:
        """Where it listens, without the port."""
        return urlsplit(self.address).hostname or ""

    @property
    def port(self) -> int:
        """Its port."""
        return urlsplit(self.address).port or 0

    def workers(self) -> list[int]:
        """The processes that serve."""
        path = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        found = map(int, path.read_text().split())
        return [pid for pid in found if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]

    def wait_for_workers(self, number: int) -> None:
        """Wait until so many serve: the address is announced as soon as one does."""
        deadline = time.monotonic() + START_SECONDS
        while self.log.read_text().count("Started worker-") < number:
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)

    def begin_stop(self) -> None:
        """Ask it to end, and do not wait."""
        self._process.send_signal(signal.SIGTERM)

    def stop(self) -> int:
        """Ask it to end, and return its exit status."""
        self.begin_stop()
        return self._process.wait(STOP_SECONDS)


@contextmanager
def live_server(folder: Path, **sections: dict[str, Any]) -> Iterator[LiveServer]:
    """Start it with sections of the configuration; it has stopped when the block ends."""
    log = folder / "serving.log"
    tree = {"kafka": {"bootstrap": "127.0.0.1:1"}, **sections}
    with log.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, msgspec.json.encode(tree).decode()],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONSAFEPATH": "1", "TMPDIR": str(folder)},
        )
    try:
        yield LiveServer(process, _first_line(process, log), log)
    finally:
        _end(process)


def _first_line(process: subprocess.Popen[str], log: Path) -> str:
    assert process.stdout is not None
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        readable, _, _ = select.select([process.stdout], [], [], 1.0)
        if readable:
            return process.stdout.readline().strip()
    process.kill()
    raise AssertionError(f"the server did not start:\n{log.read_text()}")


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process.stdout is not None:
        process.stdout.close()
