"""Where Kafka is and how it lets us in: its address, SASL and TLS, and plain words for why it does not.

Secrets come from a file or from the environment, are read each time a client is made, and are kept nowhere else: no
`Brokers`, no error and no log line holds one. The words of `kafka.security` are those of every Kafka client
(SASL: RFC 4422, SCRAM: RFC 5802; aiokafka does the talking).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from ssl import SSLCertVerificationError, SSLContext, SSLError, create_default_context
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from aiokafka.conn import create_conn
from aiokafka.errors import IllegalSaslStateError, KafkaConnectionError, KafkaError, SaslAuthenticationFailed, UnsupportedSaslMechanismError
from aiokafka.protocol.metadata import MetadataRequest

from monitor.config import Security
from monitor.environment import VARIABLE
from monitor.errors import BusError, ConfigError
from monitor.messages import MAX_BYTES

SESSION_S: Final = 10.0
"""A member that is not heard of for so long is thought dead; for half of it, it may finish its batch when it loses partitions."""

REACH_MS: Final = 10_000
"""A broker may take so long to answer a newcomer."""

LARGEST: Final = MAX_BYTES + 64 * 1024
"""The largest record, with what Kafka adds to its value: key, headers, framing."""

READING: Final = {"isolation_level": "read_committed"}
"""Nobody reads what belongs to a transaction that failed."""

PORT: Final = 9092
"""Where Kafka listens if nothing else is said."""


class Brokers(msgspec.Struct, frozen=True, kw_only=True):
    """Where Kafka is, and by which rules it is spoken to; holds no secret."""

    hosts: tuple[str, ...]
    """Each as host:port."""
    session_s: float = SESSION_S
    security: Security = Security()


def brokers(url: str, security: Security | None = None) -> Brokers:
    """Read `kafka://host:port,host:port[?session_s=10]`; the port is 9092 if it is left out. Raises ConfigError."""
    parts = urlsplit(url)
    if "@" in parts.netloc:
        raise ConfigError(
            "bus: a kafka:// address holds no user name and no password. Take out what is before the @, and write "
            "kafka.security: username, and password_file (or password: ${NAME}, read from the environment)"
        )
    hosts = tuple(host if re.search(r":\d+$", host) else f"{host}:{PORT}" for host in parts.netloc.split(",") if host)
    session = re.fullmatch(r"(?:session_s=(\d{1,3}(?:\.\d)?))?", parts.query)
    if parts.scheme != "kafka" or not hosts or parts.path.strip("/") or not session:
        raise ConfigError(
            "bus: give kafka://host:port, or several as kafka://host:port,host:port; after them nothing but "
            "?session_s=10, the seconds after which a member that is not heard of is thought dead"
        )
    return Brokers(hosts=hosts, session_s=float(session[1] or SESSION_S), security=security or Security())


def client_options(at: Brokers, environ: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """Give what every aiokafka client is made with; it may hold the password, so show it to nobody.

    Raises ConfigError for a variable that is not set, and for a file that can't be read.
    """
    return {"bootstrap_servers": list(at.hosts), **_security_options(at.security, environ)}


def _security_options(security: Security, environ: Mapping[str, str]) -> dict[str, Any]:
    options: dict[str, Any] = {"security_protocol": security.protocol}
    if security.protocol.endswith("SSL"):
        options["ssl_context"] = _ssl_context(security)
    if security.protocol.startswith("SASL"):
        options |= {
            "sasl_mechanism": security.mechanism,
            "sasl_plain_username": _value(security.username, "username", environ),
            "sasl_plain_password": _password(security, environ),
        }
    return options


def _password(security: Security, environ: Mapping[str, str]) -> str:
    if not security.password_file:
        return _value(security.password, "password", environ)
    password = _text(security.password_file, "password_file").rstrip("\r\n")
    if not password:
        raise ConfigError(f"kafka.security.password_file: {security.password_file} is empty; write the password into it, on one line")
    return password


def _value(text: str, key: str, environ: Mapping[str, str]) -> str:
    """Take `${NAME}` from the environment; any other text is itself."""
    variable = VARIABLE.fullmatch(text)
    if not variable:
        return text
    if not environ.get(variable[1]):
        raise ConfigError(f"kafka.security.{key}: the environment variable {variable[1]} is not set; set it and start again")
    return environ[variable[1]]


def _text(path: str, key: str) -> str:
    try:
        return Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = (isinstance(error, OSError) and error.strerror) or "it is no text"
        raise ConfigError(f"kafka.security.{key}: {path} can't be read: {why}. Give a file that this user may read") from None


def _ssl_context(security: Security) -> SSLContext:
    """Trust the given authority alone, or the system's; show our certificate if the broker wants one (mutual TLS)."""
    authority = _text(security.cafile, "cafile") if security.cafile else None
    try:
        context = create_default_context(cadata=authority)
    except (ValueError, SSLError) as error:
        raise ConfigError(f"kafka.security.cafile: {security.cafile} holds no certificate in PEM format") from error
    if security.certfile:
        try:
            context.load_cert_chain(security.certfile, security.keyfile or None, password="")  # "" keeps OpenSSL from asking the terminal
        except OSError as error:
            raise ConfigError(
                f"kafka.security.certfile: {security.certfile} and its key can't be used: {error.strerror or error}. Give a certificate "
                "in PEM format, and as keyfile its key, without a pass phrase"
            ) from error
    return context


