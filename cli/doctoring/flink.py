"""Flink: the job, its checkpoints, and the settings of the cluster that matter."""

import tempfile
from collections.abc import Iterator
from urllib.parse import urlsplit

from cli.doctoring.finding import Finding, error, ok, warning
from cli.stack.flink_rest import FlinkRest
from cli.stack.health import is_old, look_at
from cli.stack.resume import local_paths
from cli.stack.submitting import ROCKSDB_MANAGED_MB
from state.configuration import Settings

VERSION = "2.3"
TIMEOUT_SECONDS = 10.0


def look_at_flink(url: str, settings: Settings, job_id: str = "") -> list[Finding]:
    """Return all that can be asked of the JobManager; the job is the one that runs if none is named."""
    if not url:
        return [warning("Flink", "its address is not known", "name it: --jobmanager HOST:PORT")]
    rest = FlinkRest(url, TIMEOUT_SECONDS)
    try:
        return list(_look(rest, settings, job_id))
    except (OSError, ValueError, KeyError) as problem:
        where = urlsplit(url).netloc
        return [
            error(
                "Flink",
                f"no JobManager answers at {where} ({type(problem).__name__})",
                "start it, or see `heliotrope status`",
            )
        ]


def _look(rest: FlinkRest, settings: Settings, job_id: str) -> Iterator[Finding]:
    version = rest.version()
    if version.startswith(VERSION):
        yield ok("Flink", f"version {version}")
    else:
        yield error("Flink", f"is version {version}", f"use {VERSION}: state and the Python API belong to it")
    workers = rest.workers()
    slots = max((int(worker["slotsNumber"]) for worker in workers), default=0)
    if not workers:
        yield error("TaskManagers", "none is registered", "start one for each subtask")
    elif slots > 1:
        mend = "set taskmanager.numberOfTaskSlots: 1 and start more TaskManagers"
        yield warning("TaskManagers", f"have up to {slots} slots, which share one interpreter lock", mend)
    else:
        yield ok("TaskManagers", f"{len(workers)}, a slot each")
    managed_mb = rest.managed_memory_mb()
    if settings.flink.state_backend == "rocksdb" and managed_mb is not None and managed_mb < ROCKSDB_MANAGED_MB:
        yield error(
            "TaskManagers",
            f"have {managed_mb} MiB of managed memory for RocksDB",
            "set taskmanager.memory.managed.size: 240m",
        )
    yield from _restarts(rest)
    yield from _checkpoint_folder(settings, len({urlsplit(str(worker["path"])).hostname for worker in workers}))
    jobs = [job_id] if job_id else rest.running_jobs()
    if not jobs:
        yield error("job", "none runs", "`heliotrope submit`, or `heliotrope up` for a local stack")
    for job in jobs:
        yield from _job(rest, job)


def _checkpoint_folder(settings: Settings, hosts: int) -> Iterator[Finding]:
    """Whether checkpoints outlive a machine, and all TaskManagers reach them; `hosts` is on how many these are."""
    folder = settings.flink.checkpoint_dir
    paths = local_paths(folder) if folder else []
    if any(path.is_relative_to(tempfile.gettempdir()) for path in paths):
        mend = "set flink.checkpoint_dir to a folder that is kept"
        yield warning("checkpoint folder", f"{folder} is emptied when the machine starts", mend)
    elif paths and hosts > 1:
        mend = "make sure that all of them mount it, or name an object store such as s3://…"
        yield warning("checkpoint folder", f"{folder} is local, and TaskManagers are on {hosts} machines", mend)


def _restarts(rest: FlinkRest) -> Iterator[Finding]:
    options = rest.configuration()
    strategy = options.get("restart-strategy.type") or options.get("restart-strategy", "")
    if strategy in ("none", "off", "disable", "fixed-delay", "failure-rate"):
        yield error(
            "Flink",
            f"restart-strategy.type is {strategy}: the job ends for good",
            "set it to exponential-delay, see conf/flink.yaml",
        )


def _job(rest: FlinkRest, job_id: str) -> Iterator[Finding]:
    health = look_at(rest, job_id)
    about = f"job {job_id[:8]}"
    if health.state == "RUNNING":
        yield ok(about, f"RUNNING, {health.restarts} restarts")
    else:
        cause = health.failures[0].cause if health.failures else "no cause is known"
        yield error(about, f"is {health.state}: {cause}", "see docs/runbooks.md, HeliotropeJobNotRunning")
        return
    config, interval_ms = rest.checkpoint_config(job_id), rest.checkpoint_interval_ms(job_id)
    if not interval_ms:
        yield error(
            about, "makes no checkpoints: a crash loses all state", "set execution.checkpointing.interval: 10 s"
        )
        return
    if "exactly_once" not in str(config.get("mode", "")).lower():
        yield error(
            about, f"its checkpoints are {config.get('mode')}", "set execution.checkpointing.mode: EXACTLY_ONCE"
        )
    if "jobmanager" in str(config.get("checkpoint_storage", "")).lower():
        yield error(
            about, "keeps checkpoints in the JobManager's memory", "set flink.checkpoint_dir to a folder that all reach"
        )
    age_ms = health.checkpoint_age_ms
    if age_ms is None or is_old(age_ms, interval_ms):
        found = "none yet" if age_ms is None else f"the last was {age_ms // 1_000} s ago"
        yield error(
            "checkpoints",
            f"{found}, one is due each {interval_ms / 1_000:g} s",
            "see docs/runbooks.md, HeliotropeCheckpointOld",
        )
    else:
        yield ok("checkpoints", f"the last was {age_ms / 1_000:.0f} s ago, {health.checkpoints_failed} failed in all")
    yield from (
        warning("job", reason, "see docs/runbooks.md")
        for reason in health.reasons
        if not reason.startswith("no checkpoint")
    )
