"""Apache Kafka (KRaft) on this machine's loopback, without Docker: one node or several, for development and tests.

    python3 deploy/kafka-local/local_kafka.py [--nodes 3] [--port 9092] [--data FOLDER]

Maven copies Kafka and its dependencies into ~/.cache/scenewatch/kafka once; Java 17 or newer runs it. Every node is
broker and controller. Only Python's standard library is used. Nothing here is fit for production.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

HERE = Path(__file__).resolve().parent
CLUSTER_ID = "c2NlbmV3YXRjaC1sb2NhbA"
JAVA_OPTIONS = (
    "-Xmx256m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Xshare:auto",
    f"-Dlog4j2.configurationFile={HERE / 'log4j2.properties'}",
)
START_S = 60.0
"""A node may take so long to start."""
STOP_S = 20.0
"""A node that is stopped may take so long; then it is killed."""
FETCH_S = 900.0
"""Maven may take so long to fetch Kafka."""
PORTS = range(21_000, 32_000)
"""Tests take theirs here, below the ports of outgoing connections: a client that retries can't occupy a dead node's."""


class UnavailableError(Exception):
    """Kafka can't be had or started here; the text says why and what to do."""


@dataclass(frozen=True)
class Security:
    """Listeners beside the open one: TLS, and users with passwords."""

    folder: Path
    """Its ca.pem, server.pem (key and certificate) and client.pem."""
    user: str
    password: str


@dataclass
class Node:
    """One broker and controller."""

    number: int
    ports: dict[str, int]
    """By listener: PLAINTEXT, CONTROLLER, and where there is security SCRAM, TLS, SCRAM_TLS, MUTUAL."""
    folder: Path
    process: subprocess.Popen[bytes] | None = None
    reached_at: dict[str, int] = field(default_factory=dict)
    """By listener: the port that clients are told of, where something stands between them and it."""

    def told(self, listener: str) -> int:
        """The port at which clients find a listener."""
        return self.reached_at.get(listener, self.ports[listener])

    @property
    def log(self) -> Path:
        """Where it writes warnings and errors."""
        return self.folder / "kafka.log"

    @property
    def running(self) -> bool:
        """Whether its process is alive."""
        return self.process is not None and self.process.poll() is None


def version() -> str:
    """Which Kafka the pom.xml names."""
    found = re.search(r"<kafka.version>([\w.]+)<", (HERE / "pom.xml").read_text("utf-8"))
    assert found
    return found[1]


def cache() -> Path:
    """Where the jars of this version lie."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "scenewatch" / "kafka" / version()


def fetch() -> Path:
    """Let Maven copy Kafka into the cache, once; returns the folder of jars. Raises UnavailableError."""
    if not shutil.which("java"):
        raise UnavailableError("Kafka needs Java 17 or newer, and there is no `java`. On Debian: apt-get install default-jre-headless")
    folder = cache()
    if folder.is_dir():
        return folder
    if not shutil.which("mvn"):
        raise UnavailableError("Kafka is fetched by Maven, and there is no `mvn`. On Debian: apt-get install maven")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as made:
        jars = Path(made) / "jars"
        _maven(jars)
        try:
            jars.rename(folder)
        except OSError:
            if not folder.is_dir():  # another process was quicker
                raise
    return folder


def _maven(jars: Path) -> None:
    copy = ("dependency:copy-dependencies", f"-DoutputDirectory={jars}", "-DincludeScope=runtime")
    command = ("mvn", "--quiet", "--batch-mode", "--file", str(HERE / "pom.xml"), *copy)
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=FETCH_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise UnavailableError(f"Maven did not fetch Kafka within {FETCH_S:.0f} s. Is its repository reachable?") from error
    if done.returncode:
        why = next((line for line in done.stdout.splitlines() if line.startswith("[ERROR]")), done.stderr.strip())
        raise UnavailableError(f"Maven could not fetch Kafka: {why}")


def certificates(folder: Path) -> None:
    """Make an authority, a broker's certificate for localhost and a client's, in PEM format; `stranger.pem` is another authority.

    Raises UnavailableError where there is no OpenSSL.
    """
    if not shutil.which("openssl"):
        raise UnavailableError("Certificates are made by OpenSSL, and there is no `openssl`. On Debian: apt-get install openssl")
    (folder / "openssl.cnf").write_text(
        "[req]\ndistinguished_name=name\n[name]\n"
        "[authority]\nbasicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n"
        "[leaf]\nbasicConstraints=critical,CA:FALSE\nsubjectAltName=DNS:localhost,IP:127.0.0.1\nauthorityKeyIdentifier=keyid\n"
    )
    for name in ("ca", "stranger"):
        _certificate(folder, name, "authority")
    for name in ("server", "client"):
        _certificate(folder, name, "leaf", ("-CA", "ca.pem", "-CAkey", "ca.key"))
        key, leaf = (folder / f"{name}.key").read_text(), (folder / f"{name}.pem").read_text()
        (folder / f"{name}.pem").write_text(key + leaf)


def _certificate(folder: Path, name: str, kind: str, signed: Sequence[str] = ()) -> None:
    new = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30")
    what = ("-config", "openssl.cnf", "-extensions", kind, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.pem")
    subprocess.run(("openssl", *new, *what, *signed), cwd=folder, check=True, capture_output=True)


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody listens at now."""
    found: list[int] = []
    for port in random.sample(PORTS, k=len(PORTS)):
        with socket.socket() as listener:
            if listener.connect_ex(("127.0.0.1", port)):
                found.append(port)
        if len(found) == count:
            break
    return found


