"""Workers that end with the server: a killed one would leave them behind, holding its port."""

import ctypes
import os
import signal

PR_SET_PDEATHSIG = 1
_prctl = getattr(ctypes.CDLL(None, use_errno=True), "prctl", None)  # Linux alone has it


def end_with_parent() -> None:
    """Let the kernel end this process, gently, when its parent dies."""
    parent = os.getppid()
    if _prctl is not None:
        _prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if parent == 1 or os.getppid() != parent:  # it died in between
        os.kill(os.getpid(), signal.SIGTERM)
