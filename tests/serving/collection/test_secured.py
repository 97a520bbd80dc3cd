"""The producer on a broker that wants TLS and a login, with the same files of Java's properties as the job."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from cli.errors import UserError
from cli.stack import jars
from cli.stack.topics import create_topics
from jobs.kafka_security import read_security
from jobs.secrets import kafka_client_properties
from jobs.settings import load_settings
from serving.collection.kafka_options import security_options
from serving.collection.producer import Producer, Record, UnavailableError
from tests.certificates import PASSWORD, Authority
from tests.integration.secured_kafka import LOGIN_SECRET, SecuredKafka, secured_kafka

pytestmark = pytest.mark.integration
WAIT_SECONDS = 60


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredKafka]:
    try:
        jars.installed()
    except UserError:
        jars.fetch(lambda done, of, name: None)
    with secured_kafka(tmp_path_factory.mktemp("secured")) as found:
        create_topics(
            load_settings(None, [f"kafka.properties_file={found.plain}", "kafka.partitions=1"], environ={}),
            found.bootstrap,
        )
        yield found


async def send_one(bootstrap: str, properties: Path, seconds: float = WAIT_SECONDS) -> None:
    """Sends an event once the broker answers.

    Raises:
        UnavailableError: it never did.
    """
    sets = [f"kafka.bootstrap={bootstrap}", f"kafka.properties_file={properties}"]
    settings = load_settings(None, sets, environ={})
    producer = Producer(settings, kafka_client_properties(settings), structlog.get_logger())
    producer.open()
    try:
        async with asyncio.timeout(seconds):
            while producer.is_away:
                await asyncio.sleep(0.05)
        await producer.send([Record(b"s", b"{}")])
    except TimeoutError:
        raise UnavailableError("it never answered") from None
    finally:
        await producer.close(5)


@pytest.mark.parametrize("login", ["plain", "scram"])
def test_events_go_through_tls_and_a_login(kafka: SecuredKafka, login: str) -> None:
    asyncio.run(send_one(kafka.bootstrap, getattr(kafka, login)))


def test_a_wrong_password_is_a_broker_that_is_away(kafka: SecuredKafka, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.properties"
    wrong.write_text(kafka.plain.read_text().replace(LOGIN_SECRET, "wrong"))
    with pytest.raises(UnavailableError):
        asyncio.run(send_one(kafka.bootstrap, wrong, seconds=5))


def test_an_own_key_goes_to_the_client_as_pem(tmp_path: Path) -> None:
    store, _ = Authority.make(tmp_path).identity("client")
    properties = {"security.protocol": "SSL", "ssl.keystore.location": str(store), "ssl.keystore.password": PASSWORD}
    options = security_options(read_security(properties | {"ssl.endpoint.identification.algorithm": ""}))
    assert "PRIVATE KEY" in options["ssl.key.pem"]
    assert "BEGIN CERTIFICATE" in options["ssl.certificate.pem"]
    assert (options["ssl.key.password"], options["ssl.endpoint.identification.algorithm"]) == (PASSWORD, "none")
