"""What tests do to a server's process, whichever server it is."""

import signal
import subprocess


class ServerProcess:
    """Process of a server; who inherits from this starts it."""

    _process: subprocess.Popen[bytes] | None = None

    @property
    def is_running(self) -> bool:
        """Whether it was started, and not ended by a test."""
        return self._process is not None

    def stall(self) -> None:
        """Lets it answer nothing; the kernel goes on taking connections, and what is sent, for it."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def wake(self) -> None:
        """Ends a stall: what came meanwhile is carried out now."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """Ends it as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
