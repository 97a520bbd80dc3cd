"""Where the server listens, and whether it may."""

import ipaddress
from contextlib import suppress

from state.configuration import Serving

WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # each with an address of it that can be asked


class ServingError(Exception):
    """A server that cannot start. The message names the key and what to do."""


def check_open_door(serving: Serving) -> None:
    """Refuse to listen for others without write keys.

    Raises:
        ServingError: it would.
    """
    if not serving.write_keys_file and not is_loopback(serving.host):
        raise ServingError(
            f"serving.host: {serving.host} is open to others, who could send events without a key: name a file of keys in "
            "serving.write_keys_file, or listen on 127.0.0.1"
        )


def is_loopback(host: str) -> bool:
    """Say whether only this machine reaches a host's name or address."""
    if host == "localhost":
        return True
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return False


def reachable(host: str) -> str:
    """Return an address of this machine at which a listener on `host` is reached."""
    return WILDCARDS.get(host, host)


def url_of(host: str, port: int) -> str:
    """Return the URL at which a listener is reached from this machine."""
    name = reachable(host)
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"
