"""The routes of this room."""

from typing import Any

from starlette.routing import BaseRoute

from serving.context import Context
from serving.pages.assets import FOR_ALL_SITES, asset_route
from serving.pages.catalogue import read_catalogue
from serving.pages.storefront import Storefront
from serving.room import Part, Room


def pages(context: Context) -> Room:
    """What this room gives to the application."""
    serving = context.settings.serving
    routes: list[BaseRoute] = [asset_route("/heliotrope.js", "heliotrope.js", FOR_ALL_SITES)]
    if serving.storefront:
        routes += Storefront(read_catalogue(serving.storefront_catalogue)).routes()
    return Room("pages", routes, Part(_paths(serving.storefront)))


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
