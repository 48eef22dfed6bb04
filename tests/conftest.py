"""Real parts that several integration tests share."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from broker import free_port, start_broker
from hypothesis import settings
from kafka_cluster import Cluster, launch

settings.register_profile("shared", deadline=None)  # the machines are shared: how long an example takes says nothing
settings.load_profile("shared")


@pytest.fixture
def closed_port() -> int:
    """A port of this machine that nobody listens at."""
    return free_port()


@pytest.fixture(scope="session")
def kafka_url() -> Iterator[str]:
    """The address of a broker that the tests share."""
    port = free_port()
    broker = start_broker(port)
    yield f"kafka://127.0.0.1:{port}"
    broker.terminate()
    broker.wait(10)


@pytest.fixture(scope="session")
def apache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One node of Apache Kafka that the tests share, with users and TLS at listeners of their own; tests that use it are marked `kafka`."""
    cluster = launch(tmp_path_factory.mktemp("kafka"), secure=True)
    yield cluster
    cluster.close()


@pytest.fixture(scope="session")
def apache_url(apache: Cluster) -> str:
    """The address of that node."""
    return apache.url


@dataclass
class Outages:
    """A broker that can be killed and started again, without its records."""

    port: int
    broker: subprocess.Popen[bytes]

    def begin(self) -> None:
        self.broker.kill()
        self.broker.wait(10)

    def end(self) -> None:
        self.broker = start_broker(self.port)


@pytest.fixture
def outages() -> Iterator[Outages]:
    port = free_port()
    made = Outages(port, start_broker(port))
    yield made
    made.begin()