def listening(port: int) -> bool:
    """Whether something accepts connections there."""
    with socket.socket() as client:
        client.settimeout(1)
        return client.connect_ex(("127.0.0.1", port)) == 0


def properties(node: Node, nodes: Sequence[Node], security: Security | None) -> str:
    """The server.properties of a node: small, quick, and as safe as so many nodes allow."""
    copies, insync = min(3, len(nodes)), 2 if len(nodes) >= 3 else 1
    listeners = ",".join(f"{name}://127.0.0.1:{port}" for name, port in node.ports.items())
    lines = {
        "node.id": node.number,
        "process.roles": "broker,controller",
        "controller.quorum.voters": ",".join(f"{other.number}@127.0.0.1:{other.ports['CONTROLLER']}" for other in nodes),
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "listeners": listeners,
        "advertised.listeners": ",".join(f"{name}://127.0.0.1:{node.told(name)}" for name in node.ports if name != "CONTROLLER"),
        "listener.security.protocol.map": ",".join(f"{name}:{PROTOCOLS[name]}" for name in node.ports),
        "log.dirs": node.folder / "data",
        "auto.create.topics.enable": "false",
        "default.replication.factor": copies,
        "min.insync.replicas": insync,
        "offsets.topic.replication.factor": copies,
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": insync,
        "transaction.state.log.num.partitions": 4,
        "share.coordinator.state.topic.replication.factor": copies,
        "share.coordinator.state.topic.min.isr": insync,
        "group.initial.rebalance.delay.ms": 0,
        "group.min.session.timeout.ms": 500,
        "broker.session.timeout.ms": 6000,
        "broker.heartbeat.interval.ms": 1000,
        "num.network.threads": 2,
        "num.io.threads": 4,
        "log.cleaner.dedupe.buffer.size": 8 * 2**20,
    } | (_secured(security) if security else {})
    return "".join(f"{key}={value}\n" for key, value in lines.items())


PROTOCOLS = {
    "PLAINTEXT": "PLAINTEXT",
    "CONTROLLER": "PLAINTEXT",
    "SCRAM": "SASL_PLAINTEXT",
    "TLS": "SSL",
    "SCRAM_TLS": "SASL_SSL",
    "MUTUAL": "SSL",
}
OPEN = ("PLAINTEXT", "CONTROLLER")
USERS = {"scram": ("SCRAM-SHA-256", "SCRAM-SHA-512"), "scram_tls": ("SCRAM-SHA-512", "PLAIN")}
"""How users prove their passwords, by listener."""
LOGIN = "org.apache.kafka.common.security"


def _secured(security: Security) -> dict[str, object]:
    """Settings of the listeners with TLS and with users (Kafka's names, KIP-651 for PEM)."""
    lines: dict[str, object] = {
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": security.folder / "server.pem",
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": security.folder / "ca.pem",
        "listener.name.mutual.ssl.client.auth": "required",
    }
    plain = f'{LOGIN}.plain.PlainLoginModule required user_{security.user}="{security.password}";'
    scram = f"{LOGIN}.scram.ScramLoginModule required;"
    for listener, mechanisms in USERS.items():
        lines[f"listener.name.{listener}.sasl.enabled.mechanisms"] = ",".join(mechanisms)
        for mechanism in mechanisms:
            lines[f"listener.name.{listener}.{mechanism.lower()}.sasl.jaas.config"] = plain if mechanism == "PLAIN" else scram
    return lines


