"""`heliotrope submit`: the job on a cluster that the user already has."""

import ipaddress
import socket
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path
from typing import Annotated
from urllib.error import HTTPError
from urllib.parse import urlsplit

import typer
from kafka.errors import KafkaError

from cli.errors import UserError
from cli.options import Config, Sets
from cli.output import stderr_console, stdout_console
from cli.stack import flink_conf, jars
from cli.stack.flink_rest import JOB_ID, FlinkRest
from cli.stack.java import find_java_home
from cli.stack.layout import Layout, file_uri
from cli.stack.login_modules import JAR_NAME, write_login_modules
from cli.stack.plan import check_external, write_settings
from cli.stack.resume import local_paths, newest_below
from cli.stack.services import child_environment
from cli.stack.start_steps import without_frames
from cli.stack.submit import Origin, pack, refusal_in, run_service
from cli.stack.topics import create_topics
from jobs.secrets import kafka_client_properties
from jobs.settings import load_settings, settings_from, to_tree
from jobs.settings_rules import check_buckets
from state.configuration import Settings

FORBIDDEN = 403
DOCUMENTED = "org.apache.kafka."
REMOTE_PYTHON = "python3"
ROCKSDB_MANAGED_MB = 200
"""Least managed memory with RocksDB. The local stack's TaskManagers have 240, which was measured to do."""
PASSED_ON = ("taskmanager.", "jobmanager.", "rest.", "heartbeat.", "slot.", "cluster.", "web.", "metrics.", "pekko.")


def submit(
    jobmanager: Annotated[str, typer.Option("--jobmanager", metavar="HOST:PORT", help="Its REST interface.")],
    config: Config = None,
    sets: Sets = None,
    python: Annotated[
        str | None,
        typer.Option(
            help="Python on the TaskManagers; default: this one where they are on this machine, else python3."
        ),
    ] = None,
    origin: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="PATH",
            help="Resume from a savepoint or a retained checkpoint: its folder or URI, or `latest` for the newest below "
            "flink.checkpoint_dir. Default: start empty.",
        ),
    ] = None,
    claim: Annotated[
        bool,
        typer.Option("--claim", help="Hand what --from names over to Flink, which removes it once newer ones do."),
    ] = False,
    partly: Annotated[
        bool,
        typer.Option("--allow-non-restored-state", help="Let go of state in --from that this job has no operator for."),
    ] = False,
) -> None:
    """Submit the job to a Flink cluster of your own, with `flink run`."""
    settings = load_settings(config, sets or ())
    check_buckets(settings, settings.flink.parallelism or 1)
    resumed = None if origin is None else Origin(origin_uri(settings, origin), claim, partly)
    host = check_addresses(settings, jobmanager)
    check_managed_memory(settings, jobmanager)
    check_external(settings)
    executable = python or (sys.executable if is_loopback(host) else REMOTE_PYTHON)
    with tempfile.TemporaryDirectory(prefix="heliotrope-") as folder, stderr_console().status("submitting"):
        _create_topics(settings)
        job_id = _run(settings, Layout(Path(folder)), jobmanager, executable, resumed)
    said = f"submitted job {job_id} to {jobmanager}"
    stdout_console().print(said + (f", resumed from {resumed.uri}" if resumed else ""), soft_wrap=True, markup=False)


def origin_uri(settings: Settings, origin: str) -> str:
    """Return what `--from` names, as a URI.

    Raises:
        UserError: there is no such folder, or `latest` has nowhere to look.
    """
    if origin == "latest":
        folders = local_paths(settings.flink.checkpoint_dir) if settings.flink.checkpoint_dir else []
        if not folders:
            raise UserError(
                "--from latest looks below flink.checkpoint_dir, which must name a folder that this machine sees: set it, or "
                "name the savepoint or checkpoint itself"
            )
        found = next((found for folder in folders if (found := newest_below(folder)) is not None), None)
        if found is None:
            raise UserError(
                f"--from latest: no complete checkpoint or savepoint is below {folders[0]}: name one by its path"
            )
        return found
    if urlsplit(origin).scheme not in ("", "file"):
        return origin
    for path in local_paths(origin):
        if (path / "_metadata").is_file() or (path.name == "_metadata" and path.is_file()):
            return file_uri(path.expanduser().absolute())
    raise UserError(
        f"--from {origin}: no savepoint or checkpoint is there, such a folder holds _metadata: name another"
    )


