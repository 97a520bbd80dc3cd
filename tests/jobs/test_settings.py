"""The configuration: what is shipped equals the code's defaults, and what is wrong is refused by name."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from jobs.errors import ConfigurationError, SecretError
from jobs.secrets import SECRET_VARIABLES, kafka_client_properties, kafka_graph_properties, redis_password, user_salt
from jobs.settings import load_settings, settings_from, to_tree
from jobs.settings_rules import start_mode
from state.configuration import Section, Settings

CONF = Path(__file__).parents[2] / "conf"
SHIPPED = CONF / "heliotrope.yaml"
NONE: dict[str, str] = {}


def leaves(tree: dict[str, Any], path: str = "") -> dict[str, Any]:
    """The values of a tree by their dotted keys; an empty section is a value."""
    found: dict[str, Any] = {}
    for key, value in tree.items():
        where = f"{path}.{key}" if path else key
        if isinstance(value, dict) and value:
            found |= leaves(value, where)
        else:
            found[where] = value
    return found


def load(*sets: str, path: Path | None = None, environ: dict[str, str] | None = None) -> Settings:
    return load_settings(path, sets, NONE if environ is None else environ)


def file_with(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "heliotrope.yaml"
    path.write_text(text, encoding="utf-8")
    return path


# What is shipped


def test_the_shipped_file_has_every_key_with_the_codes_default() -> None:
    shipped = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    assert set(leaves(shipped)) == set(leaves(to_tree(Settings())))
    assert load(path=SHIPPED) == load() == Settings()


def test_every_key_has_a_comment() -> None:
    """On its own line, or on that of its section where one comment serves them all, as with the names of topics."""
    missing: list[str] = []
    sections: list[tuple[int, bool]] = []  # indent and whether it has a comment, outermost first
    for line in SHIPPED.read_text(encoding="utf-8").splitlines():
        if key := re.match(r"^( *)(\w+):( *)([^# ]?)", line):
            indent, commented = len(key[1]), "#" in line
            sections = [section for section in sections if section[0] < indent]
            if not key[4]:
                sections.append((indent, commented))
            elif not commented and not sections[-1][1]:
                missing.append(key[2])
    assert missing == []


def test_the_papers_settings_load() -> None:
    paper = load(path=CONF / "paper.yaml")
    assert paper.bandit.order_by == "score"
    assert (paper.bandit.policy, paper.bandit.epsilon, paper.reward.aggregate) == ("epsilon_greedy", 0.2, "max")
    assert (paper.variety.category_share, paper.variety.personal_share) == (1, 1)
    assert (paper.variety.times_shown, paper.variety.hide_bought) == (0, False)
    assert paper.session.ttl_ms == 48 * 3_600_000


def test_sections_are_immutable_and_their_keys_have_no_unit() -> None:
    with pytest.raises(AttributeError):
        Settings().bandit.epsilon = 0.5  # type: ignore[misc]
    assert not any(key.endswith("_ms") for key in leaves(to_tree(Settings())))
    assert issubclass(Settings, Section)


def test_a_tree_of_settings_gives_them_back() -> None:
    settings = load("session.ttl=50h", "kafka.start=latest", "bandit.half_life=7 d", "kafka.properties={a.b: c}")
    assert settings_from(to_tree(settings)) == settings


# Which of several values counts


def test_the_file_is_weaker_than_the_environment_and_that_than_set(tmp_path: Path) -> None:
    path = file_with(tmp_path, "bandit: {epsilon: 0.1, ridge: 2.0, shards: 8}\n")
    environ = {"HELIOTROPE_BANDIT__EPSILON": "0.3", "HELIOTROPE_BANDIT__RIDGE": "3"}
    bandit = load("bandit.epsilon=0.4", path=path, environ=environ).bandit
    assert (bandit.epsilon, bandit.ridge, bandit.shards) == (0.4, 3.0, 8)
    assert bandit.max_products == Settings().bandit.max_products


def test_the_last_of_several_sets_counts() -> None:
    assert load("bandit.epsilon=0.1", "bandit.epsilon=0.7").bandit.epsilon == 0.7


def test_the_environment_reaches_every_depth() -> None:
    environ = {"HELIOTROPE_KAFKA__TOPICS__PRODUCTS": "articles", "HELIOTROPE_REWARD__WEIGHTS__THUMB": "2"}
    settings = load(environ=environ)
    assert settings.kafka.topics.products == "articles"
    assert settings.reward.weights.thumb == 2.0


def test_other_variables_and_secrets_are_no_keys() -> None:
    environ = {"PATH": "/bin", "HELIOTROPE_REDIS_PASSWORD": "p", "HELIOTROPE_USER_SALT": "s", "HELIOTROPE": "x"}
    assert load(environ=environ) == Settings()


def test_an_empty_section_and_an_empty_file_are_the_defaults(tmp_path: Path) -> None:
    assert load(path=file_with(tmp_path, "")) == Settings()
    assert load(path=file_with(tmp_path, "bandit:\nsession:\n  decay:\n")) == Settings()


# What is refused, and what is said


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("bandit.epsilom", "did you mean epsilon"),
        ("bandits.epsilon", "did you mean bandit"),
        ("session.decay.factr", "did you mean factor"),
        ("session.ttl_ms", "did you mean ttl"),
        ("nonsense", "accepted here: bandit"),
    ],
)
def test_an_unknown_key_is_refused_with_what_is_accepted(key: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as refused:
        load(f"{key}=1")
    assert f"unknown key {key.split('.')[0]}" in str(refused.value)


@pytest.mark.parametrize("where", ["file", "environment", "set"])
def test_an_unknown_key_is_refused_from_everywhere(tmp_path: Path, where: str) -> None:
    path = file_with(tmp_path, "bandit: {colour: 1}\n") if where == "file" else None
    environ = {"HELIOTROPE_BANDIT__COLOUR": "1"} if where == "environment" else {}
    sets = ["bandit.colour=1"] if where == "set" else []
    with pytest.raises(ConfigurationError, match=r"unknown key bandit\.colour"):
        load(*sets, path=path, environ=environ)


@pytest.mark.parametrize(
    ("assignment", "accepts"),
    [
        ("bandit.epsilon=1.5", "<= 1"),
        ("bandit.epsilon=-0.1", ">= 0"),
        ("bandit.epsilon=much", "float"),
        ("bandit.policy=best", "best"),
        ("session.max_events=1", ">= 2"),
        ("session.decay.factor=1", "< 1"),
        ("profile.items=21", "<= 20"),
        ("redis.batch=0", ">= 1"),
        ("local.kafka_port=65536", "<= 65535"),
        ("kafka.transaction_timeout=16 min", "<= 900000"),
        ("kafka.topics.products=''", "length >= 1"),
        ("kafka.topics.products='a topic'", "regex"),
        ("reward.weights.checkout=-1", ">= 0"),
        ("flink.max_parallelism=1", ">= 128"),
        ("session.ttl=0", ">= 1"),
        ("bandit.seed=-1", ">= 0"),
    ],
)
def test_a_value_out_of_range_is_refused_with_its_key_and_what_it_accepts(assignment: str, accepts: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load(assignment)
    message = str(refused.value)
    assert message.startswith(assignment.partition("=")[0])
    assert accepts in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("sets", "key"),
    [
        (("events.allowed_lateness=49 h",), "events.allowed_lateness"),
        (("bandit.half_life=10 min",), "bandit.half_life"),
        (("session.warming_after=5", "session.active_after=4"), "session.active_after"),
        (("redis.block_max=2 min", "redis.socket_timeout=20 s"), "redis.block_max"),
        (("kafka.start=yesterday",), "kafka.start"),
        (("popularity.slide=7 min",), "popularity.window"),
        (("popularity.window=2 h", "popularity.slide=1 s"), "popularity.slide"),
        (("popularity.tracked=20",), "popularity.tracked"),
        (("flink.buckets=8", "flink.parallelism=9"), "flink.buckets"),
        (("flink.buckets=8", "local.task_managers=9"), "flink.buckets"),
        (("flink.buckets=129", "flink.max_parallelism=128"), "flink.buckets"),
    ],
)
def test_values_that_do_not_go_together_are_refused(sets: tuple[str, ...], key: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{re.escape(key)}: "):
        load(*sets)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("bandit: [1, 2", "is not YAML"),
        ("- bandit", "must hold sections"),
        ("bandit: 3", "bandit must be a section"),
        ("session: {decay: fast}", r"session\.decay must be a section"),
    ],
)
def test_a_file_of_another_form_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        load(path=file_with(tmp_path, text))


def test_a_file_that_is_not_there_or_not_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot read"):
        load(path=tmp_path / "missing.yaml")
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(ConfigurationError, match="is not YAML"):
        load(path=tmp_path / "bytes.yaml")


def test_a_set_without_a_value_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="write it as KEY=VALUE"):
        load("bandit.epsilon")
    with pytest.raises(ConfigurationError, match="is a value, not a section"):
        load("bandit.epsilon=0.1", "bandit.epsilon.more=1")


# Durations


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("1500", 1_500),
        ("1500 ms", 1_500),
        ("20s", 20_000),
        (" 1.5 s ", 1_500),
        ("30 min", 1_800_000),
        ("50 h", 180_000_000),
        ("7 d", 604_800_000),
    ],
)
def test_durations(text: str, milliseconds: int) -> None:
    assert load(f"local.start_timeout={text}").local.start_timeout_ms == milliseconds


@pytest.mark.parametrize("text", ["30 m", "30 minutes", "-5 s", "soon", "5 S", "1 h 30 min"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^reward\.window: .* is not a duration; use .*min"):
        load(f"reward.window={text}")


def test_the_second_level_of_overload_does_not_come_before_the_first() -> None:
    with pytest.raises(ConfigurationError, match=r"^overload\.fewer_candidates_after: must be at least overload\.spac"):
        load("overload.spacing_after=6 s")
    assert load("overload.spacing_after=5 s").overload.spacing_after_ms == 5_000


@pytest.mark.parametrize("assignment", ["profile.min_interval=61 s", "overload.spacing=61 s", "overload.candidates=0"])
def test_what_is_beyond_its_bounds_is_refused_by_name(assignment: str) -> None:
    with pytest.raises(ConfigurationError, match="^" + re.escape(assignment.partition("=")[0])):
        load(assignment)


def test_a_duration_may_be_absent_only_where_that_has_a_meaning() -> None:
    assert load("bandit.half_life=null").bandit.half_life_ms is None
    assert load("reward.window=null") == Settings()


# Where a new job begins


@pytest.mark.parametrize("mode", ["auto", "earliest", "latest"])
def test_start_by_name(mode: str) -> None:
    assert start_mode(load(f"kafka.start={mode}").kafka.start) == mode


@pytest.mark.parametrize(
    "text", ["1795737600000", "2026-11-27T00:00:00+00:00", "2026-11-27T00:00:00Z", "2026-11-27T01:00:00+01:00"]
)
@pytest.mark.parametrize("where", ["set", "file"])
def test_start_by_time(tmp_path: Path, text: str, where: str) -> None:
    expected = int(datetime(2026, 11, 27, tzinfo=UTC).timestamp() * 1_000)
    path = file_with(tmp_path, f"kafka: {{start: {text}}}\n") if where == "file" else None
    settings = load(*([f"kafka.start={text}"] if where == "set" else []), path=path)
    assert start_mode(settings.kafka.start) == expected


@pytest.mark.parametrize("text", ["2026-11-27T00:00:00", "2026-11-27", "newest", "-5", "1.5"])
def test_a_start_that_is_not_clear_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^kafka\.start: "):
        load(f"kafka.start={text}")


# Secrets


@pytest.fixture
def no_secret_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SECRET_VARIABLES:
        monkeypatch.delenv(name, raising=False)


def with_secret_files(tmp_path: Path) -> Settings:
    for name in ("password", "salt"):
        (tmp_path / name).write_text(f"{name}-in-file\n", encoding="utf-8")
    (tmp_path / "client").write_text("# secret\n\nsasl.jaas.config = user=a password=b;\n", encoding="utf-8")
    return load(
        f"redis.password_file={tmp_path / 'password'}",
        f"events.salt_file={tmp_path / 'salt'}",
        f"kafka.properties_file={tmp_path / 'client'}",
        "kafka.properties={security.protocol: SASL_SSL}",
    )


@pytest.mark.usefixtures("no_secret_variables")
def test_secrets_come_from_files(tmp_path: Path) -> None:
    settings = with_secret_files(tmp_path)
    assert redis_password(settings) == "password-in-file"
    assert user_salt(settings) == b"salt-in-file"
    assert kafka_client_properties(settings) == {
        "security.protocol": "SASL_SSL",
        "sasl.jaas.config": "user=a password=b;",
    }


def test_the_environment_is_stronger_than_a_secrets_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELIOTROPE_REDIS_PASSWORD", "from-environment")
    monkeypatch.setenv("HELIOTROPE_USER_SALT", "salt-from-environment")
    settings = with_secret_files(tmp_path)
    assert redis_password(settings) == "from-environment"
    assert user_salt(settings) == b"salt-from-environment"


@pytest.mark.usefixtures("no_secret_variables")
def test_without_a_secret_there_is_none() -> None:
    assert redis_password(Settings()) is None
    assert user_salt(Settings()) == b""
    assert kafka_client_properties(Settings()) == {}


@pytest.mark.usefixtures("no_secret_variables")
def test_a_secrets_file_that_cannot_be_read_is_named_by_its_key(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    with pytest.raises(SecretError, match=r"^redis\.password_file: "):
        redis_password(load(f"redis.password_file={missing}"))
    with pytest.raises(SecretError, match=r"^events\.salt_file: "):
        user_salt(load(f"events.salt_file={missing}"))
    (tmp_path / "client").write_text("no assignment, but a secret\n", encoding="utf-8")
    with pytest.raises(SecretError, match=r"^kafka\.properties_file: ") as refused:
        kafka_client_properties(load(f"kafka.properties_file={tmp_path / 'client'}"))
    assert "secret" not in str(refused.value)


@pytest.mark.usefixtures("no_secret_variables")
def test_the_graph_has_references_in_place_of_the_files_values(tmp_path: Path) -> None:
    settings = with_secret_files(tmp_path)
    found = kafka_graph_properties(settings, "a.FileProvider")
    assert found == {
        "security.protocol": "SASL_SSL",
        "sasl.jaas.config": f"${{heliotrope:{tmp_path / 'client'}:sasl.jaas.config}}",
        "config.providers": "heliotrope",
        "config.providers.heliotrope.class": "a.FileProvider",
    }
    own = load("kafka.properties={config.providers: vault}", f"kafka.properties_file={tmp_path / 'client'}")
    assert kafka_graph_properties(own, "a.FileProvider")["config.providers"] == "vault,heliotrope"
    assert kafka_graph_properties(Settings(), "a.FileProvider") == {}


def test_a_path_that_a_reference_cannot_hold_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a:b").write_text("sasl.mechanism=PLAIN\n")
    with pytest.raises(ConfigurationError, match=r"^kafka\.properties_file: "):
        kafka_graph_properties(load(f"kafka.properties_file={tmp_path / 'a:b'}"), "a.FileProvider")


def test_secrets_are_never_in_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELIOTROPE_REDIS_PASSWORD", "hidden-1")
    monkeypatch.setenv("HELIOTROPE_USER_SALT", "hidden-2")
    with_secret_files(tmp_path)
    settings = load_settings(
        None, [f"redis.password_file={tmp_path / 'password'}", f"kafka.properties_file={tmp_path / 'client'}"]
    )
    redis_password(settings)
    user_salt(settings)
    kafka_client_properties(settings)
    shown = repr(settings) + msgspec.json.encode(to_tree(settings)).decode()
    for secret in ("hidden-1", "hidden-2", "password-in-file", "password=b"):
        assert secret not in shown


# Business rules


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"pin": [{"product": "p"}]}, r"rules\.pin\[0\]: .*`position`"),
        ({"pin": [{"product": "p", "position": 20}]}, r"rules\.pin\[0\]\.position: .*<= 19"),
        ({"pin": [{"product": "", "position": 0}]}, r"rules\.pin\[0\]\.product: "),
        ({"pin": [{"product": 7, "position": 0}]}, r"rules\.pin\[0\]\.product: .*put it in quotes"),
        ({"pin": [{"product": "p", "place": 0}]}, r"rules\.pin\[0\]: .*`place`"),
        ({"pin": [{"product": f"p{i}", "position": 0, "category": f"c{i}"} for i in range(101)]}, r"rules\.pin: .*100"),
        (
            {"pin": [{"product": "p", "position": 1}, {"product": "q", "position": 1}]},
            "place and category must not be named",
        ),
        (
            {"pin": [{"product": "p", "position": 1}, {"product": "p", "position": 2}]},
            "product and category must not be",
        ),
        (
            {"pin": [{"product": "p", "position": 0}], "block": {"products": ["p"]}},
            r"rules\.pin\[0\]\.product: p is in",
        ),
        (
            {"only": [{"product": "p", "category": "c"}], "block": {"products": ["p"]}},
            r"rules\.only\[0\]\.product: p is in rules\.block\.products",
        ),
        (
            {"only": [{"product": "p", "category": "c"}], "pin": [{"product": "p", "position": 0}]},
            r"rules\.pin\[0\]\.category: p is shown only in c by rules\.only",
        ),
        (
            {"only": [{"product": "p", "category": "c"}] * 2},
            r"rules\.only: a product and category must not be named twice",
        ),
        ({"bury": [{"factor": 0.5}]}, r"rules\.bury\[0\]: must name either"),
        ({"bury": [{"product": "p", "category": "c", "factor": 0.5}]}, r"rules\.bury\[0\]: must name either"),
        ({"bury": [{"product": "p"}]}, r"rules\.bury\[0\]: must have a factor below 1"),
        ({"bury": [{"product": "p", "factor": 1.5}]}, r"rules\.bury\[0\]\.factor: .*<= 1"),
        ({"bury": [{"product": "p", "offset": 0.5}]}, r"rules\.bury\[0\]\.offset: .*<= 0"),
        (
            {"bury": [{"product": "p", "factor": 0.5}, {"product": "p", "factor": 0.1}]},
            "must not be named twice, as p is",
        ),
        ({"block": {"products": ["x"] * 101}}, r"rules\.block\.products: .*100"),
        ({"block": {"product": ["x"]}}, r"unknown key rules\.block\.product: did you mean products\?"),
    ],
)
def test_rules_that_cannot_hold_are_refused(rules: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        settings_from({"rules": rules})


def test_a_pin_must_stand_within_the_list() -> None:
    with pytest.raises(ConfigurationError, match=r"below profile\.items, which is 5"):
        settings_from({"profile": {"items": 5}, "rules": {"pin": [{"product": "p", "position": 5}]}})


def test_rules_from_the_command_line() -> None:
    rules = load("rules.block.categories=[c1, c2]", "rules.pin=[{product: p, position: 0}]").rules
    assert rules.block.categories == ["c1", "c2"]
    assert (rules.pin[0].product, rules.pin[0].category) == ("p", "")
    assert settings_from(to_tree(load("rules.block.categories=[c1]"))).rules.block.categories == ["c1"]


@pytest.mark.parametrize("password", ["p@ss/w#rd", "a/b", "a#b", "a?b", "[b", "pa:s@s"])
def test_a_password_that_is_not_percent_encoded_is_refused_and_not_printed(password: str) -> None:
    with pytest.raises(ConfigurationError, match=r"redis\.url: .*percent-encoded.*redis\.password_file") as refused:
        load(f"redis.url=redis://:{password}@host:6379/0")
    assert password not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "host:6379",
        "http://host",
        "redis://host:port/0",
        "redis://host:99999/0",
        "redis://:s3cret:x:y",
        "redis+cluster://host:7000/1",
        "redis+cluster://s3cret:x:y:7000,",
        "redis+cluster://host:port",
    ],
)
def test_a_url_that_is_none_of_a_redis_is_refused_and_not_printed(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"redis\.url") as refused:
        load(f"redis.url={url}")
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "redis://host",
        "redis://u:p%40ss@host:6379/1",
        "rediss://[::1]:6379/0?ssl_ca_certs=/a",
        "unix:///run/a@b.sock?db=1",
        "redis+cluster://u:p%40ss@a:7000,b:7001,c",
        "rediss+cluster://[::1]:7000?ssl_ca_certs=/a",
    ],
)
def test_a_url_of_a_redis_is_taken(url: str) -> None:
    assert load(f"redis.url={url}").redis.url == url
