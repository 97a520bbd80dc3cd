"""The processes of the stack as commands: what is run, with which memory, and where it logs."""

import os
import signal
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from cli.stack import class_archives
from cli.stack.brokers import redis_executable
from cli.stack.flink_conf import class_path, java_options, split_memory
from cli.stack.layout import Layout, package_folder, source_root
from state.configuration import Settings

# A small stack on few cores: one collector thread, and no files in the system's temporary folder.
SMALL_JVM = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
MOST_PAUSE_MS = 10
"""What a TaskManager's collections aim at, as events wait meanwhile: the usual 200 ms were taken in full."""
MIXED_COLLECTIONS = 32
"""Over how many of them what is old is spread at least: with the usual eight each takes several times the aim."""
BEHIND, A_LITTLE_BEHIND = 10, 5
"""The niceness of what no event waits for, because all share a few cores: of compilers; and of what must go on next to a full
TaskManager all the same: the JobManager, and the threads that `jobs/flink/Gather.java` names."""
EVERY_JVM = ("-XX:-UsePerfData", "-Djava.net.preferIPv4Stack=true", "-XX:+ExitOnOutOfMemoryError", "-Xshare:auto")
# Java's priorities as niceness, the least for threads that ask for it; above the usual none goes, whoever starts the stack.
WITH_PRIORITIES = (
    "-XX:ThreadPriorityPolicy=1",
    f"-XX:CompilerThreadPriority={BEHIND}",
    f"-XX:JavaPriority1_To_OSPriority={A_LITTLE_BEHIND}",
    *(f"-XX:JavaPriority{priority}_To_OSPriority=0" for priority in (8, 9, 10)),
)
SERVING_STOP_SECONDS = 10.0
"""For the server to end its workers, beyond what they have."""
MALLOC_ARENAS = "2"
"""Of the C library: with the usual eight for each core RocksDB's blocks are strewn, and each job takes more memory."""
PATIENT_START = "-Dpekko.remote.classic.startup-timeout=60s"
"""To listen for others, on a busy machine: Flink's own pekko.startup-timeout goes to a key that is not read, and 10 s ended it."""
SLOW_TICKS = "-Dpekko.scheduler.tick-duration=50ms"
"""Of the two schedulers that each of Flink's processes has for its messages: with 10 ms each takes 3.5 ms of CPU a second. Timeouts
and heartbeats of seconds need not be that exact; what events wait for has timers of its own."""
STORAGE_TOOL = "kafka.tools.StorageTool"
JOB_MANAGER = "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint"
TASK_MANAGER = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner"


class Service(msgspec.Struct, frozen=True):
    """Process of the stack: its command, where its output goes, how it is asked to end and how long that may take."""

    name: str
    command: tuple[str, ...]
    log: str
    environment: dict[str, str] = {}
    stop_seconds: float = 10.0
    orphan_signal: int = signal.SIGKILL
    niceness: int = 0


# The model's matrices are small: threads of the linear algebra would only get in the way of each other.
SMALL_MATRICES = {"OPENBLAS_NUM_THREADS": "1"}


FOREIGN = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP")
"""What would bring modules of other projects into our processes."""


def own_modules(root: Path) -> dict[str, str]:
    """Return where Python looks first: in `root`, which holds our packages whether or not they are installed, and never in the
    folder that a process happens to start in, as other projects have a `state` or a `conf` too."""
    return {"PYTHONPATH": str(root), "PYTHONSAFEPATH": "1"}


