"""One stack under traffic for all faults; what each came to is written down at the end."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.stack import control
from cli.stack.ports import choose
from tests.faults import disk
from tests.faults.report import write_report
from tests.faults.scenario import Row
from tests.faults.world import World
from tests.integration.conftest import connectors  # noqa: F401 (a fixture)

SETTINGS = ("kafka.partitions=2", "local.start_timeout=10 min", "flink.checkpoint_interval=1 s", "bandit.seed=1")


@pytest.fixture(scope="package")
def world(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    connectors: None,  # noqa: F811
) -> Iterator[World]:
    """The stack of these tests alone, on ports that stay the same; on a disk of its own if that is to be filled."""
    taken: set[int] = set()
    ports = [f"local.{name}_port={choose(0, name, taken)}" for name in ("kafka", "redis", "flink")]
    workdir: Path = tmp_path_factory.mktemp("faults") / "stack"
    is_long = any(item.get_closest_marker("faults") for item in request.session.items)
    is_mounted = is_long and disk.mount(workdir)
    try:
        world = World(workdir, [*SETTINGS, *ports])
        try:
            yield world
        finally:
            world.close()
    finally:
        control.stop_stack(workdir)
        if is_mounted:
            disk.unmount(workdir)


@pytest.fixture(scope="session")
def rows() -> Iterator[list[Row]]:
    """What was found, in the order of the faults."""
    found: list[Row] = []
    yield found
    if found:
        print(f"\n{write_report(found).read_text()}")  # noqa: T201 (the report)
