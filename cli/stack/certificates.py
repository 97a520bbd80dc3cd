"""Keys of a stack's own, made anew by each `up`: who has the files may speak to its Flink, and nobody else."""

import ipaddress
import secrets
import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

from cli.stack.layout import write_private_bytes
from cli.stack.ports import LOOPBACK

# A clock that jumps must not end a stack: the files go with the stack anyway.
VALID_FROM, VALID_UNTIL = datetime(2000, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)


class Identity(NamedTuple):
    """A key with its certificate, which vouches for itself: as PEM for Python, as PKCS12 for Java, all of one password."""

    pem: Path
    keystore: Path
    truststore: Path
    password: str


def client_context(pem: Path) -> ssl.SSLContext:
    """Return a context for a client that shows the certificate of an identity and accepts no other."""
    context = ssl.create_default_context(cafile=str(pem))
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(pem)
    return context


def make_identity(folder: Path, name: str) -> Identity:
    """Make a key for `name` and write its three files; earlier ones are replaced."""
    folder.mkdir(mode=0o700, exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _certificate(key, name)
    password = secrets.token_hex(24)
    identity = Identity(folder / f"{name}.pem", folder / f"{name}.p12", folder / f"{name}-trust.p12", password)
    # A random password needs no work factor, and Java would do the work for each of some ten connections at a start.
    builder = serialization.PrivateFormat.PKCS12.encryption_builder().kdf_rounds(1)
    builder = builder.key_cert_algorithm(pkcs12.PBES.PBESv2SHA256AndAES256CBC).hmac_hash(hashes.SHA256())
    encryption = builder.build(password.encode())
    write_private_bytes(identity.pem, _pem(key, certificate))
    write_private_bytes(
        identity.keystore, pkcs12.serialize_key_and_certificates(name.encode(), key, certificate, None, encryption)
    )
    trusted = pkcs12.PKCS12Certificate(certificate, name.encode())
    write_private_bytes(identity.truststore, pkcs12.serialize_java_truststore([trusted], encryption))
    return identity


def _certificate(key: ec.EllipticCurvePrivateKey, name: str) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"heliotrope {name}")])
    hosts = [x509.IPAddress(ipaddress.ip_address(LOOPBACK)), x509.DNSName("localhost")]
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(VALID_FROM)
        .not_valid_after(VALID_UNTIL)
        .add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        .sign(key, hashes.SHA256())
    )


def _pem(key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> bytes:
    form = serialization.PrivateFormat.PKCS8
    private = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    return private + certificate.public_bytes(serialization.Encoding.PEM)