def child_environment(java_home: Path, layout: Layout, base: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment of all processes: without configuration keys, which the resolved file already holds.

    `HELIOTROPE_A__B` is stronger than a file, so one left here would overrule a `--set` that was given to `up`.
    """
    kept = {name: value for name, value in base.items() if not (name.startswith("HELIOTROPE_") and "__" in name)}
    for name in ("JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "JDK_JAVA_OPTIONS", "FLINK_ENV_JAVA_OPTS", "JVM_ARGS", *FOREIGN):
        kept.pop(name, None)
    # The interpreter in the TaskManager's JVM looks for its packages next to the first `python3` of the path.
    path = os.pathsep.join((str(Path(sys.executable).parent), kept.get("PATH", os.defpath)))
    return {
        **kept,
        "PATH": path,
        "JAVA_HOME": str(java_home),
        "TMPDIR": str(layout.tmp),
        "LC_ALL": "C.UTF-8",
        **SMALL_MATRICES,
        **own_modules(source_root()),
    }


def java_command(name: str, archive: str, java_home: Path, layout: Layout, *options: str) -> tuple[str, ...]:
    """Return a command of Java for the process of that name, which starts from an archive of classes if there is one."""
    shared = class_archives.java_options(archive)
    return (str(java_home / "bin" / "java"), *EVERY_JVM, *shared, f"-Djava.io.tmpdir={layout.tmp}", *options)


def kafka_class_path(jars: Iterable[Path]) -> str:
    """Return the broker's jars, and from Flink the binding that its log needs and that Kafka's own jars lack."""
    binding = (package_folder("pyflink") / "lib").glob("log4j-slf4j-impl-*.jar")
    return ":".join(str(jar.resolve()) for jar in (*jars, *binding))


def kafka_command(java_home: Path, layout: Layout, jars: Iterable[Path], main: str, memory_mb: int) -> tuple[str, ...]:
    """Return a command of Kafka's: the broker, or its storage tool."""
    return java_command(
        "kafka-format" if main == STORAGE_TOOL else "kafka",
        "kafka",
        java_home,
        layout,
        *WITH_PRIORITIES,
        "-XX:+UseSerialGC",
        f"-Xmx{memory_mb}m",
        "-Djava.awt.headless=true",
        f"-Dlog4j2.configurationFile={layout.run / 'kafka-log4j2.properties'}",
        "-cp",
        kafka_class_path(jars),
        main,
    )


def kafka_service(settings: Settings, layout: Layout, java_home: Path, jars: Iterable[Path]) -> Service:
    """Return the broker."""
    command = kafka_command(java_home, layout, jars, "kafka.Kafka", settings.local.kafka_memory_mb)
    properties = str(layout.run / "kafka.properties")
    return Service("kafka", (*command, properties), str(layout.logs / "kafka.log"), stop_seconds=20.0)


def redis_service(layout: Layout) -> Service:
    """Return the Redis server; where its owner dies it ends by itself, saving its data."""
    command = (str(redis_executable()), str(layout.run / "redis.conf"))
    return Service("redis", command, str(layout.logs / "redis.log"), orphan_signal=signal.SIGTERM)


def serving_service(settings: Settings, layout: Layout) -> Service:
    """Return the HTTP server; at a stop it finishes what it has begun."""
    command = (sys.executable, "-m", "cli.main", "serve", "--config", str(layout.job_config))
    seconds = settings.serving.stop_timeout_ms / 1_000 + SERVING_STOP_SECONDS
    log = str(layout.logs / "serving.log")
    return Service("serving", command, log, stop_seconds=seconds, orphan_signal=signal.SIGTERM)


def _flink(
    name: str,
    main: str,
    layout: Layout,
    java_home: Path,
    environment: dict[str, str],
    options: Iterable[str],
    niceness: int = 0,
) -> Service:
    log = layout.logs / f"{name}.log"
    properties = layout.cluster_conf / "log4j.properties"
    logging = (f"-Dlog.file={log}", f"-Dlog4j.configurationFile={properties.as_uri()}")
    command = java_command(
        name,
        "flink",
        java_home,
        layout,
        *options,
        PATIENT_START,
        SLOW_TICKS,
        *java_options().split(),
        *logging,
        "-cp",
        class_path(flink_lib(layout)),
    )
    mode = ("--executionMode", "cluster") if main == JOB_MANAGER else ()
    arguments = (main, "--configDir", str(layout.cluster_conf), *mode)
    return Service(name, (*command, *arguments), str(log), environment, niceness=niceness)


def flink_lib(layout: Layout) -> Path:
    """Return the FLINK_LIB_DIR: the install's own, whose class path its archive of classes holds for, else the stack's."""
    return class_archives.flink_lib() or layout.flink_lib


def flink_environment(layout: Layout) -> dict[str, str]:
    """Return where Flink's processes and its command line find their folders."""
    opt = {"FLINK_OPT_DIR": str(layout.flink_opt)} if layout.flink_opt.is_dir() else {}
    return {
        **opt,
        "FLINK_HOME": str(package_folder("pyflink")),
        "FLINK_CONF_DIR": str(layout.flink_conf),
        "FLINK_LIB_DIR": str(flink_lib(layout)),
        "FLINK_PLUGINS_DIR": str(layout.flink_plugins),
        "FLINK_LOG_DIR": str(layout.logs),
        "FLINK_PID_DIR": str(layout.tmp),
        "MAX_LOG_FILE_NUMBER": "3",
    }


def _cluster_environment(layout: Layout) -> dict[str, str]:
    return {**flink_environment(layout), "FLINK_CONF_DIR": str(layout.cluster_conf)}


def flink_java_options(layout: Layout) -> dict[str, str]:
    """Return Java flags for Flink's command line; given here, its scripts need not start a Java to find them."""
    options = (
        *EVERY_JVM,
        *class_archives.java_options("flink"),
        *SMALL_JVM,
        f"-Djava.io.tmpdir={layout.tmp}",
        java_options(),
    )
    return {
        "FLINK_ENV_JAVA_OPTS": " ".join(options),
        "FLINK_ENV_JAVA_OPTS_CLI": " ",
        "FLINK_IDENT_STRING": "heliotrope",
    }


def job_manager_service(settings: Settings, layout: Layout, java_home: Path) -> Service:
    """Return the JobManager: heap is what metaspace, direct memory and overhead leave."""
    total = settings.local.job_manager_memory_mb
    heap = max(256, total - 512)
    options = (*SMALL_JVM, f"-Xmx{heap}m", "-XX:MaxDirectMemorySize=128m", "-XX:MaxMetaspaceSize=256m")
    environment = _cluster_environment(layout)
    return _flink("jobmanager", JOB_MANAGER, layout, java_home, environment, options, A_LITTLE_BEHIND)


def task_manager_service(number: int, settings: Settings, layout: Layout, java_home: Path) -> Service:
    """Return one TaskManager of one slot; `number` counts from 1."""
    parts = split_memory(settings.local.task_manager_memory_mb, settings.flink.state_backend)
    heap = parts.heap + parts.framework_heap
    options = (
        *WITH_PRIORITIES,
        "-XX:+UseG1GC",
        "-XX:+AlwaysPreTouch",  # else a collection waits for the system's pages wherever the heap grows
        f"-XX:MaxGCPauseMillis={MOST_PAUSE_MS}",
        f"-XX:G1MixedGCCountTarget={MIXED_COLLECTIONS}",
        f"-Xmx{heap}m",
        f"-Xms{heap}m",
        f"-XX:MaxDirectMemorySize={parts.off_heap + parts.framework_off_heap + parts.network}m",
        f"-XX:MaxMetaspaceSize={parts.metaspace}m",
    )
    environment = {
        **_cluster_environment(layout),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MALLOC_ARENA_MAX": MALLOC_ARENAS,
    }
    return _flink(f"taskmanager-{number}", TASK_MANAGER, layout, java_home, environment, options)
