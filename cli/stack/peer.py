"""Which user is at the other end of a loopback connection."""

import os
import socket
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import psutil

TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
MAPPED = "0000000000000000FFFF0000"
"""Before an IPv4 address in the table of IPv6: sockets that speak both are there."""
LOOKS, LOOK_SECONDS = 3, 0.01
"""A table that changes while it is read may lack a row."""


def uid_of(client: tuple[str, int], server: tuple[str, int]) -> int | None:
    """Return the user id of the process that connected from `client` to `server`; None where nobody can say.

    Where the kernel has no such table (macOS), only the own user's processes can be looked at.
    """
    for _ in range(LOOKS if TABLES[0].exists() else 0):
        for table in TABLES:
            with suppress(OSError), table.open(encoding="ascii") as rows:
                found = uid_in(rows, client, server)
                if found is not None:
                    return found
        time.sleep(LOOK_SECONDS)
    return os.getuid() if _is_own(client, server) else None


def uid_in(rows: Iterable[str], client: tuple[str, int], server: tuple[str, int]) -> int | None:
    """Return the user id in the kernel's table of connections.

    A socket that its process has closed is shown as user 0's with inode 0, and belongs to nobody.
    """
    ends = _end(*client), _end(*server)
    for row in rows:
        columns = row.split()
        if len(columns) > 9 and (columns[1].removeprefix(MAPPED), columns[2].removeprefix(MAPPED)) == ends:
            return int(columns[7]) if columns[9] != "0" else None
    return None


def _end(host: str, port: int) -> str:
    return f"{int.from_bytes(socket.inet_aton(host), sys.byteorder):08X}:{port:04X}"


def _is_own(client: tuple[str, int], server: tuple[str, int]) -> bool:
    """Whether a process of this user holds that connection."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.uids().real == os.getuid():
                for connection in process.net_connections(kind="tcp"):
                    if (tuple(connection.laddr), tuple(connection.raddr)) == (client, server):
                        return True
    return False
