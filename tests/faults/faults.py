"""The faults: each a name, what goes wrong, and what heals it if nothing else does."""

import signal
from functools import partial

from cli.stack import control
from tests.faults import disk, lines, others
from tests.faults.scenario import Fault
from tests.faults.world import World


def kill(name: str, world: World) -> None:
    """Ends a process without a word."""
    world.signal(name, signal.SIGKILL)


def stop(name: str, world: World) -> None:
    """Lets a process hang."""
    world.signal(name, signal.SIGSTOP)


def go_on(name: str, world: World) -> None:
    """Lets it go on."""
    world.signal(name, signal.SIGCONT)


def kill_supervisor(world: World) -> None:
    """Its children die with it: nobody would look after them."""
    kill("supervisor", world)
    world.stack.wait_until(lambda: control.running(world.workdir) is None)


def kill_unwatched(world: World) -> None:
    """The supervisor hangs while a TaskManager dies."""
    stop("supervisor", world)
    kill("taskmanager-1", world)


def grow_and_kill(world: World) -> None:
    """A resumed job of another size must survive a failure too."""
    others.grow(world)
    kill("taskmanager-2", world)


FAULTS = (
    Fault("TaskManager killed", partial(kill, "taskmanager-1"), replaced="taskmanager-1"),
    Fault("TaskManager stopped", partial(stop, "taskmanager-1"), replaced="taskmanager-1", is_short=True),
    Fault("JobManager killed", partial(kill, "jobmanager"), replaced="job", is_short=True),
    Fault("JobManager stopped", partial(stop, "jobmanager"), replaced="job"),
    Fault("Redis killed", partial(kill, "redis"), replaced="redis"),
    Fault("Redis stopped", partial(stop, "redis")),
    Fault("Redis silent for 30 s, longer than `redis.block_max`", others.pause_redis),
    Fault("Redis full for 10 s", others.fill_redis, others.give_redis_room, hold_s=10.0),
    Fault("keys of other types in Redis", others.put_foreign_keys),
    Fault("broker killed", partial(kill, "kafka"), replaced="kafka", acts_meanwhile=False),
    Fault("broker stopped", partial(stop, "kafka"), acts_meanwhile=False),
    Fault("supervisor killed, `up` again", kill_supervisor, World.up_again, replaced="job", acts_meanwhile=False),
    Fault(
        "supervisor stopped for 5 s while the TaskManager dies",
        kill_unwatched,
        partial(go_on, "supervisor"),
        hold_s=5.0,
        replaced="taskmanager-1",
    ),
    Fault("disk full for 10 s", disk.fill, disk.free, hold_s=10.0, acts_meanwhile=False),
    Fault("checkpoints read-only for 10 s", disk.forbid_checkpoints, disk.allow_checkpoints, hold_s=10.0),
    Fault("424 hostile lines", lines.send_hostile, is_short=True),
    Fault("60 records on `bandit_model` that are no models", lines.send_bad_models),
    Fault("every second of 4,000 lines garbage", lines.send_half_garbage),
    Fault("3,000 events of one session at once", lines.send_hot_session),
    Fault("clocks wrong by minutes to weeks", lines.send_clock_jumps),
    Fault(
        "`down --keep-data`, two TaskManagers, one killed",
        grow_and_kill,
        replaced="taskmanager-2",
        acts_meanwhile=False,
    ),
    Fault("5,000 events of real visitors in disorder, a fifth twice", others.replay_visitors, teaches=False),
)
