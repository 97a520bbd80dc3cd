"""The configuration files that `up` writes."""

import stat
import zipfile
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cli.errors import UserError
from cli.stack import brokers, flink_conf
from cli.stack.layout import Layout, prepare
from cli.stack.login_modules import JAR_NAME, write_login_modules
from cli.stack.plan import Plan, redis_for_owner, resolve, write_settings
from cli.stack.services import child_environment, job_manager_service, task_manager_service
from cli.stack.submit import run_service
from cli.stack.topics import wanted_topics
from jobs.settings import load_settings, to_tree

PLAN = Plan(
    kafka="127.0.0.1:1001",
    redis="redis://127.0.0.1:1002/0",
    flink="http://127.0.0.1:1003",
    java_home="/java",
    jars=[],
    entry="personalize.py",
    own_kafka=True,
    own_redis=True,
)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return prepare(tmp_path / "work")


def test_flink_binds_to_loopback_and_keeps_all_below_the_work_directory(layout: Layout) -> None:
    options = flink_conf.cluster_options(load_settings(environ={}), layout, rest_port=1003, rpc_port=1004)
    hosts = {key: value for key, value in options.items() if key.endswith(("host", "address"))}
    assert set(hosts.values()) == {"127.0.0.1"}
    assert {"jobmanager.bind-host", "taskmanager.bind-host", "rest.bind-address"} <= hosts.keys()
    assert options["rest.port"] == 1003
    assert options["web.submit.enable"] is False
    assert options["execution.checkpointing.dir"] == (layout.data / "checkpoints").as_uri()
    assert options["io.tmp.dirs"].startswith(str(layout.root))


def test_flinks_own_java_flags_are_carried_over(layout: Layout) -> None:
    options = flink_conf.cluster_options(load_settings(environ={}), layout, 1, 2)
    assert "--add-opens=java.base/java.lang=ALL-UNNAMED" in options["env.java.opts.all"]
    assert "jdk.compiler" not in options["env.java.opts.all"]


def test_settings_reach_flink(layout: Layout) -> None:
    sets = ["flink.checkpoint_interval=3 s", "flink.state_backend=rocksdb", "local.task_managers=4"]
    options = flink_conf.cluster_options(load_settings(None, sets, environ={}), layout, 1, 2)
    assert options["execution.checkpointing.interval"] == "3000 ms"
    assert options["state.backend.type"] == "rocksdb"
    assert options["parallelism.default"] == 4


def test_conf_folder_is_what_flinks_scripts_need(layout: Layout) -> None:
    options = flink_conf.cluster_options(load_settings(environ={}), layout, 1, 2)
    flink_conf.write_conf(layout.flink_conf, options)
    assert yaml.safe_load((layout.flink_conf / "config.yaml").read_text()) == options
    assert (layout.flink_conf / "log4j-cli.properties").is_file()


def test_lib_folder_has_the_python_jar_and_flink_dist_comes_last(layout: Layout, tmp_path: Path) -> None:
    connector = tmp_path / "connector.jar"
    connector.touch()
    flink_conf.link_jars(layout.flink_lib, [connector])
    names = [Path(jar).name for jar in flink_conf.class_path(layout.flink_lib).split(":")]
    assert "connector.jar" in names
    assert any(name.startswith("flink-python-") for name in names)
    assert names[-1].startswith("flink-dist-")


@given(st.integers(768, 262_144), st.sampled_from(["hashmap", "rocksdb"]))
def test_memory_is_divided_without_rest_or_excess(total_mb: int, backend: str) -> None:
    parts = flink_conf.split_memory(total_mb, backend)
    assert min(parts) >= 32
    assert parts.heap >= 128
    assert sum(parts) <= total_mb
    assert sum(parts) >= total_mb * 0.9


