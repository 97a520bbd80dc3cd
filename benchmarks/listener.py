"""Hears every announcement of a written profile at next to no cost: bytes are kept with the time they came, and read afterwards.

REDIS=URL python -m benchmarks.listener --channel NAME --file FILE

An announcement is published in the script that wrote the profile, so the profile can be read by then. Ends when its input ends;
prints its own share of a core as JSON.
"""

import argparse
import json
import os
import re
import select
import socket
import struct
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

PAUSE_S = 0.001
"""Between two looks: what comes meanwhile is taken together, and counts as that much later."""
CHUNK = struct.Struct(">di")
LARGEST = 1 << 20
REDIS_VARIABLE = "REDIS"
"""Where the URL is: it holds a password, and arguments are seen by all."""
ANNOUNCEMENT = re.compile(rb'\{"session_id":"([^"]+)","version":(\d+),')


def listen(url: str, channel: str, file: Path) -> dict[str, float]:
    """Subscribes and keeps what comes, until standard input ends."""
    parts = urlsplit(url)
    connection = socket.create_connection((parts.hostname, parts.port))
    if parts.password:
        connection.sendall(f"AUTH {parts.password}\r\n".encode())
    connection.sendall(f"SUBSCRIBE {channel}\r\n".encode())
    cpu, begun = time.process_time(), time.monotonic()
    with file.open("wb") as out:
        print("listening", flush=True)
        while not (ready := select.select([connection, sys.stdin], [], []))[0].count(sys.stdin):
            if connection in ready[0]:
                data = connection.recv(LARGEST)
                out.write(CHUNK.pack(time.time(), len(data)) + data)
                time.sleep(PAUSE_S)
    connection.close()
    return {"cpu_share_of_a_core": round((time.process_time() - cpu) / (time.monotonic() - begun), 4)}


def announcements(data: bytes) -> Iterator[tuple[float, str, int]]:
    """When, which session, which version; an announcement cut in two counts from when its end came."""
    at, rest = 0, b""
    while at < len(data):
        when, length = CHUNK.unpack_from(data, at)
        text = rest + data[at + CHUNK.size : at + CHUNK.size + length]
        at += CHUNK.size + length
        end = 0
        for match in ANNOUNCEMENT.finditer(text):
            yield when, match[1].decode(), int(match[2])
            end = match.end()
        rest = text[end:]


def main() -> None:
    """Listens."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--channel", required=True)
    parser.add_argument("--file", type=Path, required=True)
    options = parser.parse_args()
    print(json.dumps(listen(os.environ[REDIS_VARIABLE], options.channel, options.file)))


if __name__ == "__main__":
    main()
