"""Options that every verb with endpoints shares, and what they lead to."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from cli.endpoints import Endpoints, locate
from cli.stack.layout import Layout
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
    """Return the work directory that was named, else the configured one."""
    return workdir if workdir is not None else Path(settings.local.workdir)


def find_target(config: Path | None, sets: Iterable[str] | None, workdir: Path | None) -> Target:
    """Read the configuration and locates Kafka, Redis and Flink.

    Where neither a file nor a broker is named, the configuration of the stack in the work directory is taken: its topics
    may have other names.

    Raises:
        ConfigurationError: the configuration cannot be used.
        UserError: no endpoints are known.
    """
    overrides = tuple(sets or ())
    settings = load_settings(config, overrides)
    folder = workdir_of(settings, workdir)
    layout = Layout(folder.absolute())
    if config is None and not settings.kafka.bootstrap and layout.stack_file.is_file() and layout.job_config.is_file():
        settings = load_settings(layout.job_config, overrides)
    return Target(settings, locate(settings, folder))
