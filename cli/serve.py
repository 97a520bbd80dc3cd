"""The verb `serve`: events in and profiles out over HTTP, beside any stack."""

from typing import Annotated

import typer

from cli.errors import UserError
from cli.options import Config, Sets, Target, Workdir, find_target
from jobs.settings import settings_from, to_tree
from serving.server import ServingError
from serving.server import serve as serve_until_stopped
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
        serve_until_stopped(settings, lambda address: print(address, flush=True))  # noqa: T201  # for scripts: this line alone
    except ServingError as error:
        raise UserError(str(error)) from None


def settings_for(target: Target, given: dict[str, str | int | None]) -> Settings:
    """Return the settings with the addresses that were found, and what the command line says of the server."""
    tree = to_tree(target.settings)
    tree["kafka"]["bootstrap"], tree["redis"]["url"] = target.endpoints.kafka, target.endpoints.redis
    tree["serving"] |= {key: value for key, value in given.items() if value is not None}
    return settings_from(tree)
