"""Once the cache is warm, nothing but /tmp is written to: the image's root file system may be read-only."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

READ_ONLY = "mount --make-rprivate / && mount --bind / / && mount -o remount,ro,bind / && mount -t tmpfs tmpfs /tmp && cd /tmp && "
PROOF = "! touch /var/proof 2>/dev/null && touch /tmp/proof && "


def alone(command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command where the root file system is read-only, in a mount namespace of its own."""
    return subprocess.run(
        ["unshare", "--mount", "sh", "-c", READ_ONLY + PROOF + command],
        env=os.environ | {"HOME": "/tmp", "PYTHONDONTWRITEBYTECODE": "1"} | environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


@pytest.fixture
def cache() -> str:
    if not shutil.which("unshare") or alone("true").returncode:
        pytest.skip("no mount namespace can be made here")
    if Path(sys.executable).is_relative_to("/tmp"):
        pytest.skip("this checkout lies in /tmp, which an empty one covers here")
    return os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")


def test_every_model_loads_from_a_warm_cache_on_a_read_only_file_system(cache: str) -> None:
    root = Path(__file__).parent.parent.parent
    warmed = subprocess.run([sys.executable, "-m", "workers", "models", "--warm"], cwd=root, capture_output=True, text=True, check=False)
    assert warmed.returncode == 0, warmed.stderr
    done = alone(f"{sys.executable} -m workers models --warm && find /tmp -type f", XDG_CACHE_HOME=cache, PYTHONPATH=str(root))
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("/tmp/proof"), done.stdout[-300:]