def test_commands_run_the_given_java_and_nothing_of_the_system(layout: Layout) -> None:
    flink_conf.link_jars(layout.flink_lib, [])
    settings = load_settings(environ={})
    for service in (
        job_manager_service(settings, layout, Path("/java")),
        task_manager_service(1, settings, layout, Path("/java")),
    ):
        assert service.command[0] == "/java/bin/java"
        assert f"-Djava.io.tmpdir={layout.tmp}" in service.command
        assert service.log == str(layout.logs / f"{service.name}.log")


def test_children_do_not_see_configuration_keys_that_would_overrule_a_set(layout: Layout) -> None:
    base = {
        "HELIOTROPE_BANDIT__EPSILON": "0.9",
        "HELIOTROPE_USER_SALT": "s",
        "JAVA_HOME": "/elsewhere",
        "JAVA_TOOL_OPTIONS": "-Xmx1m",
    }
    environment = child_environment(Path("/java"), layout, base)
    assert "HELIOTROPE_BANDIT__EPSILON" not in environment
    assert "JAVA_TOOL_OPTIONS" not in environment
    assert environment["HELIOTROPE_USER_SALT"] == "s"
    assert environment["JAVA_HOME"] == "/java"


def test_kafka_listens_on_loopback_and_takes_large_values(layout: Layout) -> None:
    properties = brokers.kafka_properties(layout, 1001, 1005)
    assert properties["listeners"] == "PLAINTEXT://127.0.0.1:1001,CONTROLLER://127.0.0.1:1005"
    assert properties["auto.create.topics.enable"] == "false"
    assert int(properties["message.max.bytes"]) > 2 * 1024 * 1024
    assert int(properties["transaction.max.timeout.ms"]) >= 15 * 60_000


def test_kafka_reads_a_folder_of_any_name_as_it_is(tmp_path: Path) -> None:
    """A file of properties is Latin-1 to Java, so what is not ASCII would name another folder."""
    german = prepare(tmp_path / "wörk-日本-🛒")
    brokers.write_kafka(german, 1, 2)
    text = (german.run / "kafka.properties").read_bytes().decode("ascii")
    [line] = [line for line in text.splitlines() if line.startswith("log.dirs=")]
    assert (german.run / "kafka-log4j2.properties").read_bytes().isascii()
    assert line.endswith("/w\\u00f6rk-\\u65e5\\u672c-\\ud83d\\uded2/data/kafka")


def test_login_modules_travel_with_a_job_where_they_were_made(layout: Layout) -> None:
    assert "-j" not in run_service(layout, "localhost:1").command
    jar = write_login_modules(layout.run / JAR_NAME)
    command = run_service(layout, "localhost:1").command
    assert command[command.index("-j") + 1] == str(jar)
    names = {name.removesuffix(".class").replace("/", ".") for name in zipfile.ZipFile(jar).namelist()}
    assert {f"org.apache.kafka.common.security.{name}LoginModule" for name in ("plain.Plain", "scram.Scram")} <= names


def test_redis_is_private_and_its_password_quoted(layout: Layout) -> None:
    brokers.write_redis(layout, 1002, 'a"b\\c')
    path = layout.run / "redis.conf"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    text = path.read_text()
    assert "bind 127.0.0.1\n" in text
    assert 'requirepass "a\\"b\\\\c"\n' in text


def test_the_embedded_redis_has_a_password_that_only_private_files_hold(layout: Layout) -> None:
    settings = resolve(load_settings(environ={}), PLAN, layout)
    path = Path(settings.redis.password_file)
    password = path.read_text()
    assert len(password) >= 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert redis_for_owner(PLAN, settings, layout) == f"redis://:{password}@127.0.0.1:1002/0"
    assert password not in repr(to_tree(settings))
    assert resolve(load_settings(environ={}), PLAN, layout).redis.password_file == settings.redis.password_file


