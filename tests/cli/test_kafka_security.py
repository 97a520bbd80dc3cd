"""Java's client properties as options of the Python client: logins, stores, and what is refused."""

import ssl
from pathlib import Path

import pytest

from cli.errors import UserError
from cli.kafka_security import security_options
from tests.certificates import PASSWORD, Authority

PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule required "


def login(jaas: str, mechanism: str = "PLAIN") -> dict[str, str]:
    return {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": mechanism, "sasl.jaas.config": jaas}


@pytest.mark.parametrize(
    "options",
    ['username="svc" password="p w;\\"q";', "username='svc' password='p w;\"q';", 'password="p w;\\"q" username=svc;'],
)
def test_a_login_is_read_in_all_of_its_forms(options: str) -> None:
    found = security_options(login(PLAIN + options))
    assert (found["sasl_plain_username"], found["sasl_plain_password"]) == ("svc", 'p w;"q')


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_scram_is_taken(mechanism: str) -> None:
    jaas = 'org.apache.kafka.common.security.scram.ScramLoginModule required username="u" password="p";'
    assert security_options(login(jaas, mechanism))["sasl_mechanism"] == mechanism


@pytest.mark.parametrize("mechanism", ["OAUTHBEARER", "GSSAPI"])
def test_mechanisms_that_the_command_lacks_are_refused(mechanism: str) -> None:
    with pytest.raises(UserError, match=rf"sasl\.mechanism.*{mechanism}.*SCRAM-SHA-512"):
        security_options(login("x required;", mechanism))


@pytest.mark.parametrize("jaas", ["", "username=u password=secret", PLAIN + "password=secret;"])
def test_a_login_that_is_none_is_refused_without_its_password(jaas: str) -> None:
    with pytest.raises(UserError, match=r"sasl\.jaas\.config") as refused:
        security_options(login(jaas))
    assert "secret" not in str(refused.value)


def test_stores_of_both_kinds_give_the_same_trust(tmp_path: Path) -> None:
    authority = Authority.make(tmp_path)
    stores = (
        {"ssl.truststore.location": str(authority.pem), "ssl.truststore.type": "PEM"},
        {"ssl.truststore.location": str(authority.truststore), "ssl.truststore.password": PASSWORD},
        {"ssl.truststore.certificates": " ".join(authority.pem.read_text().split("\n")), "ssl.truststore.type": "PEM"},
    )
    for store in stores:
        context = security_options({"security.protocol": "SSL", **store})["ssl_context"]
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname
        assert [one["serialNumber"] for one in context.get_ca_certs()] == [
            f"{authority.certificate.serial_number:040X}"
        ]


def test_own_keys_of_both_kinds_are_loaded_and_no_file_of_them_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    store, pem = Authority.make(tmp_path).identity("client")
    for location, password in ((store, "ssl.keystore.password"), (pem, "ssl.key.password")):
        properties = {"security.protocol": "SSL", "ssl.keystore.location": str(location)}
        assert "ssl_context" in security_options(properties | {password: PASSWORD})
        with pytest.raises(UserError, match=r"ssl\."):
            security_options(properties | {password: "wrong"})
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_store_that_only_java_reads_is_refused_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "old.jks").write_bytes(b"\xfe\xed\xfe\xed\x00\x00\x00\x02")
    with pytest.raises(UserError, match=r"JKS.*PKCS12.*PEM"):
        security_options({"security.protocol": "SSL", "ssl.truststore.location": str(tmp_path / "old.jks")})


def test_names_need_not_be_checked_where_the_properties_say_so() -> None:
    context = security_options({"security.protocol": "SSL", "ssl.endpoint.identification.algorithm": ""})["ssl_context"]
    assert not context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED


def test_an_unknown_protocol_is_refused() -> None:
    with pytest.raises(UserError, match=r"security\.protocol.*SASL_SSL"):
        security_options({"security.protocol": "TLS"})
