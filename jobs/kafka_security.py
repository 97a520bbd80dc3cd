"""What Java's client properties say of login and TLS, read for clients that are not written in Java.

Stores of the kinds PEM and PKCS12 are read here; JKS, which only Java reads, is refused with the command that converts it.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12

from jobs.errors import ConfigurationError

PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
JAAS_MODULE = re.compile(r"\s*([\w.$]+)\s+(required|requisite|sufficient|optional)\b", re.IGNORECASE)
JAAS_OPTION = re.compile(r"""([\w.-]+)\s*=\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^\s;"']+)""", re.DOTALL)
ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "b": "\b"}
JKS_MAGIC, PEM_MARK = b"\xfe\xed\xfe\xed", b"-----BEGIN "
KEYTOOL = "keytool -importkeystore -deststoretype PKCS12 -srckeystore OLD -destkeystore NEW"


class Login(NamedTuple):
    """A user of SASL."""

    mechanism: str
    name: str
    password: str


class Tls(NamedTuple):
    """Certificates to trust (None: the system's), the own key with its certificates, all as PEM, and whether names are checked."""

    trusted: str | None
    own: bytes | None
    key_password: str | None
    checks_name: bool


class Security(NamedTuple):
    """Protocol, login and TLS of a client of the brokers."""

    protocol: str
    login: Login | None
    tls: Tls | None


def read_security(properties: Mapping[str, str]) -> Security:
    """Return the configured security.

    Raises:
        ConfigurationError: our clients do not have what is configured, or a store cannot be read; no secret is in the message.
    """
    protocol = properties.get("security.protocol", "PLAINTEXT").upper()
    if protocol not in PROTOCOLS:
        raise ConfigurationError(f"security.protocol of kafka.properties must be one of {', '.join(PROTOCOLS)}")
    login = _login(properties) if protocol.startswith("SASL") else None
    return Security(protocol, login, _tls(properties) if protocol.endswith("SSL") else None)


def _login(properties: Mapping[str, str]) -> Login:
    mechanism = properties.get("sasl.mechanism", "GSSAPI")
    if mechanism not in MECHANISMS:
        raise ConfigurationError(
            f"sasl.mechanism of kafka.properties is {mechanism}, which only the job can do: use {', '.join(MECHANISMS)}"
        )
    name, password = _name_and_password(properties.get("sasl.jaas.config", ""))
    return Login(mechanism, name, password)


def _name_and_password(jaas: str) -> tuple[str, str]:
    """Of a login module's line as Java reads it: options in double, single or no quotes."""
    module = JAAS_MODULE.match(jaas)
    options = {name: _unquoted(value) for name, value in JAAS_OPTION.findall(jaas[module.end() :] if module else "")}
    if module is None or not {"username", "password"} <= options.keys():
        raise ConfigurationError(
            "sasl.jaas.config of kafka.properties_file must read: "
            'org.apache.kafka.common.security.plain.PlainLoginModule required username="…" password="…"; '
            "(for SCRAM …scram.ScramLoginModule)"
        )
    return options["username"], options["password"]


def _unquoted(text: str) -> str:
    if text[0] not in "\"'":
        return text
    return re.sub(r"\\(.)", lambda found: ESCAPES.get(found[1], found[1]), text[1:-1], flags=re.DOTALL)


def _tls(properties: Mapping[str, str]) -> Tls:
    checks_name = properties.get("ssl.endpoint.identification.algorithm", "https") != ""
    password = properties.get("ssl.key.password") or properties.get("ssl.keystore.password")
    return Tls(_trusted(properties), _own(properties), password, checks_name)


def _trusted(properties: Mapping[str, str]) -> str | None:
    """The certificates to trust as PEM; None for the system's."""
    if "ssl.truststore.certificates" in properties:
        return _pem_text(properties["ssl.truststore.certificates"].encode())
    location = properties.get("ssl.truststore.location")
    if not location:
        return None
    content = _read(location, "ssl.truststore.location")
    if PEM_MARK in content:
        return content.decode("ascii", "replace")
    store = _open_pkcs12(content, properties.get("ssl.truststore.password"), "ssl.truststore")
    found = [*store.additional_certs, *([store.cert] if store.cert is not None else [])]
    return "".join(one.certificate.public_bytes(serialization.Encoding.PEM).decode() for one in found)


def _own(properties: Mapping[str, str]) -> bytes | None:
    """The own key and its certificates as PEM."""
    if "ssl.keystore.key" in properties:
        parts = (properties["ssl.keystore.key"], properties.get("ssl.keystore.certificate.chain", ""))
        return "\n".join(_pem_text(part.encode()) for part in parts).encode()
    location = properties.get("ssl.keystore.location")
    if not location:
        return None
    content = _read(location, "ssl.keystore.location")
    if PEM_MARK in content:
        return content
    store = _open_pkcs12(content, properties.get("ssl.keystore.password"), "ssl.keystore")
    if store.key is None or store.cert is None:
        raise ConfigurationError(
            f"ssl.keystore.location of kafka.properties: {location} holds no key with its certificate"
        )
    password = properties.get("ssl.key.password") or properties.get("ssl.keystore.password")
    kept = serialization.BestAvailableEncryption(password.encode()) if password else serialization.NoEncryption()
    key = store.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, kept)
    chain = (store.cert, *store.additional_certs)
    return key + b"".join(one.certificate.public_bytes(serialization.Encoding.PEM) for one in chain)


def _open_pkcs12(content: bytes, password: str | None, what: str) -> pkcs12.PKCS12KeyAndCertificates:
    if content.startswith(JKS_MAGIC):
        raise ConfigurationError(
            f"{what}.location of kafka.properties is a JKS store: convert it to PKCS12 ({KEYTOOL}), or name PEM"
        )
    try:
        return pkcs12.load_pkcs12(content, password.encode() if password else None)
    except ValueError:
        raise ConfigurationError(
            f"{what}.location of kafka.properties is neither PEM nor PKCS12, or {what}.password is wrong"
        ) from None


def _read(location: str, key: str) -> bytes:
    try:
        return Path(location).read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{key} of kafka.properties: cannot read {location}: {error.strerror}") from None


def _pem_text(content: bytes) -> str:
    """PEM given in one line, with blanks for line ends, as Kafka takes it too."""
    text = content.decode("ascii", "replace").strip()
    if "\n" in text:
        return text + "\n"
    blocks = re.findall(r"(-----BEGIN [^-]+-----)(.*?)(-----END [^-]+-----)", text)
    return "".join("\n".join((begin, *body.split(), end, "")) for begin, body, end in blocks)
