"""What `up` is going to start: checked before anything runs, handed to the supervisor as one file."""

import os
import secrets
import sys
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import yaml

from cli.errors import UserError
from cli.redis_client import connect
from cli.stack import brokers, flink_conf, jars
from cli.stack.certificates import make_identity
from cli.stack.java import find_java_home
from cli.stack.layout import Layout, write_private
from cli.stack.metrics_gate import reporter_options, targets_file
from cli.stack.ports import LOOPBACK, choose
from cli.stack.record import with_password, without_password
from cli.stack.resume import adopt_log, resume_point
from cli.stack.services import FOREIGN, own_modules
from cli.stack.submit import entry_file, pack
from cli.stack.topics import broker_answers
from jobs.secrets import redis_password
from jobs.settings import settings_from, to_tree
from jobs.settings_rules import local_parallelism
from serving.address import ServingError, check_open_door, url_of
from state.configuration import Serving, Settings

REDIS_TIMEOUT_SECONDS = 3.0
KAFKA_TIMEOUT_MS = 8_000
REST_KEY = "rest"


class Plan(msgspec.Struct, frozen=True):
    """The stack to be: addresses, and which of the services are the user's own and so not ours to start or stop."""

    kafka: str
    redis: str
    flink: str
    java_home: str
    jars: list[str]
    entry: str
    own_kafka: bool
    own_redis: bool
    inner_flink_port: int = 0
    metrics_port: int = 0
    metrics_secret: str = ""
    serving: str = ""

    @property
    def rest_port(self) -> int:
        """The port of the door to Flink's REST interface."""
        return urlsplit(self.flink).port or 0

    @property
    def rest_address(self) -> str:
        """The door to Flink's REST interface as host:port."""
        return urlsplit(self.flink).netloc


FILES = (
    ("redis", "password_file"),
    ("kafka", "properties_file"),
    ("events", "salt_file"),
    ("serving", "write_keys_file"),
    ("serving", "session_tokens_file"),
    ("serving", "storefront_catalogue"),
    ("serving", "admin_token_file"),
    ("serving", "data_dir"),
)
"""Keys that name a file, which the processes of the stack open from another folder."""
BUCKETS = 2
"""Of sessions, at least. Each is a call of its own every few milliseconds, and what runs on one machine will not grow far."""


def make_plan(settings: Settings, layout: Layout, entry: Path | None = None) -> Plan:
    """Check what can be checked beforehand, chooses ports, and write every configuration file.

    `entry` is the job's module, another than `jobs/personalize.py` in tests of the stack alone.

    Raises:
        UserError: something is missing, in use or does not answer; or the state of kept data is gone.
        SecretError: a secret's file cannot be read.
    """
    java_home = find_java_home(settings.local.java_home)
    all_jars = jars.installed()
    entry = entry if entry is not None else entry_file()
    resume_point(layout)  # refused here where it is gone, before anything runs
    check_external(settings)
    taken: set[int] = set()
    kafka_port = choose(settings.local.kafka_port, "local.kafka_port", taken)
    redis_port = choose(settings.local.redis_port, "local.redis_port", taken)
    rest_port = choose(settings.local.flink_port, "local.flink_port", taken)
    controller_port = choose(0, "local.kafka_port", taken)
    rpc_port = choose(0, "local.flink_port", taken)
    inner_port = choose(0, "local.flink_port", taken)
    if not settings.kafka.bootstrap:
        adopt_log(layout)
        brokers.write_kafka(layout, kafka_port, controller_port)
    if not settings.redis.url:
        brokers.redis_executable()
    metrics_port = choose(settings.local.metrics_port, "local.metrics_port", taken)
    serving = _serving_address(settings.serving, taken)
    plan = Plan(
        kafka=settings.kafka.bootstrap or f"{LOOPBACK}:{kafka_port}",
        redis=settings.redis.url or f"redis://{LOOPBACK}:{redis_port}/0",
        flink=f"http://{LOOPBACK}:{rest_port}",
        java_home=str(java_home),
        jars=[str(jar) for jar in all_jars],
        entry=str(_copied(entry, layout)),
        own_kafka=not settings.kafka.bootstrap,
        own_redis=not settings.redis.url,
        inner_flink_port=inner_port,
        metrics_port=metrics_port,
        metrics_secret=secrets.token_urlsafe(24),
        serving=serving,
    )
    options = flink_conf.cluster_options(settings, layout, rest_port, rpc_port)
    options |= reporter_options(plan.metrics_port, plan.metrics_secret)
    flink_conf.write_conf(layout.flink_conf, options)
    inner = {"rest.port": inner_port, "rest.bind-port": str(inner_port)}
    keys = (make_identity(layout.keys, name) for name in (REST_KEY, "internal"))
    flink_conf.write_conf(layout.cluster_conf, options | inner | flink_conf.security_options(*keys))
    flink_conf.link_jars(layout.flink_lib, jars.connectors(all_jars))
    flink_conf.write_stand_in(layout.flink_opt)
    flink_conf.link_reporter(layout.flink_plugins)
    layout.metrics_targets.write_text(targets_file(plan.metrics_port, urlsplit(serving).netloc), encoding="ascii")
    pack(layout.packages)
    resolved = resolve(settings, plan, layout)
    if plan.own_redis:
        brokers.write_redis(layout, redis_port, redis_password(resolved))
    write_settings(resolved, layout.job_config)
    write_private(layout.plan, msgspec.json.encode(plan).decode())
    return plan


