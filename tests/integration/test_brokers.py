"""Being let in by a real Apache Kafka, with users and TLS, and being turned away."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from kafka_cluster import PASSWORD, USER, Cluster

from monitor.brokers import Brokers, brokers, client_options, reach
from monitor.config import Kafka, Security
from monitor.errors import BusError
from monitor.topics import administration, prepare

ENVIRON = {"DESK": PASSWORD, "WRONG": "hunter2"}


@pytest.fixture(autouse=True)
async def closed() -> AsyncIterator[None]:
    """Give asyncio the moment that it needs to close the connections that failed."""
    yield
    await asyncio.sleep(0.05)


def at(apache: Cluster, listener: str, **security: str) -> Brokers:
    """One of the node's listeners."""
    return brokers(f"kafka://{apache.address(listener)}", Security.model_validate(security))


def scram(apache: Cluster, listener: str = "SCRAM", **security: str) -> Brokers:
    return at(apache, listener, **({"protocol": "SASL_PLAINTEXT", "username": USER, "password": "${DESK}"} | security))


@pytest.mark.kafka
@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "SCRAM-SHA-512"])
async def test_a_user_with_the_password_is_let_in(apache: Cluster, mechanism: str) -> None:
    await reach(scram(apache, mechanism=mechanism), ENVIRON)


@pytest.mark.kafka
@pytest.mark.parametrize("wrong", [{"password": "${WRONG}"}, {"username": "nobody"}])
async def test_a_wrong_password_or_user_is_said_to_be_wrong_and_is_not_repeated(
    apache: Cluster, wrong: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(BusError, match="user name or password are wrong") as caught:
        await reach(scram(apache, **wrong), ENVIRON)
    shown = str(caught.value) + str(caught.value.__cause__) + caplog.text
    assert not any(secret in shown for secret in ENVIRON.values())


@pytest.mark.kafka
async def test_a_mechanism_that_the_cluster_lacks_is_named(apache: Cluster) -> None:
    security = {"protocol": "SASL_SSL", "mechanism": "SCRAM-SHA-256", "cafile": str(apache.folder / "ca.pem")}
    with pytest.raises(BusError, match=r"does not take SCRAM-SHA-256\. Set kafka\.security\.mechanism"):
        await reach(scram(apache, "SCRAM_TLS", **security), ENVIRON)


@pytest.mark.kafka
async def test_tls_is_trusted_with_the_authority_that_signed_the_brokers_certificate(apache: Cluster) -> None:
    await reach(at(apache, "TLS", protocol="SSL", cafile=str(apache.folder / "ca.pem")))


@pytest.mark.kafka
@pytest.mark.parametrize("authority", ["", "stranger.pem"])
async def test_a_certificate_of_another_authority_is_not_trusted(apache: Cluster, authority: str) -> None:
    cafile = str(apache.folder / authority) if authority else ""
    with pytest.raises(BusError, match=r"certificate is not trusted .*kafka\.security\.cafile"):
        await reach(at(apache, "TLS", protocol="SSL", cafile=cafile))


@pytest.mark.kafka
async def test_a_certificate_for_another_host_name_is_not_trusted(apache: Cluster) -> None:
    port = apache.address("TLS").rpartition(":")[2]
    security = Security(protocol="SSL", cafile=str(apache.folder / "ca.pem"))
    with pytest.raises(BusError, match=r"certificate is not trusted .*not valid for"):
        await reach(brokers(f"kafka://127.1:{port}", security))  # the same machine by a name that is not in the certificate


@pytest.mark.kafka
async def test_a_broker_that_wants_our_certificate_gets_it_or_says_so(apache: Cluster) -> None:
    tls = {"protocol": "SSL", "cafile": str(apache.folder / "ca.pem")}
    await reach(at(apache, "MUTUAL", **tls, certfile=str(apache.folder / "client.pem")))
    with pytest.raises(BusError, match=r"it hung up.*certificate|certificate of ours"):
        await reach(at(apache, "MUTUAL", **tls))


@pytest.mark.kafka
@pytest.mark.parametrize(
    ("listener", "security"),
    [
        ("SCRAM", {"protocol": "PLAINTEXT"}),
        ("TLS", {"protocol": "PLAINTEXT"}),
        ("PLAINTEXT", {"protocol": "SASL_PLAINTEXT", "username": USER, "password": "${DESK}"}),
        ("PLAINTEXT", {"protocol": "SSL"}),
    ],
)
async def test_a_port_that_speaks_something_else_is_told_apart_from_a_dead_one(
    apache: Cluster, listener: str, security: dict[str, str]
) -> None:
    with pytest.raises(BusError, match=r"it hung up|takes no user name|no TLS connection"):
        await reach(at(apache, listener, **security), ENVIRON)


async def test_a_port_where_nobody_listens_is_named(closed_port: int) -> None:
    with pytest.raises(BusError, match=rf"Can't connect to Kafka at 127\.0\.0\.1:{closed_port}: .*See that the broker runs"):
        await reach(brokers(f"kafka://127.0.0.1:{closed_port}"))


@pytest.mark.kafka
async def test_one_broker_that_answers_is_enough(apache: Cluster, closed_port: int) -> None:
    await reach(brokers(f"kafka://127.0.0.1:{closed_port},{apache.address()}"))


@pytest.mark.kafka
@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-512", "PLAIN"])
async def test_every_client_goes_through_users_and_tls_together(apache: Cluster, tmp_path: Path, mechanism: str) -> None:
    (tmp_path / "password").write_text(PASSWORD)
    security = {
        "protocol": "SASL_SSL",
        "mechanism": mechanism,
        "password_file": str(tmp_path / "password"),
        "cafile": str(apache.folder / "ca.pem"),
    }
    secure = scram(apache, "SCRAM_TLS", password="", **security)
    async with administration(secure) as admin:
        await prepare(admin, Kafka(partitions=1), f"{mechanism}.")
    async with AIOKafkaProducer(**client_options(secure), acks="all") as producer:
        await producer.send_and_wait(f"{mechanism}.alerts", b"help")
    async with AIOKafkaConsumer(f"{mechanism}.alerts", **client_options(secure), auto_offset_reset="earliest") as consumer:
        assert (await consumer.getone()).value == b"help"