@dataclass
class Cluster:
    """Some nodes that were started, and their folder; `close` ends them."""

    folder: Path
    nodes: list[Node]
    security: Security | None = None
    jars: Path = field(default_factory=fetch)

    @classmethod
    def launch(
        cls, folder: Path, count: int = 1, *, port: int | None = None, security: Security | None = None, reached_at: Sequence[int] = ()
    ) -> Cluster:
        """Format and start so many nodes, and wait until they serve; raises UnavailableError.

        The open listeners are at `port` and the next ones; left out, all ports are free ones. Clients are told that they are
        at `reached_at`, one port a node, where something stands between.
        """
        names = tuple(PROTOCOLS) if security else OPEN
        ports = iter(free_ports(count * len(names)))
        nodes = [Node(n, {name: next(ports) for name in names}, folder / f"node-{n}") for n in range(1, count + 1)]
        if port:
            for node in nodes:
                node.ports["PLAINTEXT"] = port + node.number - 1
        for node, told in zip(nodes, reached_at, strict=False):
            node.reached_at["PLAINTEXT"] = told
        cluster = cls(folder, nodes, security)
        cluster._begin()
        return cluster

    def _begin(self) -> None:
        for node in self.nodes:
            if listening(node.ports["PLAINTEXT"]):
                raise UnavailableError(f"Something listens at port {node.ports['PLAINTEXT']} already. Stop it, or take another port")
        with ExitStack() as failed:
            failed.callback(self.close)
            with ThreadPoolExecutor(len(self.nodes)) as formatting:
                list(formatting.map(self._format, self.nodes))
            for node in self.nodes:
                self._run(node)
            for node in self.nodes:
                self._wait(node)
            failed.pop_all()

    def address(self, listener: str = "PLAINTEXT") -> str:
        """The nodes' listeners as host:port,host:port."""
        return ",".join(f"127.0.0.1:{node.told(listener)}" for node in self.nodes)

    @property
    def url(self) -> str:
        """What `bus` in a configuration is."""
        return f"kafka://{self.address()}"

    def kill(self, number: int) -> None:
        """End a node as a power cut would (SIGKILL)."""
        node = self._node(number)
        if node.process:
            node.process.kill()
            node.process.wait()

    def start(self, number: int) -> None:
        """Start a node again, with the records that it had, and wait until it serves."""
        node = self._node(number)
        if not node.running:
            self._run(node)
            self._wait(node)

    def stop(self) -> None:
        """End all nodes in good order: their records are complete on disk."""
        running = [node.process for node in self.nodes if node.process and node.running]
        for process in running:
            process.terminate()
        until = time.monotonic() + STOP_S
        for process in running:
            try:
                process.wait(max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def close(self) -> None:
        """End all nodes at once."""
        for node in self.nodes:
            self.kill(node.number)

    def _node(self, number: int) -> Node:
        return self.nodes[number - 1]

    def _java(self, name: str, *arguments: str) -> list[str]:
        return ["java", *JAVA_OPTIONS, "-cp", f"{self.jars}/*", name, *arguments]

    def _format(self, node: Node) -> None:
        """Write the first metadata: the cluster's id and, where there is security, the user (KIP-900)."""
        node.folder.mkdir(parents=True, exist_ok=True)
        settings = node.folder / "server.properties"
        settings.write_text(properties(node, self.nodes, self.security), "utf-8")
        if (node.folder / "data" / "meta.properties").exists():
            return
        users = []
        if self.security:
            for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512"):
                users += ["--add-scram", f"{mechanism}=[name={self.security.user},password={self.security.password}]"]
        command = self._java("kafka.tools.StorageTool", "format", "--cluster-id", CLUSTER_ID, "--config", str(settings), *users)
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise UnavailableError(f"Kafka's storage tool failed: {(done.stderr or done.stdout).strip()[-500:]}")

    def _run(self, node: Node) -> None:
        with node.log.open("ab") as log:
            command = self._java("kafka.Kafka", str(node.folder / "server.properties"))
            node.process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)

    def _wait(self, node: Node) -> None:
        """Wait until a node listens: in KRaft it does so when it is up to date and unfenced."""
        until = time.monotonic() + START_S
        while not all(listening(port) for port in node.ports.values()):
            if not node.running or time.monotonic() > until:
                tail = node.log.read_text("utf-8", errors="replace")[-1500:]
                raise UnavailableError(f"Kafka's node {node.number} did not start; {node.log} ends so:\n{tail}")
            time.sleep(0.05)


def serve(count: int, port: int, data: Path | None, out: TextIO) -> None:
    """Run a cluster until Ctrl-C or SIGTERM; its records go with it unless they have a folder."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    folder = data or Path(tempfile.mkdtemp(prefix="scenewatch-kafka-"))
    out.write("fetching Kafka with Maven, once: a minute or two\n" * (not cache().is_dir()))
    cluster = None
    try:
        cluster = Cluster.launch(folder.resolve(), count, port=port)
        what = "; records are kept in " + str(folder) if data else "; Ctrl-C ends it, and its records"
        out.write(f"Kafka {version()}, {count} node{'s' * (count > 1)}{what}\n")
        out.writelines(f"  node {node.number}: process {node.process and node.process.pid}, log {node.log}\n" for node in cluster.nodes)
        out.write(f"bus: {cluster.url}\n")
        out.flush()
        signal.pause()
    except KeyboardInterrupt:
        out.write("stopping\n")
    finally:
        if cluster:
            (cluster.stop if data else cluster.close)()
        if not data:
            shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Apache Kafka on loopback, for development.")
    parser.add_argument("--nodes", type=int, default=1, choices=range(1, 10), metavar="N", help="so many brokers (default 1)")
    parser.add_argument("--port", type=int, default=9092, help="the first broker's; the others' follow")
    parser.add_argument("--data", type=Path, help="keep the records in this folder")
    parser.add_argument("--fetch", action="store_true", help="only fetch Kafka into the cache")
    given = parser.parse_args()
    try:
        if given.fetch:
            sys.stdout.write(f"Kafka {version()} is in {fetch()}\n")
        else:
            serve(given.nodes, given.port, given.data, sys.stdout)
    except UnavailableError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
