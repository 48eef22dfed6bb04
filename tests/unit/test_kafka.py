"""The address of a Kafka bus."""

from __future__ import annotations

import pytest

from monitor.errors import ConfigError
from monitor.kafka import SESSION_S, Brokers, brokers


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("kafka://one:9093", ("one:9093",)),
        ("kafka://one", ("one:9092",)),
        ("kafka://one:1,two:2,three/", ("one:1", "two:2", "three:9092")),
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


def test_credentials_are_refused_and_not_repeated() -> None:
    with pytest.raises(ConfigError, match="not supported yet") as caught:
        brokers("kafka://user:hunter2@one:9092")
    assert "hunter2" not in str(caught.value)
