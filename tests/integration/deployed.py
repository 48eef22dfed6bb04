"""Tools that look at deploy/, what compose makes of its file, and its scenewatch services as processes of this machine."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from broker import free_port

ROOT = Path(__file__).parent.parent.parent
DEPLOY = ROOT / "deploy"
CHART = DEPLOY / "helm" / "scenewatch"
HELM = "v3.22.0"
KUBERNETES = ("1.29", "1.33", "1.37")
OURS = re.compile(r"scenewatch:(cpu|cuda)")

Tree = dict[str, Any]


def tool(name: str) -> Path:
    """A program that a package of the `dev` extra brings along."""
    found = Path(sys.executable).with_name(name)
    if not found.exists():
        pytest.skip(f"no {name}: pip install 'scenewatch[dev]'")
    return found


def helm() -> Path:
    """Helm, as tests/needs.py builds it, or as it is installed; in CI it must be there."""
    built = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "scenewatch" / "tools" / f"helm-{HELM}"
    found = built if built.exists() else shutil.which("helm")
    if not found:
        if os.environ.get("SCENEWATCH_CI") and shutil.which("go"):
            pytest.fail("Go is here, but tests/needs.py built no helm")
        pytest.skip(f"no helm: go install helm.sh/helm/v3/cmd/helm@{HELM}, or install it")
    return Path(found)


def ran(*command: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True, timeout=240, check=False)


def rendered(values: Sequence[str | Path] = (), *settings: str, kubernetes: str = f"{KUBERNETES[-1]}.0") -> list[Tree]:
    """The objects of the chart."""
    files = [part for path in values for part in ("--values", path)]
    sets = [part for setting in settings for part in ("--set", setting)]
    done = ran(helm(), "template", "watch", CHART, "--namespace", "cameras", "--kube-version", kubernetes, *files, *sets)
    assert done.returncode == 0, done.stderr
    return [tree for tree in yaml.safe_load_all(done.stdout) if tree]


def refusal(*settings: str) -> str:
    """What the chart says to values that it does not take."""
    sets = [part for setting in settings for part in ("--set-json" if setting.endswith(("}", "]")) else "--set", setting)]
    done = ran(helm(), "template", "watch", CHART, "--kube-version", f"{KUBERNETES[-1]}.0", *sets)
    assert done.returncode != 0, settings
    return done.stderr


def composed(*profiles: str) -> Mapping[str, Tree]:
    """The services, as compose itself reads the file."""
    with_profiles = [part for profile in profiles for part in ("--profile", profile)]
    done = ran(tool("docker-compose"), "-f", DEPLOY / "compose.yaml", *with_profiles, "config", "--format", "json")
    assert done.returncode == 0, done.stderr
    services: Mapping[str, Tree] = json.loads(done.stdout)["services"]
    return services


def ours(services: Mapping[str, Tree]) -> Mapping[str, Tree]:
    """Those that run our image."""
    return {name: service for name, service in services.items() if OURS.fullmatch(service["image"])}


def until(condition: Callable[[], object], seconds: float, what: Callable[[], str] = lambda: "") -> None:
    """Wait for a condition."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, what()
        time.sleep(0.5)


def fetched(url: str) -> tuple[int, str]:
    """Status and text; 0 while nobody listens."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except OSError as error:
        return 0, str(error)


@dataclass
class Project:
    """The compose file's services of ours as processes, with each address of the project's network as one of loopback."""

    folder: Path
    addresses: Mapping[str, str]
    """What stands in the files and commands, and what it is here."""
    ports: dict[str, int] = field(default_factory=dict)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def command(self, name: str, service: Tree) -> list[str]:
        """The service's own command; the image's entry point is `scenewatch`."""
        config = self._told(name)
        return [str(tool("scenewatch")), *(self._here(part).replace("/etc/scenewatch", str(config)) for part in service["command"])]

    def environment(self, service: Tree) -> dict[str, str]:
        return os.environ | {name: value or "" for name, value in service.get("environment", {}).items()}

    def run(self, name: str, service: Tree) -> None:
        """A service that ends by itself."""
        done = subprocess.run(
            self.command(name, service), env=self.environment(service), capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, (name, done.stdout, done.stderr)

    def start(self, name: str, service: Tree) -> None:
        with (self.folder / f"{name}.log").open("wb") as log:
            self.processes[name] = subprocess.Popen(
                self.command(name, service), env=self.environment(service), stdout=log, stderr=log, cwd=self.folder
            )

    def said(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text("utf-8", errors="replace")[-3000:]

    def url(self, name: str, path: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}{path}"

    def sample(self, name: str, metric: str) -> float:
        """The sum of a metric's samples, by the begin of their lines; 0 where there is none."""
        lines = fetched(self.url(name, "/metrics"))[1].splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(metric))

    def _told(self, name: str) -> Path:
        """What the service finds in /etc/scenewatch; its metrics at a port of its own."""
        config = self.folder / name
        config.mkdir()
        self.ports[name] = free_port()
        for path in (DEPLOY / "compose").glob("*.yaml"):
            (config / path.name).write_text(
                self._here(path.read_text("utf-8")).replace("0.0.0.0", f"127.0.0.1\n  port: {self.ports[name]}")
            )
        return config

    def _here(self, text: str) -> str:
        for there, here in self.addresses.items():
            text = text.replace(there, here)
        return text


@contextmanager
def project(folder: Path, addresses: Mapping[str, str]) -> Iterator[Project]:
    """A project whose processes are ended in order."""
    made = Project(folder, addresses)
    try:
        yield made
    finally:
        for process in made.processes.values():
            process.terminate()
        for process in made.processes.values():
            try:
                process.wait(45)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
