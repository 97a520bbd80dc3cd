"""`heliotrope demo`: the whole of it on one machine: stack, catalogue, shoppers, live figures; ends with Ctrl-C."""

import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any

import redis
import typer
from rich.console import Console
from rich.live import Live

from cli.demo.view import Figures, addresses, demo_line, demo_view
from cli.errors import UserError
from cli.options import Config, Sets, Target, Workdir, find_target, workdir_of
from cli.output import stdout_console
from cli.profile.verb import decode_profile, read_profile
from cli.redis_client import open_redis, profile_channel
from cli.simulate.profiles import ProfileReader
from cli.simulate.report import live_view
from cli.simulate.runner import Plan, Runner
from cli.simulate.session import demo_catalogue, open_runner, read_shop
from cli.simulate.verb import check_served, stop_as_by_keyboard
from cli.stack import control
from cli.stack.display import StepDisplay
from cli.stack.layout import Layout
from cli.stack.record import StackRecord
from jobs.settings import load_settings

REDRAW_S = 0.5
PLAIN_LINE_S = 5.0
CONTROL_SHARE = 1 / 3
POPULARITY_SHARE = 1 / 6
DEMO_SETS = (
    "popularity.window=5 min",
    "popularity.slide=5 s",
    "popularity.allowed_lateness=5 s",
)
"""Short windows, so that one sees within seconds what is popular; a configuration file of one's own is taken as it is."""
ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # all end like Ctrl-C, also where a shell had them ignored


def demo(
    sessions_per_second: Annotated[float, typer.Option(min=0.01, help="Arriving shoppers, open loop.")] = 20.0,
    seed: Annotated[int, typer.Option(min=0, help="Of the shoppers.")] = 0,
    duration: Annotated[float | None, typer.Option(min=1, metavar="S", help="Seconds; default: until Ctrl-C.")] = None,
    config: Config = None,
    sets: Sets = None,
    workdir: Workdir = None,
) -> None:
    """Start the stack with simulated shoppers and watch them; Ctrl-C stops everything that was started."""
    console = stdout_console()
    for number in ENDS:
        signal.signal(number, stop_as_by_keyboard)
    try:
        with _stack(config, sets, workdir, console):
            target = find_target(config, sets, workdir)
            plan = Plan(sessions_per_second, CONTROL_SHARE, seed, duration, POPULARITY_SHARE)
            _demonstrate(target, plan, console)
    except KeyboardInterrupt:
        console.print("the demo is over")


@contextmanager
def _stack(
    config: Path | None, sets: list[str] | None, workdir: Path | None, console: Console
) -> Iterator[StackRecord]:
    """A stack for the demo: the one that runs, which then goes on running, or a new one, which is stopped at the end."""
    settings = load_settings(config, [*(() if config else DEMO_SETS), *(sets or ())])
    folder = workdir_of(settings, workdir)
    record = control.running(folder)
    if record is not None and record.state == "running":
        console.print(
            f"a stack runs already in {folder}: it is used, and left running at the end", soft_wrap=True, markup=False
        )
        yield record
        return
    keep_data = Layout(folder.absolute()).jobs.is_file()  # of an earlier stack, and so not the demo's to remove
    try:
        with StepDisplay(console) as display:
            record = control.start_stack(settings, folder, display)
    except KeyboardInterrupt:
        if not keep_data:
            control.stop_stack(folder)  # nothing runs any more, this removes what had been prepared
        raise
    try:
        yield record
    finally:
        _stop(folder, keep_data, console)


def _stop(folder: Path, keep_data: bool, console: Console) -> None:
    """Not to be interrupted: what is half stopped would stay."""
    for number in ENDS:
        signal.signal(number, signal.SIG_IGN)
    try:
        console.print("stopping the stack")
    finally:
        _stop_somehow(folder, keep_data)
    console.print("everything is stopped")


def _stop_somehow(folder: Path, keep_data: bool) -> None:
    try:
        control.stop_stack(folder, keep_data)
    except UserError:  # there is no point to resume from, so there is nothing to keep
        control.stop_stack(folder)


def _demonstrate(target: Target, plan: Plan, console: Console) -> None:
    catalogue = demo_catalogue()
    titles = read_shop(catalogue).titles
    console.print(addresses(target.endpoints), soft_wrap=True)
    console.print(f"loading {len(titles)} products, then {plan.sessions_per_second:g} shoppers per second arrive")
    with open_runner(target, plan, catalogue, load=True) as (runner, reader):
        watcher = _Watcher(target, runner, reader)
        try:
            _show(target, runner, watcher, titles, console)
        finally:
            console.print(live_view(runner, watcher.figures.trend))
    check_served(runner)


class _Watcher:
    """Follows one shopper after the other, and counts what the job publishes."""

    def __init__(self, target: Target, runner: Runner, reader: ProfileReader) -> None:
        self.figures = Figures()
        self.profile: dict[str, Any] | None = None
        self._target, self._runner, self._reader = target, runner, reader
        self._client = open_redis(target)
        self._updates: Any = self._client.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
        self._updates.subscribe(profile_channel(target.settings.redis.prefix))
        self._published = 0
        self._session = ""

    def update(self) -> None:
        """Look again; while Redis is away, what was seen last stays."""
        with suppress(redis.RedisError, UserError):
            self._look()
        self.figures.update(self._runner, self._published, self._reader.model_version)

    def _look(self) -> None:
        while (message := self._updates.get_message(timeout=0)) is not None:
            self._published += message["type"] == "message"
        if self._session not in self._runner.active:
            self._session = self._next_session()
        raw = read_profile(self._client, self._target, self._session) if self._session else None
        if raw is not None:
            self.profile = decode_profile(raw, self._session)

    def _next_session(self) -> str:
        """The newest shopper who was served a list; the one before stays on screen until then."""
        for session_id in reversed(self._runner.active):
            visit = self._runner.active[session_id].visit
            if visit.profiles:
                return session_id
        return self._session


def _show(target: Target, runner: Runner, watcher: _Watcher, titles: Mapping[str, str], console: Console) -> None:
    if console.is_terminal:
        with Live(console=console, auto_refresh=False, transient=True, vertical_overflow="crop") as live:
            for _ in runner.run(REDRAW_S):
                watcher.update()
                view = demo_view(target.endpoints, watcher.figures, runner, watcher.profile, titles, console.size)
                live.update(view, refresh=True)
        return
    next_s = time.monotonic() + PLAIN_LINE_S
    for _ in runner.run(REDRAW_S):
        watcher.update()
        if time.monotonic() >= next_s:
            next_s += PLAIN_LINE_S
            console.print(demo_line(watcher.figures, runner, watcher.profile, titles), soft_wrap=True, markup=False)
