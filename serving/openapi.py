"""The OpenAPI 3.1 document, assembled from the rooms' parts, and a page of it that loads nothing from elsewhere."""

import html
import json
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from serving.problems import MEDIA_TYPE, Problem
from serving.room import Part

REFERENCE = "#/components/schemas/{name}"
DESCRIPTION = "Real-time personalization: events in, profiles out, changes pushed."


def reference(kind: type) -> dict[str, str]:
    """Return a reference to the component of a type that a part lists."""
    return {"$ref": REFERENCE.format(name=kind.__name__)}


def json_content(kind: type) -> dict[str, Any]:
    """Describe content of JSON in a type's form."""
    return {"application/json": {"schema": reference(kind)}}


def problem(description: str) -> dict[str, Any]:
    """Describe the response of an error."""
    return {"description": description, "content": {MEDIA_TYPE: {"schema": reference(Problem)}}}


def document(parts: Iterable[Part]) -> dict[str, Any]:
    """Make the whole document."""
    parts = list(parts)
    types = list(dict.fromkeys([Problem, *(kind for part in parts for kind in part.types)]))
    _, components = msgspec.json.schema_components(types, ref_template=REFERENCE)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Heliotrope", "version": _version(), "description": DESCRIPTION},
        "paths": {path: item for part in parts for path, item in part.paths.items()},
        "components": {
            "schemas": components,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "A write key."},
                "basic": {"type": "http", "scheme": "basic", "description": "A write key as user, no password."},
                "query": {"type": "apiKey", "in": "query", "name": "write_key"},
            },
        },
    }


def routes(parts: Iterable[Part]) -> list[Route]:
    """Return the routes of the document and of its page; both are made once."""
    tree = document(parts)
    encoded, page = msgspec.json.encode(tree), _page(tree)

    async def openapi(request: Request) -> Response:
        return Response(encoded, media_type="application/json")

    async def docs(request: Request) -> Response:
        return HTMLResponse(page)

    return [Route("/openapi.json", openapi), Route("/docs", docs)]


def _version() -> str:
    try:
        return version("heliotrope")
    except PackageNotFoundError:
        return "0"


def _page(tree: dict[str, Any]) -> str:
    sections = [
        _operation(path, method, operation)
        for path, item in tree["paths"].items()
        for method, operation in item.items()
        if isinstance(operation, dict)
    ]
    schemas = [
        f"<details id='{html.escape(name)}'><summary>{html.escape(name)}</summary><pre>{_pretty(schema)}</pre></details>"
        for name, schema in tree["components"]["schemas"].items()
    ]
    return _TEMPLATE.format(operations="\n".join(sections), schemas="\n".join(schemas))


def _operation(path: str, method: str, operation: dict[str, Any]) -> str:
    rest = {key: value for key, value in operation.items() if key not in ("summary", "description")}
    return (
        f"<section><h2><code>{html.escape(method.upper())} {html.escape(path)}</code></h2>"
        f"<p>{html.escape(operation.get('summary', ''))}</p><p>{html.escape(operation.get('description', ''))}</p>"
        f"<details><summary>Parameters, body and answers</summary><pre>{_pretty(rest)}</pre></details></section>"
    )


def _pretty(value: Any) -> str:
    return html.escape(json.dumps(value, indent=2, ensure_ascii=False))


_TEMPLATE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Heliotrope over HTTP</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }}
pre {{ overflow-x: auto; font-size: 0.85rem; }}
h2 {{ font-size: 1.1rem; margin-bottom: 0; }}
</style></head><body><main>
<h1>Heliotrope over HTTP</h1>
<p>For programs: <a href="/openapi.json">/openapi.json</a> (OpenAPI 3.1).</p>
{operations}
<h1>Forms</h1>
{schemas}
</main></body></html>
"""