def _serving_address(serving: Serving, taken: set[int]) -> str:
    """The URL of the HTTP server; empty if there is to be none.

    Raises:
        UserError: it would be open to others without write keys, or its port is in use.
    """
    if not serving.enabled:
        return ""
    try:
        check_open_door(serving)
    except ServingError as error:
        raise UserError(str(error)) from None
    return url_of(serving.host, choose(serving.port, "serving.port", taken))


def _copied(entry: Path, layout: Layout) -> Path:
    """The job's module next to its packages: a job that is submitted again is that of the stack's own start."""
    copy = layout.run / entry.name
    write_private(copy, entry.read_text(encoding="utf-8"))
    return copy


def resolve(settings: Settings, plan: Plan, layout: Layout) -> Settings:
    """Return the settings with all that `up` decides filled in."""
    tree = to_tree(settings)
    tree["kafka"]["bootstrap"] = plan.kafka
    tree["redis"]["url"] = plan.redis
    if plan.own_redis and redis_password(settings) is None:
        tree["redis"]["password_file"] = str(_secret_file(layout.redis_password))
    if settings.kafka.start == "auto":
        tree["kafka"]["start"] = "earliest"
    tree["flink"]["checkpoint_dir"] = flink_conf.checkpoint_uri(settings, layout)
    tree["flink"]["parallelism"] = local_parallelism(settings)
    tree["flink"]["buckets"] = _buckets(settings, layout)
    tree["bandit"]["lineage"] = settings.bandit.lineage or _secret_file(layout.data / "lineage").read_text(
        encoding="ascii"
    )
    tree["events"]["salt_file"] = settings.events.salt_file or str(_secret_file(layout.data / "user_salt"))
    tree["local"]["workdir"] = str(layout.root)
    tree["serving"]["data_dir"] = settings.serving.data_dir or str(layout.data / "serving")  # it ends with Kafka's data
    tree["serving"]["port"] = urlsplit(plan.serving).port or 0
    tree["serving"]["job_metrics"] = tree["serving"]["job_metrics"] or f"http://{LOOPBACK}:{plan.metrics_port}/metrics"
    for section, key in FILES:
        if tree[section][key]:
            tree[section][key] = str(Path(tree[section][key]).expanduser().absolute())
    return settings_from(tree)


def redis_for_owner(plan: Plan, settings: Settings, layout: Layout) -> str:
    """Return Redis' URL as its owner can use it: with the password where `up` made it, never with one of the user's own."""
    if settings.redis.password_file != str(layout.redis_password):
        return without_password(plan.redis)
    return with_password(plan.redis, redis_password(settings) or "")


def write_settings(settings: Settings, path: Path) -> None:
    """Write settings as a configuration file; private, since a URL or a property may hold a password."""
    write_private(path, yaml.safe_dump(to_tree(settings), sort_keys=False))


def read_plan(layout: Layout) -> Plan:
    """Return the plan that `make_plan` wrote."""
    return msgspec.json.decode(layout.plan.read_bytes(), type=Plan)


def check_external(settings: Settings) -> None:
    """Ask the Kafka and the Redis that are configured.

    Raises:
        UserError: one does not answer.
    """
    bootstrap, url = settings.kafka.bootstrap, settings.redis.url
    if bootstrap and not broker_answers(settings, bootstrap, KAFKA_TIMEOUT_MS):
        raise UserError(
            f"kafka.bootstrap: no Kafka answers at {bootstrap}: start it, correct the address or kafka.properties, "
            "or leave it empty for the embedded broker"
        )
    if url:
        connect(url, redis_password(settings), REDIS_TIMEOUT_SECONDS).close()


def _secret_file(path: Path) -> Path:
    """Random text made once for the life of the data: hashes of user ids must stay the same across `--keep-data`, and so must the
    lineage of what was learned."""
    if not path.exists():
        write_private(path, secrets.token_hex(32))
    return path


def _buckets(settings: Settings, layout: Layout) -> int:
    """How many buckets of sessions, chosen once for the life of the data: state is found by their number.

    Raises:
        UserError: the data has another number, or too few of them.
    """
    path, parallelism = layout.data / "buckets", local_parallelism(settings)
    if not path.exists():
        write_private(path, str(settings.flink.buckets or max(BUCKETS, parallelism)))
    kept = int(path.read_text(encoding="ascii"))
    if settings.flink.buckets not in (None, kept) or parallelism > kept:
        raise UserError(
            f"flink.buckets: the data in {layout.root} has {kept}, which stays and must be at least the parallelism, "
            f"{parallelism}: run fewer task managers, or start anew after `heliotrope down`"
        )
    return kept


def supervisor_command(layout: Layout) -> list[str]:
    """Return how the supervisor of a work directory is started."""
    return [sys.executable, "-m", "cli.stack.supervisor", str(layout.root)]


def supervisor_environment(root: Path) -> dict[str, str]:
    """Return the environment of `up`, with these packages on the path whether or not they are installed, and no others there."""
    kept = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    return {**kept, **own_modules(root)}
