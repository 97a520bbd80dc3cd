"""The verb `serve`: events in and profiles out over HTTP, next to any stack."""

import os
from typing import Annotated

import typer

from cli.errors import UserError
from cli.options import Config, Sets, Target, Workdir, find_target
from cli.output import stderr_console
from cli.stack.layout import source_root
from cli.stack.services import own_modules
from jobs.settings import settings_from, to_tree
from serving.address import ServingError
from serving.starting import become_server, check
from state.configuration import Settings


def serve(
    config: Config = None,
    sets: Sets = None,
    workdir: Workdir = None,
    host: Annotated[str | None, typer.Option(help="Where to listen; default: serving.host.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65_535, help="0: a free one; default: serving.port.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, max=256, help="Processes; default: serving.workers.")] = None,
) -> None:
    """Serve events in, profiles out and news of them over HTTP, until it is interrupted."""
    given = {"host": host, "port": port, "workers": workers}
    settings = settings_for(find_target(config, sets, workdir), given)
    try:
        check(settings)
    except ServingError as error:
        raise UserError(str(error)) from None
    if not settings.serving.write_keys_file:
        stderr_console().print(
            "serving.write_keys_file names no keys: everybody on this machine may send events, and nobody else",
            soft_wrap=True,
            markup=False,
        )
    os.environ.update(own_modules(source_root()))
    become_server(settings)


def settings_for(target: Target, given: dict[str, str | int | None]) -> Settings:
    """Return the settings with the addresses that were found, and what the command line says of the server."""
    tree = to_tree(target.settings)
    tree["kafka"]["bootstrap"], tree["redis"]["url"] = target.endpoints.kafka, target.endpoints.redis
    tree["serving"] |= {key: value for key, value in given.items() if value is not None}
    return settings_from(tree)
