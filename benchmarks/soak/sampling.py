"""One look at everything that could grow: memory, objects, state, Redis, files, threads, disk, and how fast profiles come."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import redis
from kafka import KafkaConsumer

from benchmarks.progress import read
from benchmarks.soak.load import Load
from benchmarks.stack import Stack

MEBIBYTE = 1024 * 1024
HEAP = "Status.JVM.Memory.Heap.Used"
BLOCKS = "python_blocks"
Sample = dict[str, float]


class Probe:
    """Takes samples of a running stack under a load."""

    def __init__(self, stack: Stack, load: Load, workdir: Path) -> None:
        self._stack, self._load, self._workdir = stack, load, workdir
        self._redis = redis.Redis.from_url(stack.redis, socket_timeout=5)
        self._dead_letters = KafkaConsumer(
            stack.settings.kafka.topics.dead_letters,
            bootstrap_servers=stack.kafka,
            group_id=None,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
        )
        self._dead = 0

    def sample(self) -> Sample:
        """Everything as it is now; what cannot be asked for now is left out."""
        found: Sample = {}
        for part in (self._processes, self._flink, self._of_redis, self._latency, self._disk):
            with suppress(OSError, ValueError, KeyError, redis.RedisError, psutil.Error):
                found |= part()
        return found

    def close(self) -> None:
        """Ends the connections."""
        self._redis.close()
        self._dead_letters.close()

    def _processes(self) -> Sample:
        found: Sample = {}
        for name, pid in self._stack.processes.items():
            process = psutil.Process(pid)
            with process.oneshot():
                found[f"rss_mb {name}"] = process.memory_info().rss / MEBIBYTE
                found[f"files {name}"] = process.num_fds()
                found[f"threads {name}"] = process.num_threads()
        return found

    def _flink(self) -> Sample:
        workers = read(self._stack.rest, "/taskmanagers")["taskmanagers"]
        heap = sum(_metric(read(self._stack.rest, f"/taskmanagers/{w['id']}/metrics?get={HEAP}")) for w in workers)
        found = {"heap_mb taskmanagers": heap / MEBIBYTE}
        blocks = self._stack.rest.operator_metrics(self._stack.job_id, "session", BLOCKS)
        if blocks:
            found["python_blocks"] = _metric(blocks)
        checkpoint = self._stack.last_checkpoint()
        if checkpoint:
            found["checkpoint_mb"] = checkpoint["state_bytes"] / MEBIBYTE
            found["checkpoint_ms"] = checkpoint["duration_ms"]
        return found

    def _of_redis(self) -> Sample:
        client: Any = self._redis
        return {"redis_mb": client.info("memory")["used_memory"] / MEBIBYTE, "redis_keys": float(client.dbsize())}

    def _latency(self) -> Sample:
        for batch in self._dead_letters.poll(timeout_ms=100).values():
            self._dead += len(batch)
        found = {
            "sent": float(self._load.sent),
            "unanswered": float(self._load.unanswered),
            "dead_letters": float(self._dead),
        }
        latencies = self._load.drain_latencies()
        if latencies:
            p50, p99 = np.percentile(latencies, [50, 99])
            found |= {"latency_p50_ms": float(p50) * 1_000, "latency_p99_ms": float(p99) * 1_000}
        return found

    def _disk(self) -> Sample:
        """Kafka's log apart: it keeps what comes for as long as its retention says."""
        kafka = _disk_mb(self._workdir / "data" / "kafka")
        return {"disk_mb kafka": kafka, "disk_mb all else": _disk_mb(self._workdir) - kafka}


def _disk_mb(folder: Path) -> float:
    """What the files below a folder take of the disk; one that goes meanwhile counts as nothing."""
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                total += os.lstat(os.path.join(path, name)).st_blocks * 512
    return total / MEBIBYTE


def _metric(answer: list[dict[str, str]]) -> float:
    return sum(float(metric["value"]) for metric in answer)
