"""The routes of this room."""

from pathlib import Path
from typing import Any

from starlette.routing import BaseRoute

from jobs.errors import SecretError
from serving.context import Context
from serving.pages.assets import FOR_ALL_SITES, asset_route
from serving.pages.catalogue import read_catalogue
from serving.pages.operator.routes import Operator
from serving.pages.storefront import Storefront
from serving.room import Part, Room

STOREFRONT = "storefront"


def pages(context: Context) -> Room:
    """Make this room for the application."""
    serving = context.settings.serving
    routes: list[BaseRoute] = [asset_route("/heliotrope.js", "heliotrope.js", FOR_ALL_SITES)]
    titles: dict[str, str] = {}
    if serving.storefront:
        catalogue = read_catalogue(serving.storefront_catalogue)
        titles = {key: product.title for key, product in catalogue.products.items() if product.title}
        routes += Storefront(catalogue, storefront_key(serving.write_keys_file)).routes()
    operator = Operator(context, titles)
    return Room("pages", [*routes, *operator.routes()], Part(_paths(serving.storefront)), operator.lifespan)


def storefront_key(path: str) -> str:
    """Return the write key named `storefront`, which its pages send with their events; empty if there is none.

    Raises:
        SecretError: the file cannot be read.
    """
    if not path:
        return ""
    try:
        lines = Path(path).expanduser().read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SecretError(f"serving.write_keys_file: cannot read {path}: {error}") from None
    return next((words[1] for line in lines if len(words := line.split()) == 2 and words[0] == STOREFRONT), "")


def _paths(storefront: bool) -> dict[str, Any]:
    """The part of the OpenAPI document. What only the storefront's own script reads is not in it."""
    module = {
        "get": {
            "summary": "The browser's module",
            "responses": {
                "200": {"description": "An ES module.", "content": {"text/javascript": {}}},
                "304": {"description": "The browser has it."},
            },
        }
    }
    page = {"200": {"description": "A page.", "content": {"text/html": {}}}}
    home = {"get": {"summary": "The demonstration shop", "responses": page}}
    return {"/heliotrope.js": module} | ({"/": home} if storefront else {})
