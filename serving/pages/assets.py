"""Files that pages are made of: read once, sent with an ETag, and compressed once."""

import gzip
import hashlib
from collections.abc import Mapping
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}
REVALIDATE = "no-cache"
"""A browser asks again each time and mostly gets 304, so that a new release is never mixed with old files."""
FOR_ALL_SITES = {"access-control-allow-origin": "*", "cross-origin-resource-policy": "cross-origin"}
"""A page of another site imports a module only when allowed; these files hold no secrets."""


class Asset:
    """File in both encodings."""

    def __init__(self, name: str, headers: Mapping[str, str] | None = None) -> None:
        self.plain = files("serving.pages").joinpath("static", name).read_bytes()
        self.packed = gzip.compress(self.plain, 9, mtime=0)
        self._tag = hashlib.sha256(self.plain).hexdigest()[:20]
        self._headers = {
            "content-type": TYPES["." + name.rpartition(".")[2]],
            "cache-control": REVALIDATE,
            "vary": "accept-encoding",
            **(headers or {}),
        }

    def answer(self, request: Request) -> Response:
        """Send the file, or 304 to a browser that has it."""
        packed = "gzip" in request.headers.get("accept-encoding", "")
        headers = self._headers | {"etag": f'"{self._tag}{"-gzip" if packed else ""}"'}
        if headers["etag"] in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        if packed:
            return Response(self.packed, headers=headers | {"content-encoding": "gzip"})
        return Response(self.plain, headers=headers)


def asset_route(path: str, name: str, headers: Mapping[str, str] | None = None) -> Route:
    """Make the route of one file."""
    asset = Asset(name, headers)

    async def send(request: Request) -> Response:
        return asset.answer(request)

    return Route(path, send, name=path)
