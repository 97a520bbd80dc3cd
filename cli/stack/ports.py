"""Ports of the embedded stack: all on loopback, free ones unless configured."""

import random
import socket

from cli.errors import UserError

LOOPBACK = "127.0.0.1"
# Below the range from which Linux takes the ports of outgoing connections: a port that a restart needs again must not
# be given away while its owner is down.
FREE_RANGE = range(15_000, 32_000)


def is_free(port: int) -> bool:
    """Return whether a server could listen on the port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def answers(host: str, port: int, timeout_seconds: float = 1.0) -> bool:
    """Return whether something accepts connections there."""
    try:
        with socket.create_connection((host, port), timeout=timeout_seconds):
            return True
    except OSError:
        return False


def choose(configured: int, key: str, taken: set[int]) -> int:
    """Return the configured port, or a free one where it is 0; added to `taken`.

    Raises:
        UserError: the configured port is in use.
    """
    if configured:
        if configured in taken or not is_free(configured):
            raise UserError(
                f"{key}: port {configured} is in use: stop what listens there, or set {key}=0 for a free one"
            )
        taken.add(configured)
        return configured
    for port in random.sample(FREE_RANGE, k=200):
        if port not in taken and is_free(port):
            taken.add(port)
            return port
    raise UserError(f"no free port between {FREE_RANGE.start} and {FREE_RANGE.stop}: set {key} to one")
