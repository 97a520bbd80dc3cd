"""Granian with our application: workers as processes of their own, a port that is held, and an end that finishes what was begun."""

import asyncio
import multiprocessing
import os
import resource
import shutil
import signal
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import granian._signals
from granian.constants import HTTPModes, Interfaces, Loops
from granian.http import HTTP1Settings
from granian.server.mp import MPServer
from starlette.types import ASGIApp

from serving import garbage
from serving.access import session_access
from serving.address import ServingError, check_open_door, reachable, url_of
from serving.context import Context
from serving.logs import configure_logs, log_configuration
from serving.metrics_folder import FOLDER
from serving.orphans import end_with_parent
from state.configuration import Serving, Settings

MOST_HEADER_BYTES = 32 * 1024
BACKLOG = 2_048
LOOK_SECONDS = 0.05


def serve(settings: Settings, ready: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT. `ready` gets the address once a connection is taken.

    Raises:
        ServingError: the address is taken, or is open to others without write keys.
        ConfigurationError, SecretError: session tokens without secrets that can be used.
    """
    serving = settings.serving
    check_open_door(serving)
    session_access(serving)
    with _held_port(serving) as port, _metrics_folder():
        configure_logs()
        _raise_file_limit()
        multiprocessing.set_start_method(
            "spawn", force=True
        )  # a worker reads the environment anew, see serving/metrics.py
        server = _server(serving, port)
        address = url_of(serving.host, port)
        threading.Thread(target=_announce, args=(serving.host, port, partial(ready, address)), daemon=True).start()
        server.serve(target_loader=partial(load_worker, settings), wrap_loader=False)


def load_worker(settings: Settings) -> ASGIApp:
    """Make the application of a worker; called in its process before anything else runs there."""
    from serving.app import create_app  # only in workers: the metrics' folder is in the environment now

    end_with_parent()
    configure_logs()
    app = create_app(settings, garbage.collected_rarely)
    _hear_of_the_end(app.state.context)
    return app


def _server(serving: Serving, port: int) -> MPServer:
    return MPServer(
        target="serving",
        address=serving.host,
        port=port,
        interface=Interfaces.ASGI,
        workers=serving.workers,
        loop=Loops.uvloop,
        http=HTTPModes.http1,
        backlog=BACKLOG,
        backpressure=serving.max_connections,
        http1_settings=HTTP1Settings(
            header_read_timeout=serving.header_timeout_ms, max_buffer_size=MOST_HEADER_BYTES, keep_alive=True
        ),
        log_dictconfig=log_configuration(),
        respawn_failed_workers=True,
        respawn_interval=0,
        workers_kill_timeout=-(-serving.stop_timeout_ms // 1_000),
    )


def _hear_of_the_end(context: Context) -> None:
    """Set `stopping` at the signal that ends a worker, and let the server stop once the streams have ended.

    The server itself waits for answers that are under way, but not for WebSockets: they would break off without a word.
    """
    original = granian._signals.set_loop_signals

    def set_loop_signals(loop: asyncio.AbstractEventLoop) -> Any:
        event = original(loop)  # type: ignore[no-untyped-call]
        ending: set[asyncio.Task[None]] = set()  # the loop itself holds no task

        def stop() -> None:
            context.stopping.set()
            ending.add(loop.create_task(_when_streams_ended(context, event.set)))

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop)
        return event

    granian._signals.set_loop_signals = set_loop_signals


async def _when_streams_ended(context: Context, then: Callable[[], None]) -> None:
    """Call `then` when no stream is open, or at half of the time that a stop may take."""
    try:
        async with asyncio.timeout(context.settings.serving.stop_timeout_ms / 2_000):
            await context.no_streams.wait()
    except TimeoutError:
        context.log.warning("streams are cut off, because their clients take nothing")
    finally:
        then()


@contextmanager
def _held_port(serving: Serving) -> Iterator[int]:
    """The port, bound but not listening for as long as the server lives: workers share it, and nobody else gets it meanwhile."""
    family = socket.AF_INET6 if ":" in serving.host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:  # without sharing: finds whoever listens there already
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((serving.host, serving.port))
        held = socket.socket(family, socket.SOCK_STREAM)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind((serving.host, serving.port))
    except OSError as error:
        raise ServingError(
            f"serving.port: cannot listen on {serving.host}:{serving.port}: {error.strerror}: choose another, or 0 for a free one"
        ) from None
    with held:
        yield held.getsockname()[1]


@contextmanager
def _metrics_folder() -> Iterator[None]:
    """A new folder for the workers' metrics: those of an earlier life would be added to them."""
    folder = tempfile.mkdtemp(prefix="heliotrope-metrics-")
    os.environ[FOLDER] = folder
    try:
        yield
    finally:
        os.environ.pop(FOLDER, None)
        shutil.rmtree(folder, ignore_errors=True)


def _raise_file_limit() -> None:
    """Each connection is an open file, and the usual limit is 1,024."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _announce(host: str, port: int, ready: Callable[[], None]) -> None:
    """Calls `ready` once a worker takes connections."""
    target = reachable(host)
    while True:
        with suppress(OSError), socket.create_connection((target, port), timeout=1):
            ready()
            return
        threading.Event().wait(LOOK_SECONDS)
