"""Prometheus and Alertmanager on loopback, with the configuration and the rules of deploy/: for `scenewatch observe`, and for tests."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import httpx
import yaml

from monitor.errors import ConfigError

DEPLOY: Final = Path(__file__).resolve().parent.parent / "deploy"
DEBIAN: Final = ("prometheus", "prometheus-alertmanager")
ALERTMANAGER: Final = ("prometheus-alertmanager", "alertmanager")
"""Debian's name of the program, and everybody else's."""
START_S: Final = 30.0
STOP_S: Final = 15.0
POLL_S: Final = 0.1
HERE: Final = "127.0.0.1"
NOTIFIED: Final = "127.0.0.1:9095"
"""Where deploy/alertmanager/alertmanager.yml sends what it has to say."""
LOG_TAIL: Final = 800


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be started, where."""

    folder: Path
    """For configuration, logs and data."""
    prometheus: int
    alertmanager: int
    """Ports on loopback, …"""
    notifications: int
    """… and that of what listens to notifications."""
    targets: Sequence[str]
    """Addresses of our processes' metrics."""
    rules: Path = DEPLOY / "prometheus" / "rules"
    every_s: float = 5.0
    """So often targets are scraped and rules evaluated."""
    quick: bool = False
    """Tell of alerts at once: no waiting for others of their group."""

    @property
    def targets_file(self) -> Path:
        """Prometheus follows this file."""
        return self.folder / "targets.json"


@dataclass(frozen=True, slots=True)
class Programs:
    """Where the two programs are."""

    prometheus: str
    alertmanager: str


def programs() -> Programs:
    """Find both. Raises ConfigError that says how to get them."""
    prometheus = shutil.which("prometheus")
    alertmanager = next((found for name in ALERTMANAGER if (found := shutil.which(name))), None)
    if prometheus is None or alertmanager is None:
        missing = " and ".join(
            name for name, found in zip(("prometheus", "alertmanager"), (prometheus, alertmanager), strict=True) if not found
        )
        raise ConfigError(
            f"{missing}: not found. On Debian: apt-get install --no-install-recommends {' '.join(DEBIAN)} "
            f"(and, so that they do not run as services: systemctl disable --now {' '.join(DEBIAN)})"
        )
    return Programs(prometheus, alertmanager)


def free_port() -> int:
    """A port of loopback that nobody listens at now."""
    with socket.socket() as listener:
        listener.bind((HERE, 0))
        return int(listener.getsockname()[1])


def is_taken(port: int) -> bool:
    """Whether somebody listens at a port of loopback."""
    with socket.socket() as client:
        client.settimeout(1)
        return client.connect_ex((HERE, port)) == 0


def write_targets(order: Order, targets: Sequence[str]) -> None:
    """Let Prometheus scrape these from now on; whole at once, for it reads whenever the file changes."""
    made = order.targets_file.with_suffix(".new")
    made.write_text(json.dumps([{"targets": list(targets)}]), "utf-8")
    made.replace(order.targets_file)