def check_addresses(settings: Settings, jobmanager: str) -> str:
    """Return the JobManager's host, once all addresses are known and it answers.

    Raises:
        UserError: an address is missing, or no JobManager is there.
    """
    for key, value in (("kafka.bootstrap", settings.kafka.bootstrap), ("redis.url", settings.redis.url)):
        if not value:
            raise UserError(f"{key} is not set: name the one that the cluster is to use, for example --set {key}=…")
    host, colon, port = jobmanager.rpartition(":")
    if not colon or not host or not port.isdigit():
        raise UserError(f"--jobmanager {jobmanager}: write it as HOST:PORT, for example localhost:8081")
    try:
        FlinkRest(f"http://{jobmanager}").task_managers()
    except (OSError, ValueError, KeyError) as error:
        if isinstance(error, HTTPError) and error.code == FORBIDDEN:
            raise UserError(f"the JobManager at {jobmanager} is another user's: name your own") from None
        raise UserError(
            f"no JobManager answers at {jobmanager} ({type(error).__name__}): start the cluster, or name its REST port"
        ) from None
    return host


def check_managed_memory(settings: Settings, jobmanager: str) -> None:
    """Refuse RocksDB where it would write every few records to a file of their own, see docs/decisions/0015.

    Raises:
        UserError: a TaskManager has less managed memory than `ROCKSDB_MANAGED_MB`.
    """
    if settings.flink.state_backend != "rocksdb":
        return
    managed_mb = FlinkRest(f"http://{jobmanager}").managed_memory_mb()
    if managed_mb is not None and managed_mb < ROCKSDB_MANAGED_MB:
        raise UserError(
            f"flink.state_backend is rocksdb, for which a TaskManager needs {ROCKSDB_MANAGED_MB} MiB of managed memory, and "
            f"one has {managed_mb}: raise taskmanager.memory.managed.size on the cluster, or keep state on the heap (hashmap)"
        )


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine's loopback."""
    try:
        return ipaddress.ip_address(socket.gethostbyname(host)).is_loopback
    except (OSError, ValueError):
        return False


def client_options(settings: Settings, python: str) -> dict[str, object]:
    """Return Flink's options for the job alone: what belongs to the cluster is the cluster's."""
    flink = settings.flink
    options = {key: value for key, value in flink_conf.shipped_options().items() if not key.startswith(PASSED_ON)}
    options |= {
        "execution.checkpointing.interval": f"{flink.checkpoint_interval_ms} ms",
        "execution.checkpointing.timeout": f"{flink.checkpoint_timeout_ms} ms",
        "pipeline.max-parallelism": flink.max_parallelism,
        "python.executable": python,
        "python.client.executable": sys.executable,
    }
    if flink.checkpoint_dir:
        options["execution.checkpointing.dir"] = flink.checkpoint_dir
    if flink.parallelism:
        options["parallelism.default"] = flink.parallelism
    return options


def _create_topics(settings: Settings) -> None:
    try:
        create_topics(settings, settings.kafka.bootstrap)
    except KafkaError as error:
        what = " ".join(str(error).split())
        raise UserError(
            f"Kafka at {settings.kafka.bootstrap} refuses the topics ({what}): create them yourself"
        ) from None


def _run(settings: Settings, layout: Layout, jobmanager: str, python: str, origin: Origin | None) -> str:
    java_home = find_java_home(settings.local.java_home)
    for path in (layout.run, layout.tmp, layout.logs):
        path.mkdir(parents=True)
    connectors = jars.connectors(jars.installed())
    flink_conf.write_conf(layout.flink_conf, client_options(settings, python))
    flink_conf.link_jars(layout.flink_lib, connectors)
    if kafka_client_properties(settings).get("sasl.jaas.config", "").lstrip().startswith(DOCUMENTED):
        write_login_modules(layout.run / JAR_NAME)
    pack(layout.packages)
    tree = to_tree(settings)
    if settings.kafka.start == "auto":
        tree["kafka"]["start"] = "latest"
    tree["bandit"]["lineage"] = settings.bandit.lineage or uuid.uuid4().hex
    write_settings(settings_from(tree), layout.job_config)
    service = run_service(layout, jobmanager, origin)
    environment = {**child_environment(java_home, layout), **service.environment}
    answer = subprocess.run(
        service.command, env=environment, cwd=layout.root, capture_output=True, text=True, errors="replace"
    )
    found = JOB_ID.findall(answer.stdout)
    refusal = refusal_in(answer.stdout + answer.stderr)
    if refusal:
        raise UserError(refusal)
    if answer.returncode != 0 or not found:
        console = stderr_console()
        for line in without_frames(answer.stdout + answer.stderr):
            console.print(f"  {line}", soft_wrap=True, markup=False)
        raise UserError(f"`flink run` ended with exit status {answer.returncode}: the lines above say why")
    return str(found[-1])
