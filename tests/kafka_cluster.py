"""Apache Kafka for tests: the same cluster as `make kafka`, on free ports, with users and TLS where a test wants them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from local_kafka import Cluster, Security, UnavailableError, certificates, fetch

USER, PASSWORD = "camera-desk", "correct-horse-battery"


def launch(folder: Path, count: int = 1, *, secure: bool = False) -> Cluster:
    """Start a cluster; its caller closes it. Skips the test where Kafka can't be had, but in CI with Maven that is a failure."""
    try:
        fetch()
        if secure:
            certificates(folder)
    except UnavailableError as error:
        if os.environ.get("SCENEWATCH_CI") and shutil.which("mvn"):
            pytest.fail(f"Maven is here, but not Apache Kafka: {error}")
        pytest.skip(f"no Apache Kafka: {error}")
    return Cluster.launch(folder, count, security=Security(folder, USER, PASSWORD) if secure else None)
