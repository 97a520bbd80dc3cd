"""The routes of this room."""

from serving.context import Context
from serving.pages.assets import FOR_ALL_SITES, asset_route
from serving.room import Part, Room

PART = Part(
    {
        "/heliotrope.js": {
            "get": {
                "summary": "The browser's module",
                "responses": {
                    "200": {"description": "An ES module.", "content": {"text/javascript": {}}},
                    "304": {"description": "The browser has it."},
                },
            }
        }
    }
)


def pages(context: Context) -> Room:
    """What this room gives to the application."""
    return Room("pages", [asset_route("/heliotrope.js", "heliotrope.js", FOR_ALL_SITES)], PART)
