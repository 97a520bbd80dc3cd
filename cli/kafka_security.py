"""Login and TLS of Java's client properties, as options of kafka-python."""

import os
import ssl
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cli.errors import UserError
from jobs.errors import ConfigurationError
from jobs.kafka_security import Tls, read_security


def security_options(properties: Mapping[str, str]) -> dict[str, Any]:
    """Return options of `kafka-python` for the configured security.

    Raises:
        UserError: this client does not have what is configured, or a store cannot be read; no secret is in the message.
    """
    try:
        security = read_security(properties)
    except ConfigurationError as error:
        raise UserError(str(error)) from None
    options: dict[str, Any] = {}
    if "security.protocol" in properties:
        options["security_protocol"] = security.protocol
    if (login := security.login) is not None:
        options |= {
            "sasl_mechanism": login.mechanism,
            "sasl_plain_username": login.name,
            "sasl_plain_password": login.password,
        }
    if security.tls is not None:
        options |= _tls(security.tls)
    return options


def _tls(tls: Tls) -> dict[str, Any]:
    if tls.checks_name and tls.trusted is None and tls.own is None:
        return {}
    try:
        context = ssl.create_default_context(cadata=tls.trusted)
        context.check_hostname = tls.checks_name
        if tls.own is not None:
            _load(context, tls.own, tls.key_password)
    except ssl.SSLError as error:
        reason = error.reason or "wrong password or certificate"
        raise UserError(f"ssl.* of kafka.properties: a certificate or key cannot be used ({reason})") from None
    return {"ssl_context": context}


def _load(context: ssl.SSLContext, pem: bytes, password: str | None) -> None:
    """Gives the context its key by way of a private file, as OpenSSL's interface takes nothing else."""
    descriptor, name = tempfile.mkstemp(suffix=".pem")  # readable by its owner only
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(pem)
        context.load_cert_chain(name, password=password or "")
    finally:
        Path(name).unlink()
