"""The image, the compose file and the manifests, held to the rest of the repository without a container engine."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from cli.main import app
from cli.stack.brokers import BATCH_MAX_BYTES, TRANSACTION_MAX_MS
from cli.stack.class_archives import sharing
from cli.stack.flink_conf import java_options, shipped_options
from cli.stack.jars import Jar, read_lock
from jobs.secrets import SECRET_VARIABLES
from jobs.settings import load_settings, settings_from
from serving.address import check_open_door
from serving.health import CHECK_SECONDS
from state.configuration import Settings

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
YAML_FILES = sorted([*DOCKER.rglob("*.yaml"), ROOT / ".pre-commit-config.yaml"])
SERVICES = {"kafka", "redis", "topics", "jobmanager", "taskmanager", "submit", "serving"}
WRITE_KEYS = "HELIOTROPE_WRITE_KEYS"
"""The compose client makes a file of it; the command has its path, and does not read the variable."""
VARIABLE = re.compile(r"HELIOTROPE_[A-Z][A-Z0-9_]*")
# The keys that the operator takes from elsewhere in its manifest, or that only concern addresses of containers.
NOT_ON_KUBERNETES = {
    "jobmanager.bind-host",
    "taskmanager.bind-host",
    "rest.address",
    "rest.bind-address",
    "taskmanager.rpc.port",
    "parallelism.default",
    "web.submit.enable",
    "jobmanager.memory.process.size",
    "taskmanager.memory.process.size",
}


def documents(path: Path) -> list[Any]:
    return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))


def compose() -> dict[str, Any]:
    return dict(documents(DOCKER / "compose.yaml")[0])


def deployment() -> dict[str, Any]:
    return dict(documents(DOCKER / "kubernetes" / "flinkdeployment.yaml")[0])


def of_kind(kind: str) -> dict[str, Any]:
    """The one document of its kind in the manifests of the HTTP service."""
    (found,) = [one for one in documents(DOCKER / "kubernetes" / "serving.yaml") if one["kind"] == kind]
    return dict(found)


def serving_pod() -> dict[str, Any]:
    return dict(of_kind("Deployment")["spec"]["template"]["spec"])


def pod_settings() -> Settings:
    (configuration,) = documents(DOCKER / "kubernetes" / "configmap.yaml")
    return settings_from(yaml.safe_load(configuration["data"]["heliotrope.yaml"]))


def serve_options(command: list[str]) -> tuple[tuple[str, ...], int | None]:
    """What a call of `heliotrope serve` sets, as `--set` has it, and its port; the verb takes all of it."""
    assert command[:2] == ["heliotrope", "serve"]
    verbs: Any = get_command(app)
    given = verbs.commands["serve"].make_context("serve", command[2:]).params
    return tuple(f"serving.{name}={given[name]}" for name in ("host", "port") if given[name] is not None), given["port"]


def container_options() -> dict[str, Any]:
    return dict(documents(DOCKER / "conf" / "flink.yaml")[0])


def pinned(package: str) -> str:
    """The version that pyproject.toml pins."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return next(str(line).partition("==")[2] for line in project["dependencies"] if line.startswith(f"{package}=="))


def locked(artifact: str) -> Jar:
    return next(jar for jar in read_lock() if f":{artifact}:" in jar.coordinate)


def build_arguments() -> dict[str, set[str]]:
    """All defaults of the Dockerfile's arguments, by name."""
    text = (DOCKER / "Dockerfile").read_text(encoding="utf-8")
    found: dict[str, set[str]] = {}
    for name, value in re.findall(r"^ARG (\w+)=(\S+)$", text, re.MULTILINE):
        found.setdefault(name, set()).add(value)
    return found


def variables_used() -> Iterator[tuple[Path, str]]:
    for path in sorted(DOCKER.rglob("*")):
        if path.is_file() and path.name != ".env" and "__pycache__" not in path.parts:
            for name in VARIABLE.findall(path.read_text(encoding="utf-8")):
                yield path, name


