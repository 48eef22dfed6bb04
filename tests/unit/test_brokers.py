"""The address of a Kafka bus, what lets us in, and what is said when it does not."""

from __future__ import annotations

from pathlib import Path
from ssl import SSLError

import pytest
from aiokafka.errors import IllegalSaslStateError, KafkaConnectionError, SaslAuthenticationFailed, UnsupportedSaslMechanismError
from pydantic import ValidationError

from monitor.brokers import SESSION_S, Brokers, brokers, client_options, explain
from monitor.config import Config, Security
from monitor.configfile import load
from monitor.errors import ConfigError

SCRAM = Security(protocol="SASL_PLAINTEXT", username="desk", password="${DESK}")


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("kafka://one:9093", ("one:9093",)),
        ("kafka://one", ("one:9092",)),
        ("kafka://one:1,two:2,three/", ("one:1", "two:2", "three:9092")),
        ("kafka://[::1]:9093,[::1]", ("[::1]:9093", "[::1]:9092")),
    ],
)
def test_an_address_names_one_broker_or_several(url: str, hosts: tuple[str, ...]) -> None:
    assert brokers(url) == Brokers(hosts=hosts, session_s=SESSION_S)


def test_an_address_may_say_after_how_many_seconds_a_member_is_dead() -> None:
    assert brokers("kafka://one?session_s=2.5").session_s == 2.5


@pytest.mark.parametrize("url", ["kafka://", "kafka://one/topic", "kafka://one?acks=0", "kafka://one?session_s=-1", "http://one"])
def test_any_other_address_is_a_mistake(url: str) -> None:
    with pytest.raises(ConfigError, match=r"kafka://host:port"):
        brokers(url)


def test_credentials_in_an_address_are_refused_and_not_repeated() -> None:
    with pytest.raises(ConfigError, match="password_file") as caught:
        brokers("kafka://user:hunter2@one:9092")
    assert "hunter2" not in str(caught.value)


def test_an_open_cluster_is_given_no_credentials() -> None:
    options = client_options(brokers("kafka://one,two"), {})
    assert options == {"bootstrap_servers": ["one:9092", "two:9092"], "security_protocol": "PLAINTEXT"}


def test_a_password_comes_from_the_environment() -> None:
    options = client_options(brokers("kafka://one", SCRAM), {"DESK": "hunter2"})
    assert (options["sasl_plain_username"], options["sasl_plain_password"]) == ("desk", "hunter2")
    assert options["sasl_mechanism"] == "SCRAM-SHA-512"


def test_or_a_password_comes_from_a_file_and_its_last_line_break_is_not_part_of_it(tmp_path: Path) -> None:
    (tmp_path / "password").write_text(" hunter2 \n")
    security = Security(protocol="SASL_PLAINTEXT", username="${WHO}", password_file=str(tmp_path / "password"))
    options = client_options(brokers("kafka://one", security), {"WHO": "desk"})
    assert (options["sasl_plain_username"], options["sasl_plain_password"]) == ("desk", " hunter2 ")


def test_nothing_that_can_be_printed_holds_the_password() -> None:
    at = brokers("kafka://one", SCRAM)
    assert "hunter2" not in repr(at) + repr(client_options(at, {"DESK": "hunter2"}).keys())


def test_a_variable_that_is_not_set_is_named() -> None:
    with pytest.raises(ConfigError, match=r"kafka\.security\.password: the environment variable DESK is not set"):
        client_options(brokers("kafka://one", SCRAM), {})


@pytest.mark.parametrize(("text", "says"), [(None, "can't be read: No such file"), ("\n", "is empty")])
def test_a_password_file_without_a_password_is_named(tmp_path: Path, text: str | None, says: str) -> None:
    path = tmp_path / "password"
    if text is not None:
        path.write_text(text)
    security = Security(protocol="SASL_PLAINTEXT", username="desk", password_file=str(path))
    with pytest.raises(ConfigError, match=says):
        client_options(brokers("kafka://one", security), {})


@pytest.mark.parametrize("key", ["cafile", "certfile"])
def test_a_file_that_is_no_certificate_is_named(tmp_path: Path, key: str) -> None:
    path = tmp_path / "wrong.pem"
    path.write_text("hunter2")
    security = Security.model_validate({"protocol": "SSL", key: str(path)})
    with pytest.raises(ConfigError, match=rf"kafka\.security\.{key}: .*wrong\.pem") as caught:
        client_options(brokers("kafka://one", security), {})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "security",
    [
        {"protocol": "SASL_SSL"},
        {"protocol": "SASL_SSL", "username": "desk"},
        {"protocol": "SASL_SSL", "username": "desk", "password": "${DESK}", "password_file": "password"},
        {"protocol": "SASL_PLAINTEXT", "username": "desk", "password": "${DESK}", "mechanism": "PLAIN"},
        {"protocol": "TLS"},
    ],
)
def test_security_that_is_incomplete_or_sends_a_password_in_the_clear_is_a_mistake(security: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        Security.model_validate(security)


def test_a_password_in_a_configuration_file_is_refused_by_line_and_not_repeated(tmp_path: Path) -> None:
    path = tmp_path / "cameras.yaml"
    path.write_text("kafka:\n  security:\n    protocol: SASL_SSL\n    username: desk\n    password: hunter2\n")
    with pytest.raises(ConfigError, match=r"cameras\.yaml:5: kafka\.security\.password: .*password_file") as caught:
        load([path])
    assert "hunter2" not in str(caught.value) + str(caught.value.__cause__)


def test_by_default_kafka_is_spoken_to_openly() -> None:
    assert Config().kafka.security.protocol == "PLAINTEXT"


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (SaslAuthenticationFailed("no hunter2"), "user name or password are wrong. Correct kafka.security.username"),
        (UnsupportedSaslMechanismError(), "does not take SCRAM-SHA-512. Set kafka.security.mechanism"),
        (IllegalSaslStateError(), "takes no user name at this port"),
        (SSLError(1, "wrong version number"), "no TLS connection came about"),
        (KafkaConnectionError("closed"), "it hung up.*kafka.security.protocol is SASL_PLAINTEXT"),
        (ConnectionRefusedError(111, "refused"), "refused. See that the broker runs"),
        (TimeoutError(), "TimeoutError. See that the broker runs"),
    ],
)
def test_each_way_of_being_turned_away_is_said_in_plain_words(error: Exception, says: str) -> None:
    with pytest.raises(AssertionError, match=says):
        raise AssertionError(explain(error, SCRAM))
    assert "hunter2" not in explain(error, SCRAM)
