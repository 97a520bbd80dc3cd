"""Certificates for tests that speak TLS to a real server."""

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

PASSWORD = "store-secret"


class Authority(NamedTuple):
    """One that signs: its certificate as PEM and as a store of trusted certificates."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate
    folder: Path

    @classmethod
    def make(cls, folder: Path) -> "Authority":
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name("test authority")
        certificate = (
            _builder(name, name, key).add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        ).sign(key, hashes.SHA256())
        authority = cls(key, certificate, folder)
        authority.pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        trusted = [pkcs12.PKCS12Certificate(certificate, b"authority")]
        authority.truststore.write_bytes(pkcs12.serialize_java_truststore(trusted, _encryption()))
        return authority

    @property
    def pem(self) -> Path:
        """The certificate."""
        return self.folder / "authority.pem"

    @property
    def truststore(self) -> Path:
        """The certificate as PKCS12."""
        return self.folder / "truststore.p12"

    def identity(self, name: str) -> tuple[Path, Path]:
        """A key that this authority vouches for, as PKCS12 and as PEM (its key locked too), for 127.0.0.1."""
        key = ec.generate_private_key(ec.SECP256R1())
        hosts = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        builder = _builder(_name(name), self.certificate.subject, key).add_extension(hosts, critical=False)
        certificate = builder.sign(self.key, hashes.SHA256())
        store, pem = self.folder / f"{name}.p12", self.folder / f"{name}.pem"
        store.write_bytes(
            pkcs12.serialize_key_and_certificates(name.encode(), key, certificate, [self.certificate], _encryption())
        )
        form = serialization.PrivateFormat.PKCS8
        private = key.private_bytes(serialization.Encoding.PEM, form, _encryption())
        pem.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
        return store, pem


def _encryption() -> serialization.KeySerializationEncryption:
    return serialization.BestAvailableEncryption(PASSWORD.encode())


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
    )
