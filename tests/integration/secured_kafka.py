"""A real broker that speaks TLS alone and asks for a login, with certificates of its own."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from cli.kafka_security import security_options
from cli.stack import brokers, jars
from cli.stack.java import find_java_home
from cli.stack.layout import prepare
from cli.stack.ports import choose
from cli.stack.services import STORAGE_TOOL, kafka_command
from cli.stack.topics import broker_answers
from jobs.java_properties import read_properties
from jobs.settings import load_settings
from tests.certificates import PASSWORD, Authority

MEMORY_MB = 256
LOGIN_SECRET = "login-secret-of-the-test"
START_SECONDS = 180


class SecuredKafka(NamedTuple):
    """Its address, and files of client properties for a user of PLAIN and for one of SCRAM."""

    bootstrap: str
    plain: Path
    scram: Path
    logs: Path


def _properties(layout_properties: dict[str, str | int], port: int, inner: int, store: Path) -> dict[str, str | int]:
    """The embedded broker's, with a listener for clients in place of its plain one; brokers have a plain one among themselves."""
    controller = str(layout_properties["listeners"]).rpartition("CONTROLLER://")[2]
    plain = f'org.apache.kafka.common.security.plain.PlainLoginModule required user_svc="{LOGIN_SECRET}";'
    scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
    return layout_properties | {
        "listeners": f"CLIENT://127.0.0.1:{port},INNER://127.0.0.1:{inner},CONTROLLER://{controller}",
        "advertised.listeners": f"CLIENT://127.0.0.1:{port},INNER://127.0.0.1:{inner}",
        "listener.security.protocol.map": "CLIENT:SASL_SSL,INNER:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "INNER",
        "listener.name.client.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512",
        "listener.name.client.plain.sasl.jaas.config": plain,
        "listener.name.client.scram-sha-512.sasl.jaas.config": scram,
        "ssl.keystore.location": str(store),
        "ssl.keystore.password": PASSWORD,
        "ssl.key.password": PASSWORD,
        "ssl.keystore.type": "PKCS12",
    }


def _client(folder: Path, name: str, login: str, store: str) -> Path:
    """A file as a person writes it: with lines that go on, a colon, comments."""
    path = folder / f"{name}.properties"
    path.write_text(
        f"""# of the shop's service
security.protocol: SASL_SSL
{login}
  password="{LOGIN_SECRET}";
{store}
"""
    )
    path.chmod(0o600)
    return path


@contextmanager
def secured_kafka(folder: Path) -> Iterator[SecuredKafka]:
    """Starts the broker and waits until a client can log in."""
    authority = Authority.make(folder)
    store, _ = authority.identity("broker")
    layout, java_home, taken = prepare(folder / "broker"), find_java_home(""), set[int]()
    port, inner, controller = (choose(0, "local.kafka_port", taken) for _ in range(3))
    properties = _properties(brokers.kafka_properties(layout, port, controller), port, inner, store)
    brokers.write_kafka(layout, port, controller)
    file = layout.run / "kafka.properties"
    file.write_text("".join(f"{key}={value}\n" for key, value in properties.items()))
    own_jars = [jar for jar in jars.installed() if "flink" not in jar.name]
    scram = f"SCRAM-SHA-512=[name=svc,password={LOGIN_SECRET}]"
    format_log = kafka_command(java_home, layout, own_jars, STORAGE_TOOL, 64)
    subprocess.run(
        [*format_log, "format", "-t", brokers.CLUSTER_ID, "-c", str(file), "--add-scram", scram],
        check=True,
        capture_output=True,
        env=os.environ,
    )
    plain_login = (
        "sasl.mechanism=PLAIN\nsasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \\\n"
        '  username="svc" \\'
    )
    scram_login = (
        "sasl.mechanism=SCRAM-SHA-512\nsasl.jaas.config = org.apache.kafka.common.security.scram.ScramLoginModule required \\\n"
        '  username="svc" \\'
    )
    pkcs12 = f"ssl.truststore.type=PKCS12\nssl.truststore.location={authority.truststore}\nssl.truststore.password={PASSWORD}"
    pem = f"ssl.truststore.type=PEM\nssl.truststore.location={authority.pem}"
    found = SecuredKafka(
        f"127.0.0.1:{port}",
        _client(folder, "plain", plain_login, pkcs12),
        _client(folder, "scram", scram_login, pem),
        layout.logs,
    )
    assert "ssl_context" in security_options(read_properties(found.plain.read_text()))
    with (layout.logs / "kafka.out").open("wb") as out:
        command = (*kafka_command(java_home, layout, own_jars, "kafka.Kafka", MEMORY_MB), str(file))
        process = subprocess.Popen(command, stdout=out, stderr=out)
    try:
        settings = load_settings(None, [f"kafka.properties_file={found.plain}"], environ={})
        deadline = time.monotonic() + START_SECONDS
        while not broker_answers(settings, found.bootstrap, 5_000):
            assert process.poll() is None and time.monotonic() < deadline, f"see {layout.logs}"  # noqa: PT018
            time.sleep(0.5)
        yield found
    finally:
        process.terminate()
        process.wait()