def test_a_password_of_the_users_is_taken_and_shown_to_nobody(layout: Layout, tmp_path: Path) -> None:
    own = tmp_path / "password"
    own.write_text("hunter-2")
    settings = resolve(load_settings(None, [f"redis.password_file={own}"], environ={}), PLAN, layout)
    assert settings.redis.password_file == str(own)
    assert redis_for_owner(PLAN, settings, layout) == PLAN.redis
    assert not layout.redis_password.exists()


def test_the_work_directory_is_its_owners_alone(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir(mode=0o755)
    prepare(tmp_path / "work")
    assert stat.S_IMODE((tmp_path / "work").stat().st_mode) == 0o700


def test_topics_have_their_partitions_and_clean_up() -> None:
    settings = load_settings(None, ["kafka.partitions=3", "kafka.topics.products=shop_products"], environ={})
    topics = {topic.name: topic for topic in wanted_topics(settings)}
    assert len(topics) == 13
    compacted = {name for name, topic in topics.items() if topic.configs.get("cleanup.policy") == "compact"}
    assert compacted == {"shop_products", "bundles", "popularity", "bandit_model", "candidate_lists", "user_lists"}
    assert {name for name, topic in topics.items() if topic.partitions != 3} == {"bandit_model", "candidate_lists"}
    assert all(
        int(topics[name].configs["max.message.bytes"]) >= 2 * 1024 * 1024
        for name in ("user_interactions", "dead_letters")
    )


def test_the_job_is_given_every_address_and_a_secret_salt(layout: Layout) -> None:
    settings = resolve(load_settings(None, ["local.task_managers=2"], environ={}), PLAN, layout)
    assert (settings.kafka.bootstrap, settings.redis.url) == (PLAN.kafka, PLAN.redis)
    assert settings.kafka.start == "earliest"
    assert (settings.flink.parallelism, settings.flink.buckets) == (2, 2)
    assert settings.flink.checkpoint_dir == (layout.data / "checkpoints").as_uri()
    salt = Path(settings.events.salt_file)
    assert stat.S_IMODE(salt.stat().st_mode) == 0o600
    before = salt.read_text()
    assert len(before) >= 32
    again = resolve(load_settings(environ={}), PLAN, layout)
    assert salt.read_text() == before
    assert len(settings.bandit.lineage) >= 32
    assert again.bandit.lineage == settings.bandit.lineage


def test_what_is_configured_stays(layout: Layout) -> None:
    sets = [
        "kafka.start=latest",
        "flink.parallelism=1",
        "flink.buckets=4",
        "events.salt_file=/some/salt",
        "local.task_managers=2",
    ]
    settings = resolve(load_settings(None, sets, environ={}), PLAN, layout)
    assert settings.kafka.start == "latest"
    assert (settings.flink.parallelism, settings.flink.buckets) == (1, 4)
    assert settings.events.salt_file == "/some/salt"


def test_more_task_managers_get_more_buckets(layout: Layout) -> None:
    settings = resolve(load_settings(None, ["local.task_managers=9"], environ={}), PLAN, layout)
    assert settings.flink.buckets == 9


def test_kept_data_keeps_its_number_of_buckets(layout: Layout) -> None:
    def buckets(*sets: str) -> int | None:
        return resolve(load_settings(None, sets, environ={}), PLAN, layout).flink.buckets

    assert buckets("local.task_managers=3") == 3
    assert buckets("local.task_managers=1") == 3
    for refused in ("local.task_managers=4", "flink.buckets=8"):
        with pytest.raises(UserError, match=r"^flink\.buckets: the data in .* has 3, .*heliotrope down"):
            buckets(refused)


def test_the_written_configuration_reads_back_as_it_was(layout: Layout) -> None:
    settings = resolve(load_settings(environ={}), PLAN, layout)
    write_settings(settings, layout.job_config)
    assert to_tree(load_settings(layout.job_config, environ={})) == to_tree(settings)
    assert stat.S_IMODE(layout.job_config.stat().st_mode) == 0o600