def prometheus_yml(order: Order) -> dict[str, Any]:
    """Give deploy/prometheus/prometheus.yml with other addresses and intervals, and nothing else changed."""
    made: dict[str, Any] = _read("prometheus/prometheus.yml")
    every = f"{order.every_s:g}s"
    made["global"] |= {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": every}
    made["alerting"]["alertmanagers"] = [{"static_configs": [{"targets": [f"{HERE}:{order.alertmanager}"]}]}]
    made["rule_files"] = [str(order.rules / "*.yml")]
    ours, itself = made["scrape_configs"]
    ours["file_sd_configs"] = [{"files": [str(order.targets_file)], "refresh_interval": "5s"}]
    itself["static_configs"] = [{"targets": [f"{HERE}:{order.prometheus}"]}]
    return made


def alertmanager_yml(order: Order) -> dict[str, Any]:
    """Give deploy/alertmanager/alertmanager.yml with another address to send to, and with `quick` without waiting."""
    text = (DEPLOY / "alertmanager" / "alertmanager.yml").read_text("utf-8")
    made: dict[str, Any] = yaml.safe_load(text.replace(NOTIFIED, f"{HERE}:{order.notifications}"))
    if order.quick:
        _hurry(made["route"])
    return made


def _hurry(route: dict[str, Any]) -> None:
    route |= {"group_wait": "0s", "group_interval": "1s"}
    for child in route.get("routes", ()):
        _hurry(child)


def _read(name: str) -> Any:
    path = DEPLOY / name
    if not path.exists():
        raise ConfigError(f"{path} is not there; run this from a checkout")
    return yaml.safe_load(path.read_text("utf-8"))


@dataclass(slots=True)
class Program:
    """One of them while it runs."""

    name: str
    url: str
    process: subprocess.Popen[bytes]
    log: Path

    def wait(self) -> None:
        """Wait until it is ready. Raises ConfigError with the end of its log if it does not become so."""
        until = time.monotonic() + START_S
        while not self._is_ready():
            if self.process.poll() is not None or time.monotonic() > until:
                raise ConfigError(
                    f"{self.name} did not start; {self.log} ends so:\n{self.log.read_text('utf-8', errors='replace')[-LOG_TAIL:]}"
                )
            time.sleep(POLL_S)

    def close(self) -> None:
        """End it in good order, or else at once."""
        self.process.terminate()
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/-/ready", timeout=2).is_success
        except httpx.HTTPError:
            return False


@contextmanager
def started(order: Order) -> Iterator[tuple[Program, Program]]:
    """Run Prometheus and Alertmanager while the body runs; both are ready when it begins. Raises ConfigError."""
    found = programs()
    order.folder.mkdir(parents=True, exist_ok=True)
    write_targets(order, order.targets)
    for name, settings in (("prometheus.yml", prometheus_yml(order)), ("alertmanager.yml", alertmanager_yml(order))):
        (order.folder / name).write_text(yaml.safe_dump(settings, sort_keys=False, allow_unicode=True), "utf-8")
    with ExitStack() as stack:
        alertmanager = _run("alertmanager", order.alertmanager, order.folder, found.alertmanager, "--cluster.listen-address=", stack=stack)
        options = ("--enable-feature=exemplar-storage", "--storage.tsdb.retention.time=30d")
        prometheus = _run("prometheus", order.prometheus, order.folder, found.prometheus, *options, stack=stack)
        alertmanager.wait()
        prometheus.wait()
        yield prometheus, alertmanager


def _run(name: str, port: int, folder: Path, program: str, *options: str, stack: ExitStack) -> Program:
    if is_taken(port):
        raise ConfigError(f"{name}: something listens at port {port} already. Stop it, or give another port")
    log, data = folder / f"{name}.log", folder / name
    storage = f"--storage.tsdb.path={data}" if name == "prometheus" else f"--storage.path={data}"
    command = [program, f"--config.file={folder / name}.yml", f"--web.listen-address={HERE}:{port}", storage, *options]
    with log.open("ab") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL, start_new_session=True)  # noqa: S603
    made = Program(name, f"http://{HERE}:{port}", process, log)
    stack.callback(made.close)
    return made


Notification = Mapping[str, Any]
"""What Alertmanager sends to a webhook (its documentation calls this version 4)."""


class Listener(ThreadingHTTPServer):
    """Takes Alertmanager's notifications on loopback, at a free port, and hands each on with its receiver's name."""

    daemon_threads = True

    def __init__(self, heard: Callable[[str, Notification], None]) -> None:
        super().__init__((HERE, 0), _Heard)
        self.heard = heard

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])


class _Heard(BaseHTTPRequestHandler):
    """Answers one notification."""

    server: Listener

    def do_POST(self) -> None:
        """Take it."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.heard(self.path.strip("/"), json.loads(body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (http.server's name for it)
        """Say nothing."""


@contextmanager
def listening(heard: Callable[[str, Notification], None]) -> Iterator[int]:
    """Listen to notifications while the body runs; gives the port."""
    server = Listener(heard)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, name="notifications", daemon=True)
    thread.start()
    try:
        yield server.port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