@pytest.mark.parametrize("path", YAML_FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_file_is_yaml_without_repeated_keys(path: Path) -> None:
    class Strict(yaml.SafeLoader):
        """PyYAML lets the last of two equal keys win in silence; Flink and Kubernetes refuse them."""

        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
            keys = [key.value for key, _ in node.value if key.value != "<<"]
            assert len(keys) == len(set(keys)), f"repeated key at {node.start_mark}"
            return super().construct_mapping(node, deep)  # type: ignore[no-any-return, unused-ignore]

    assert any(document is not None for document in yaml.load_all(path.read_text(encoding="utf-8"), Loader=Strict))


def test_compose_has_the_documented_services() -> None:
    services = compose()["services"]
    assert set(services) == SERVICES
    text = (DOCKER / "README.md").read_text(encoding="utf-8")
    for name in ("Kafka", "Redis", "JobManager", "TaskManagers", "`topics`", "`submit`", "`serving`"):
        assert name in text
    assert services["taskmanager"]["deploy"]["replicas"] == 2
    assert shipped_options()["taskmanager.numberOfTaskSlots"] == 1
    assert container_options()["parallelism.default"] == 2


def test_the_readme_says_that_nothing_has_been_run() -> None:
    assert "No container engine was available" in (DOCKER / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_services_are_healthy_or_end(name: str) -> None:
    service = compose()["services"][name]
    one_shot = name in {"topics", "submit"}
    assert ("healthcheck" in service) is not one_shot
    assert service["restart"] == ("on-failure:5" if one_shot else "unless-stopped")
    for other, wanted in service.get("depends_on", {}).items():
        ends = other in {"topics", "submit"}
        assert wanted["condition"] == ("service_completed_successfully" if ends else "service_healthy")


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_ports_are_published_on_loopback_only(name: str) -> None:
    service = compose()["services"][name]
    assert "network_mode" not in service
    for port in service.get("ports", []):
        assert re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port)


def test_every_volume_and_secret_is_declared_and_state_is_shared() -> None:
    tree = compose()
    named = {mount.partition(":")[0] for one in tree["services"].values() for mount in one.get("volumes", [])}
    files = {name for name in named if name.startswith(".")}
    assert named - files == set(tree["volumes"])
    assert all((DOCKER / name).is_file() for name in files)
    assert {name for one in tree["services"].values() for name in one.get("secrets", [])} == set(tree["secrets"])
    folder = "file:///opt/heliotrope/state/"
    assert container_options()["execution.checkpointing.dir"].startswith(folder)
    for name in ("jobmanager", "taskmanager", "submit"):
        assert "state:/opt/heliotrope/state" in tree["services"][name]["volumes"]


def test_no_secret_is_inside() -> None:
    assert {tuple(secret) for secret in compose()["secrets"].values()} == {("environment",)}
    assert {secret["environment"] for secret in compose()["secrets"].values()} == SECRET_VARIABLES | {WRITE_KEYS}
    for line in (DOCKER / ".env.example").read_text(encoding="utf-8").splitlines():
        assert line.startswith("#") or line.endswith("=")
    (secret,) = documents(DOCKER / "kubernetes" / "secret.yaml")
    assert secret["kind"] == "Secret"
    assert not secret.keys() & {"data", "stringData"}


def test_the_image_is_of_the_pinned_flink() -> None:
    version = pinned("apache-flink")
    assert build_arguments()["FLINK_VERSION"] == {version}
    assert "\nFROM flink:${FLINK_VERSION}-java17\n" in (DOCKER / "Dockerfile").read_text(encoding="utf-8")
    spec = deployment()["spec"]
    assert spec["flinkVersion"] == "v" + "_".join(version.split(".")[:2])
    assert spec["job"]["jarURI"].endswith(f"/flink-python-{version}.jar")


def test_the_image_has_the_projects_python() -> None:
    (version,) = build_arguments()["PYTHON_VERSION"]
    assert version.startswith("3.11.")
    assert "/python3.11/" in " ".join(deployment()["spec"]["job"]["args"])


def test_jars_and_brokers_are_the_pinned_ones() -> None:
    connector = locked("flink-sql-connector-kafka")
    assert build_arguments()["KAFKA_CONNECTOR_VERSION"] == {connector.coordinate.rpartition(":")[2]}
    assert build_arguments()["KAFKA_CONNECTOR_SHA256"] == {connector.sha256}
    broker = locked("kafka_2.13").coordinate.rpartition(":")[2]
    assert compose()["services"]["kafka"]["image"] == f"apache/kafka:{broker}"


def test_the_image_installs_by_hash_and_does_not_run_as_root() -> None:
    text = (DOCKER / "Dockerfile").read_text(encoding="utf-8")
    assert "pip install --require-hashes -r /src/requirements.lock" in text
    assert re.findall(r"^USER (\S+)$", text, re.MULTILINE)[-1] == "9999:9999"
    assert "sha256sum --check" in text


def test_everything_that_is_copied_exists_and_is_let_through() -> None:
    text = (DOCKER / "Dockerfile").read_text(encoding="utf-8")
    let_through = [
        line[1:]
        for line in (DOCKER / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
        if line.startswith("!")
    ]
    for sources in re.findall(r"^COPY (?!--)(.+) \S+$", text, re.MULTILINE):
        for source in sources.split():
            assert (ROOT / source).exists()
            assert any(source == name or source.startswith(f"{name}/") for name in let_through)


def test_the_broker_takes_what_the_job_writes() -> None:
    environment = compose()["services"]["kafka"]["environment"]
    assert environment["KAFKA_MESSAGE_MAX_BYTES"] == BATCH_MAX_BYTES
    assert environment["KAFKA_TRANSACTION_MAX_TIMEOUT_MS"] == TRANSACTION_MAX_MS
    assert environment["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"


def test_every_variable_is_a_configuration_key_or_a_secret() -> None:
    used = list(variables_used())
    assert {name for _, name in used} > SECRET_VARIABLES
    examples = {"KAFKA__BOOTSTRAP": "kafka:9092", "REDIS__URL": "redis://redis:6379/0"}
    for path, name in used:
        if name == WRITE_KEYS:
            continue
        assert name in SECRET_VARIABLES or "__" in name, f"{path.name}: {name} would be ignored"
        load_settings(environ={name: examples.get(name.removeprefix("HELIOTROPE_"), "/a/path")})


def test_the_containers_settings_load() -> None:
    environment = {
        name: str(value) for name, value in compose()["x-job-environment"].items() if name.startswith("HELIOTROPE_")
    }
    settings = load_settings(DOCKER / "conf" / "heliotrope.yaml", environ=environment)
    assert settings.kafka.bootstrap == "kafka:9092"
    assert settings.kafka.start == "earliest"
    secrets = compose()["secrets"]
    for path in (settings.redis.password_file, settings.events.salt_file):
        assert path.removeprefix("/run/secrets/") in secrets


def test_the_manifests_settings_load_and_name_mounted_secrets() -> None:
    (configuration,) = documents(DOCKER / "kubernetes" / "configmap.yaml")
    settings = settings_from(yaml.safe_load(configuration["data"]["heliotrope.yaml"]))
    assert settings.kafka.start == "latest"
    pod = deployment()["spec"]["podTemplate"]["spec"]
    (container,) = pod["containers"]
    assert container["name"] == "flink-main-container"
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert set(mounts) == {volume["name"] for volume in pod["volumes"]}
    (items,) = [volume["secret"]["items"] for volume in pod["volumes"] if "secret" in volume]
    paths = {f"{mounts['secrets']}/{item['path']}" for item in items}
    assert paths == {settings.redis.password_file, settings.events.salt_file}
    arguments = deployment()["spec"]["job"]["args"]
    assert arguments[-1] == f"{mounts['configuration']}/{next(iter(configuration['data']))}"


def test_container_options_add_to_the_shipped_ones_and_repeat_none() -> None:
    assert not shipped_options().keys() & container_options().keys()
    flags = str(container_options()["env.java.opts.all"])
    shared = tuple(flags.removeprefix(java_options()).split())
    assert flags.startswith(java_options())
    assert shared == sharing(Path("/opt/heliotrope/flink.jsa"))
    assert " /opt/flink/lib /opt/heliotrope/flink.jsa\n" in (DOCKER / "Dockerfile").read_text(encoding="utf-8")


def test_kubernetes_has_the_same_flink_options() -> None:
    options = deployment()["spec"]["flinkConfiguration"]
    assert all(isinstance(value, str) for value in options.values()), "the operator takes strings only"
    wanted = {**shipped_options(), **container_options()}
    for key in wanted.keys() - NOT_ON_KUBERNETES:
        assert yaml.safe_load(options[key]) == wanted[key], key
    assert options["high-availability.type"] == "kubernetes"
    resources = {name: deployment()["spec"][name]["resource"]["memory"] for name in ("jobManager", "taskManager")}
    assert resources["jobManager"] == wanted["jobmanager.memory.process.size"]
    assert resources["taskManager"] == wanted["taskmanager.memory.process.size"]


def test_pods_are_not_root() -> None:
    (topics,) = documents(DOCKER / "kubernetes" / "topics.yaml")
    for pod in (deployment()["spec"]["podTemplate"]["spec"], topics["spec"]["template"]["spec"], serving_pod()):
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["containers"][0]["securityContext"]["allowPrivilegeEscalation"] is False
    assert topics["spec"]["template"]["spec"]["containers"][0]["image"] == deployment()["spec"]["image"]
    assert compose()["x-job"]["image"] == deployment()["spec"]["image"]
    assert serving_pod()["containers"][0]["image"] == deployment()["spec"]["image"]


def test_the_composed_service_listens_with_keys_and_ends_what_it_began() -> None:
    service = compose()["services"]["serving"]
    options, port = serve_options(service["command"])
    assert port == 8080
    environment = {name: str(value) for name, value in service["environment"].items()}
    settings = load_settings(DOCKER / "conf" / "heliotrope.yaml", options, environment)
    check_open_door(settings.serving)
    assert settings.serving.write_keys_file.removeprefix("/run/secrets/") in service["secrets"]
    assert settings.redis.password_file.removeprefix("/run/secrets/") in service["secrets"]
    assert service["stop_grace_period"] == "30s"
    assert settings.serving.stop_timeout_ms < 30_000
    assert f"http://localhost:{port}/readyz" in service["healthcheck"]["test"][-1]
    assert service["ports"] == [f"127.0.0.1:{port}:{port}"]


def test_the_manifests_service_listens_with_keys_and_ends_what_it_began() -> None:
    serving = pod_settings().serving
    check_open_door(serving)
    pod, (container,) = serving_pod(), serving_pod()["containers"]
    assert serve_options(container["command"])[0] == ()
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert set(mounts) == {volume["name"] for volume in pod["volumes"]}
    (items,) = [volume["secret"]["items"] for volume in pod["volumes"] if "secret" in volume]
    wanted = {serving.write_keys_file, pod_settings().redis.password_file}
    assert {f"{mounts['secrets']}/{item['path']}" for item in items} == wanted
    assert container["command"][-1] == f"{mounts['configuration']}/heliotrope.yaml"
    assert container["ports"] == [{"name": "http", "containerPort": serving.port}]
    pause_s = int(container["lifecycle"]["preStop"]["exec"]["command"][-1])
    assert pause_s + 2 * serving.stop_timeout_ms / 1_000 < pod["terminationGracePeriodSeconds"]
    annotations = of_kind("Deployment")["spec"]["template"]["metadata"]["annotations"]
    assert annotations["prometheus.io/port"] == str(serving.port)


def test_a_fault_that_all_pods_share_takes_none_of_them_out() -> None:
    (container,) = serving_pod()["containers"]
    paths = {name: container[name]["httpGet"]["path"] for name in ("startupProbe", "readinessProbe", "livenessProbe")}
    assert paths == {"startupProbe": "/readyz", "readinessProbe": "/healthz", "livenessProbe": "/healthz"}
    assert container["startupProbe"]["timeoutSeconds"] > CHECK_SECONDS


def test_the_service_is_found_scaled_and_kept_by_its_label() -> None:
    label = {"app": "heliotrope-serving"}
    assert of_kind("Deployment")["spec"]["selector"] == {"matchLabels": label}
    assert of_kind("Deployment")["spec"]["template"]["metadata"]["labels"] == label
    assert of_kind("Service")["spec"]["selector"] == label
    assert of_kind("PodDisruptionBudget")["spec"]["selector"] == {"matchLabels": label}
    scaler = of_kind("HorizontalPodAutoscaler")["spec"]
    assert scaler["scaleTargetRef"]["name"] == of_kind("Deployment")["metadata"]["name"]
    assert scaler["minReplicas"] > of_kind("PodDisruptionBudget")["spec"]["maxUnavailable"]
    assert "cpu" in serving_pod()["containers"][0]["resources"]["requests"], "utilization is a share of it"
    assert "replicas" not in of_kind("Deployment")["spec"], "two would have the number"


def test_hooks_run_from_the_virtual_environment_and_fetch_nothing() -> None:
    (configuration,) = documents(ROOT / ".pre-commit-config.yaml")
    (local,) = configuration["repos"]
    assert local["repo"] == "local"
    assert [hook["id"] for hook in local["hooks"]] == ["ruff-check", "ruff-format", "mypy"]
    for hook in local["hooks"]:
        assert hook["language"] == "system"
        assert hook["entry"].startswith(".venv/bin/")
