"""Flink's folders of the embedded stack: FLINK_CONF_DIR from `conf/flink.yaml` and the settings, FLINK_LIB_DIR of links."""

import shutil
import sys
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from cli.stack.certificates import Identity
from cli.stack.layout import Layout, file_uri, package_folder, write_private
from cli.stack.login_modules import JAR_NAME, write_login_modules
from cli.stack.ports import LOOPBACK
from jobs.settings_rules import local_parallelism
from state.configuration import Settings

PYTHON_JAR = "flink-python-*.jar"
PROMETHEUS_PLUGIN = "metrics-prometheus"
LOG_FILES = ("log4j.properties", "log4j-console.properties", "log4j-cli.properties")
MEBIBYTE = 1024 * 1024


class TaskManagerMemory(NamedTuple):
    """The parts of a TaskManager's memory, in MiB. What Python allocates is outside of all but `off_heap`."""

    heap: int
    off_heap: int
    network: int
    managed: int
    framework_heap: int = 128
    framework_off_heap: int = 128
    metaspace: int = 256
    overhead: int = 128


def split_memory(total_mb: int, state_backend: str) -> TaskManagerMemory:
    """Divide a TaskManager's memory; the interpreter in its process has a fifth, RocksDB a quarter where it is used."""
    fixed = TaskManagerMemory(0, 0, 0, 0)
    rest = total_mb - fixed.framework_heap - fixed.framework_off_heap - fixed.metaspace - fixed.overhead
    if rest < 400:  # little memory: less for all else, so that there still is a heap
        return TaskManagerMemory(total_mb - 576, 32, 32, 32, 96, 96, metaspace=192, overhead=96)
    network = min(512, max(64, rest // 10))
    managed = rest // 4 if state_backend == "rocksdb" else min(256, rest // 10)
    python = rest // 5
    return TaskManagerMemory(rest - network - managed - python, python, network, managed)


def memory_options(parts: TaskManagerMemory) -> dict[str, Any]:
    """Return the memory as Flink's keys; all are given, so that the launcher has nothing left to derive."""
    return {
        "taskmanager.cpu.cores": 1.0,
        "taskmanager.memory.framework.heap.size": f"{parts.framework_heap}m",
        "taskmanager.memory.framework.off-heap.size": f"{parts.framework_off_heap}m",
        "taskmanager.memory.task.heap.size": f"{parts.heap}m",
        "taskmanager.memory.task.off-heap.size": f"{parts.off_heap}m",
        "taskmanager.memory.network.min": f"{parts.network}m",
        "taskmanager.memory.network.max": f"{parts.network}m",
        "taskmanager.memory.managed.size": f"{parts.managed}m",
        "taskmanager.memory.jvm-metaspace.size": f"{parts.metaspace}m",
        "taskmanager.memory.jvm-overhead.min": f"{parts.overhead}m",
        "taskmanager.memory.jvm-overhead.max": f"{parts.overhead}m",
    }


def shipped_options() -> dict[str, Any]:
    """Return `conf/flink.yaml` as it is shipped."""
    text = (package_folder("conf") / "flink.yaml").read_text(encoding="utf-8")
    return dict(yaml.safe_load(text))


def java_options() -> str:
    """Return the flags that Flink's own configuration gives every JVM; a configuration of one's own would lose them.

    Those for the compiler's module, which a runtime lacks, would only print warnings.
    """
    own = yaml.safe_load((package_folder("pyflink") / "conf" / "config.yaml").read_text(encoding="utf-8"))
    flags = str(own["env"]["java"]["opts"]["all"]).split()
    return " ".join(flag for flag in flags if "=jdk.compiler/" not in flag)


def cluster_options(settings: Settings, layout: Layout, rest_port: int, rpc_port: int) -> dict[str, Any]:
    """Return all of Flink's options for the embedded cluster: everything on loopback, everything below the work directory."""
    flink = settings.flink
    return {
        **shipped_options(),
        **_addresses(rest_port, rpc_port),
        **memory_options(split_memory(settings.local.task_manager_memory_mb, flink.state_backend)),
        "jobmanager.memory.process.size": f"{settings.local.job_manager_memory_mb}m",
        "env.java.opts.all": java_options(),
        "parallelism.default": local_parallelism(settings),
        "execution.checkpointing.interval": f"{flink.checkpoint_interval_ms} ms",
        "execution.checkpointing.timeout": f"{flink.checkpoint_timeout_ms} ms",
        "execution.checkpointing.dir": checkpoint_uri(settings, layout),
        "execution.checkpointing.savepoint-dir": file_uri(layout.data / "savepoints"),
        "state.backend.type": flink.state_backend,
        **_changelog_options(flink.state_backend, layout),
        "pipeline.max-parallelism": flink.max_parallelism,
        "python.executable": sys.executable,
        "python.client.executable": sys.executable,
        "io.tmp.dirs": str(layout.tmp),
        "web.tmpdir": str(layout.tmp),
        "env.log.dir": str(layout.logs),
    }


def _changelog_options(state_backend: str, layout: Layout) -> dict[str, Any]:
    """Changes of the state on the heap go to files as they happen; a checkpoint that copies all of it holds events up meanwhile.

    Every few minutes all of it is copied nevertheless, and the files of before may go.
    """
    if state_backend != "hashmap":
        return {}
    return {
        "state.changelog.enabled": True,
        "state.changelog.storage": "filesystem",
        "dstl.dfs.base-path": file_uri(layout.data / "changelog"),
    }


def _addresses(rest_port: int, rpc_port: int) -> dict[str, Any]:
    return {
        "jobmanager.rpc.address": LOOPBACK,
        "jobmanager.rpc.port": rpc_port,
        "jobmanager.bind-host": LOOPBACK,
        "taskmanager.host": LOOPBACK,
        "taskmanager.bind-host": LOOPBACK,
        "rest.address": LOOPBACK,
        "rest.bind-address": LOOPBACK,
        "rest.port": rest_port,
        "rest.bind-port": str(rest_port),
        "web.access-control-allow-origin": f"http://{LOOPBACK}:{rest_port}",
    }


def security_options(rest: Identity, internal: Identity) -> dict[str, Any]:
    """Return TLS on every port of Flink's, with certificates shown on both sides: all of them take Java objects."""
    options: dict[str, Any] = {
        "security.ssl.protocol": "TLSv1.3",
        "security.ssl.algorithms": "TLS_AES_128_GCM_SHA256",
        "security.ssl.rest.authentication-enabled": True,
    }
    for what, identity in (("rest", rest), ("internal", internal)):
        options |= {
            f"security.ssl.{what}.enabled": True,
            f"security.ssl.{what}.keystore": str(identity.keystore),
            f"security.ssl.{what}.keystore-password": identity.password,
            f"security.ssl.{what}.keystore-type": "PKCS12",
            f"security.ssl.{what}.key-password": identity.password,
            f"security.ssl.{what}.truststore": str(identity.truststore),
            f"security.ssl.{what}.truststore-password": identity.password,
            f"security.ssl.{what}.truststore-type": "PKCS12",
        }
    return options


def checkpoint_uri(settings: Settings, layout: Layout) -> str:
    """Return where checkpoints go: the configured place, else the work directory."""
    place = settings.flink.checkpoint_dir
    if not place:
        return file_uri(layout.data / "checkpoints")
    return place if "://" in place or place.startswith("file:") else file_uri(Path(place).absolute())


def write_conf(folder: Path, options: dict[str, Any]) -> None:
    """Write a FLINK_CONF_DIR: `config.yaml` and the log files' formats that Flink ships."""
    folder.mkdir(parents=True, exist_ok=True)
    write_private(folder / "config.yaml", yaml.safe_dump(options, width=100_000))
    for name in LOG_FILES:
        shutil.copyfile(package_folder("pyflink") / "conf" / name, folder / name)


def link_jars(folder: Path, connectors: Iterable[Path]) -> None:
    """Fill a FLINK_LIB_DIR with links to Flink's jars, its Python jar and the connectors."""
    folder.mkdir(parents=True, exist_ok=True)
    home = package_folder("pyflink")
    for jar in (*(home / "lib").glob("*.jar"), *(home / "opt").glob(PYTHON_JAR), *connectors):
        link = folder / jar.name
        link.unlink(missing_ok=True)
        link.symlink_to(jar)
    write_login_modules(folder / JAR_NAME)


def write_stand_in(folder: Path) -> None:
    """Fill a FLINK_OPT_DIR with an empty jar by the name of Flink's Python jar.

    `flink run` sends what it finds there along with the job, 43 MB through several encrypted hops, which took most of a
    JobManager's start. A cluster with the true one in its lib/, which thread mode needs anyway, has no use for it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / "flink-python-in-lib.jar", "w") as jar:
        jar.writestr("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\r\n\r\n")


def link_reporter(folder: Path) -> None:
    """Fill a FLINK_PLUGINS_DIR with the reporters for Prometheus alone."""
    (folder / PROMETHEUS_PLUGIN).mkdir(parents=True, exist_ok=True)
    for jar in (package_folder("pyflink") / "plugins" / PROMETHEUS_PLUGIN).glob("*.jar"):
        link = folder / PROMETHEUS_PLUGIN / jar.name
        link.unlink(missing_ok=True)
        link.symlink_to(jar)


def class_path(folder: Path) -> str:
    """Return the class path in the order of Flink's own scripts: flink-dist comes last."""
    jars = sorted(folder.glob("*.jar"), key=lambda jar: (jar.name.startswith("flink-dist"), jar.name))
    return ":".join(map(str, jars))
