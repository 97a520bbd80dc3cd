"""Options that every verb with endpoints shares, and what they lead to."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from cli.endpoints import Endpoints, locate
from jobs.settings import load_settings
from state.configuration import Settings

Config = Annotated[Path | None, typer.Option("--config", help="Configuration file; default: the shipped values.")]
Sets = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override one key; repeatable.")]
Workdir = Annotated[Path | None, typer.Option("--workdir", help="Work directory of `up`; default: local.workdir.")]


class Target(NamedTuple):
    """The configuration, and the addresses that it leads to."""

    settings: Settings
    endpoints: Endpoints


def workdir_of(settings: Settings, workdir: Path | None) -> Path:
    """The work directory that was named, else the configured one."""
    return workdir if workdir is not None else Path(settings.local.workdir)


def find_target(config: Path | None, sets: Iterable[str] | None, workdir: Path | None) -> Target:
    """Reads the configuration and locates Kafka, Redis and Flink.

    Raises:
        ConfigurationError: the configuration cannot be used.
        UserError: no endpoints are known.
    """
    settings = load_settings(config, sets or ())
    return Target(settings, locate(settings, workdir_of(settings, workdir)))
