"""Faults of what stands around the job: Redis that does not answer or takes nothing, foreign keys, another size, real visitors."""

import gzip
import itertools
import random
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from cli.main import app
from cli.stack import control
from jobs.settings import load_settings
from tests.faults.world import World

DATA = Path(__file__).parents[2].parent / "shared" / "data" / "taobao" / "crossuser_2h10m.csv.gz"
ROWS = 5_000
PAUSE_MS = 30_000
"""Longer than `redis.block_max`."""


def pause_redis(world: World) -> None:
    """It answers nobody for a while."""
    client: Any = world.shop.redis
    client.client_pause(PAUSE_MS)


def fill_redis(world: World) -> None:
    """It refuses every write."""
    client: Any = world.shop.redis
    client.config_set("maxmemory", 1)


def give_redis_room(world: World) -> None:
    """It takes writes again."""
    client: Any = world.shop.redis
    client.config_set("maxmemory", 0)


def put_foreign_keys(world: World) -> None:
    """Keys of other types where profiles, fences and lists belong."""
    client: Any = world.shop.redis
    fences = list(client.scan_iter("heliotrope:fence:*"))
    for key in (
        *(f"heliotrope:profile:{name}" for name in world.pulse.sessions[:3]),
        *fences,
        "heliotrope:popular:_all",
    ):
        client.delete(key)
        client.rpush(key, "somebody else's")


def grow(world: World) -> None:
    """`down --keep-data`, and `up` with two TaskManagers, until the job has taken a checkpoint there."""
    assert control.stop_stack(world.workdir, keep_data=True) is not None
    world.settings = load_settings(None, [*world.sets, "local.task_managers=2"], environ={})
    world.up_again()
    folder = world.workdir / "data" / "checkpoints" / world.stack.record().job.id
    world.stack.wait_until(lambda: any(folder.glob("chk-*/_metadata")))
    world.wait_until_well()


def replay_visitors(world: World) -> None:
    """Real ones if they are there, made ones if not: in disorder by up to ten minutes, every fifth event twice."""
    file = world.workdir / "visitors.csv"
    file.write_text("\n".join(_real() if DATA.is_file() else _made()) + "\n")
    how = ("--format", "taobao", "--shift-to-now", "--duplicate", "0.2", "--shuffle-within", "600000", "--seed", "3")
    answer = CliRunner().invoke(app, ["replay", str(file), *how, "--workdir", str(world.workdir)])
    assert answer.exit_code == 0, answer.output
    file.unlink()


def _real() -> list[str]:
    with gzip.open(DATA, "rt") as stream:
        return [line.strip() for line in itertools.islice(stream, ROWS)]


def _made(seed: int = 11) -> list[str]:
    """In the form of the real ones: user, item, category, behaviour, seconds."""
    rng = random.Random(seed)
    kinds = ("pv",) * 12 + ("cart", "fav", "buy")
    rows = ((rng.randrange(2_000), rng.randrange(500), rng.randrange(20), rng.choice(kinds)) for _ in range(ROWS))
    return [
        f"{user},{item},{category},{kind},{1_511_658_000 + n}" for n, (user, item, category, kind) in enumerate(rows)
    ]
