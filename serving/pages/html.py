"""HTML from templates: whatever is put in is escaped, except what is HTML already."""

import html
from functools import cache
from importlib.resources import files
from string import Template


class Html(str):
    """Text that is HTML, and so not escaped again. Make it only from templates, never from data."""

    __slots__ = ()


def render(name: str, /, **values: object) -> Html:
    """Fill a template of this package. A name of it without a value is an error."""
    return Html(_template(name).substitute({key: escape(value) for key, value in values.items()}))


def joined(parts: list[Html]) -> Html:
    """Put several pieces behind each other."""
    return Html("\n".join(parts))


def escape(value: object) -> str:
    """Escape for text and for quoted attributes."""
    return str(value) if isinstance(value, Html) else html.escape(str(value), quote=True)


@cache
def _template(name: str) -> Template:
    return Template(files("serving.pages").joinpath("templates", f"{name}.html").read_text(encoding="utf-8").strip())