async def reach(at: Brokers, environ: Mapping[str, str] = os.environ) -> None:
    """Return as soon as one broker answers and lets us in.

    Raises BusError that says why none does: aiokafka's clients only say that they can't bootstrap.
    """
    options = _security_options(at.security, environ)
    failures: list[tuple[str, Exception]] = []
    for host in at.hosts:
        name, _, port = host.rpartition(":")
        try:
            connection = await create_conn(name.strip("[]"), int(port), request_timeout_ms=REACH_MS, **options)
            try:
                await connection.send(MetadataRequest([]))  # a port that wants a password takes the greeting without one, but no request
            finally:
                await connection.close()
        except (OSError, KafkaError) as error:  # asyncio's TimeoutError is an OSError
            failures.append((host, error))
        else:
            return
    where, telling = max(failures, key=lambda failure: not isinstance(failure[1], ConnectionRefusedError))
    raise BusError(f"Can't connect to Kafka at {where}: {explain(telling, at.security)}") from telling


def explain(error: Exception, security: Security) -> str:
    """Say what is wrong with a connection and which key of the configuration mends it; repeats no credentials."""
    match error:
        case SSLCertVerificationError():
            text = (
                f"its certificate is not trusted ({error.verify_message.rstrip('.')}). Give the certificate of the authority that "
                "signed it as kafka.security.cafile, and as `bus` a host name that the certificate is made for"
            )
        case SaslAuthenticationFailed():
            text = "user name or password are wrong. Correct kafka.security.username and its password, or create the user in Kafka"
        case UnsupportedSaslMechanismError():
            text = f"it does not take {security.mechanism}. Set kafka.security.mechanism to one that the cluster has"
        case IllegalSaslStateError():
            text = "it takes no user name at this port. Set kafka.security.protocol to PLAINTEXT or SSL, or give another port"
        case SSLError():
            text = (
                f"no TLS connection came about ({error.strerror or error}). See that this port speaks TLS, and whether "
                "it wants a certificate of ours (kafka.security.certfile)"
            )
        case KafkaConnectionError() | ConnectionResetError():
            text = (
                "it hung up. It may want TLS, a password or a certificate, or none of them: kafka.security.protocol is "
                f"{security.protocol}. See that the broker runs, and what its listener at this port wants"
            )
        case _:
            why = str(error).rstrip(".") or type(error).__name__
            text = f"{why}. See that the broker runs, and that `bus` in the configuration is the address it advertises"
    return text
