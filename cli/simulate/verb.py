"""`heliotrope simulate`: shoppers with known preferences, and how well they are served."""

import signal
import time
from pathlib import Path
from types import FrameType
from typing import Annotated

import msgspec
import typer
from rich.live import Live

from cli.errors import UserError
from cli.options import Config, Sets, Workdir, find_target
from cli.output import stderr_console, stdout_console, write_json
from cli.simulate.report import Trend, has_profiles, live_view, plain_line
from cli.simulate.results import summary
from cli.simulate.runner import Plan, Runner
from cli.simulate.session import demo_catalogue, open_runner

REDRAW_S = 0.5
PLAIN_LINE_S = 5.0


def simulate(
    sessions_per_second: Annotated[float, typer.Option(min=0.01, help="Arriving shoppers, open loop.")] = 20.0,
    seed: Annotated[int, typer.Option(min=0, help="Of the shoppers; their world stays the same.")] = 0,
    duration: Annotated[
        float | None, typer.Option(min=0.1, metavar="S", help="Seconds; default: until Ctrl-C.")
    ] = None,
    control_share: Annotated[float, typer.Option(min=0, max=1, help="Sessions with random lists.")] = 1 / 3,
    popularity_share: Annotated[
        float, typer.Option(min=0, max=1, help="Sessions with the most viewed products, the same for everybody.")
    ] = 1 / 6,
    catalogue: Annotated[Path | None, typer.Option(help="Products file; default: the demo catalogue.")] = None,
    load: Annotated[bool, typer.Option("--load/--no-load", help="Put the catalogue into the products topic.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON summary as the last line.")] = False,
    config: Config = None,
    sets: Sets = None,
    workdir: Workdir = None,
) -> None:
    """Simulate shoppers who read their profile, see its first five items and act; prints click-through by arm."""
    target = find_target(config, sets, workdir)
    plan = Plan(sessions_per_second, control_share, seed, duration, popularity_share)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop_as_by_keyboard)
    with open_runner(target, plan, catalogue or demo_catalogue(), load) as (runner, _):
        trend = Trend()
        try:
            watch(runner, trend)
        except KeyboardInterrupt:
            stderr_console().print("stopped")
    stdout_console().print(live_view(runner, trend))
    if as_json:
        content = summary(runner.results, runner.elapsed_s, list(runner.waits_ms))
        write_json(msgspec.json.encode(content).decode())
    check_served(runner)


def stop_as_by_keyboard(_: int, __: FrameType | None) -> None:
    """End like Ctrl-C: with the summary."""
    raise KeyboardInterrupt


def watch(runner: Runner, trend: Trend) -> None:
    """Run to the end, with a live view in a terminal and a line every few seconds elsewhere."""
    console = stderr_console()
    if console.is_terminal:
        with Live(console=console, auto_refresh=False, transient=True) as live:
            for _ in runner.run(REDRAW_S):
                trend.update(runner.results, runner.elapsed_s)
                live.update(live_view(runner, trend), refresh=True)
        return
    last_s = time.monotonic()
    for _ in runner.run(REDRAW_S):
        trend.update(runner.results, runner.elapsed_s)
        if time.monotonic() - last_s >= PLAIN_LINE_S:
            last_s = time.monotonic()
            console.print(plain_line(runner), soft_wrap=True, markup=False)


def check_served(runner: Runner) -> None:
    """Raise UserError where no shopper ever saw a list."""
    if has_profiles(runner.results):
        return
    results = runner.results
    if results.empty_lists:
        raise UserError("profiles came, but all lists were empty: load products with `heliotrope catalog load FILE`")
    if results.missing_profiles:
        raise UserError("no profile arrived in Redis: is the job RUNNING? Look at `heliotrope status`")
    raise UserError("no shopper came as far as a list: simulate longer, or lower --control-share")
