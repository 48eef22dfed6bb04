"""What the nodes of `make kafka` are told, and what is said where Kafka can't be had."""

from __future__ import annotations

from pathlib import Path

import pytest
from local_kafka import OPEN, PROTOCOLS, Node, Security, UnavailableError, cache, fetch, free_ports, listening, properties, version

SECURITY = Security(Path("/keys"), "desk", "hunter2")


def nodes(count: int, listeners: tuple[str, ...] = OPEN) -> list[Node]:
    return [Node(n, {name: 100 * n + i for i, name in enumerate(listeners)}, Path(f"/data/{n}")) for n in range(1, count + 1)]


def told(count: int, security: Security | None = None) -> dict[str, str]:
    """The first node's properties."""
    made = nodes(count, tuple(PROTOCOLS) if security else OPEN)
    return dict(line.split("=", 1) for line in properties(made[0], made, security).splitlines())


@pytest.mark.parametrize(("count", "copies", "insync"), [(1, "1", "1"), (2, "2", "1"), (3, "3", "2"), (5, "3", "2")])
def test_positions_and_transactions_have_as_many_copies_as_the_nodes_allow(count: int, copies: str, insync: str) -> None:
    lines = told(count)
    assert {lines["offsets.topic.replication.factor"], lines["transaction.state.log.replication.factor"]} == {copies}
    assert {lines["min.insync.replicas"], lines["transaction.state.log.min.isr"]} == {insync}


def test_every_node_knows_every_controller() -> None:
    assert told(3)["controller.quorum.voters"] == "1@127.0.0.1:101,2@127.0.0.1:201,3@127.0.0.1:301"


def test_a_node_listens_on_loopback_only_and_tells_clients_of_all_listeners_but_the_controllers() -> None:
    lines = told(1, SECURITY)
    assert all("://127.0.0.1:" in listener for listener in lines["listeners"].split(","))
    assert {item.split("://")[0] for item in lines["advertised.listeners"].split(",")} == set(PROTOCOLS) - {"CONTROLLER"}


def test_a_node_without_security_is_told_nothing_about_it() -> None:
    assert not any("ssl" in name or "sasl" in name for name in told(1))


def test_free_ports_are_different_and_not_those_of_outgoing_connections() -> None:
    ports = free_ports(20)
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert len(set(ports)) == 20
    assert max(ports) < lowest
    assert not any(listening(port) for port in ports)


def test_the_cache_is_one_folder_a_version(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache() == tmp_path / "scenewatch" / "kafka" / version()


def test_without_java_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UnavailableError, match="apt-get install default-jre-headless"):
        fetch()


def test_without_maven_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "java").touch(mode=0o755)
    with pytest.raises(UnavailableError, match="apt-get install maven"):
        fetch()
