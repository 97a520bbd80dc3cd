"""The form in which a room hands over its part: routes, its OpenAPI, what it opens and closes, and what it needs to be ready."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any, NamedTuple

from starlette.routing import BaseRoute

Lifespan = Callable[[], AbstractAsyncContextManager[Any]]
Check = Callable[[], Awaitable[None]]


class Part(NamedTuple):
    """Part of the OpenAPI document that a room gives: its paths, and the types that become components."""

    paths: Mapping[str, Any] = {}
    types: Sequence[Any] = ()


class Room(NamedTuple):
    """Routes and checks that a room gives to the application. `checks` raise when the room cannot serve, for `/readyz`."""

    name: str
    routes: Sequence[BaseRoute] = ()
    part: Part = Part()
    lifespan: Lifespan = nullcontext
    checks: Mapping[str, Check] = {}
