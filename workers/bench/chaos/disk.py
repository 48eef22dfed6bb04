"""A disk that is small enough to be filled: a tmpfs of its own (mount(8)), which takes root."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from monitor.errors import SourceError


def check() -> None:
    """Raise SourceError where nothing may be mounted."""
    if os.geteuid() != 0 or not shutil.which("mount"):
        raise SourceError("only root may mount a small disk")


@contextmanager
def small(folder: Path, size_mb: float) -> Iterator[None]:
    """Let a folder be a disk of so many megabytes. Raises SourceError where it can't be mounted."""
    check()
    folder.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={round(size_mb * 1024)}k", "tmpfs", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)  # noqa: S603 - no words of anybody else's
    if done.returncode:
        raise SourceError(f"{folder}: no small disk could be mounted: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)  # noqa: S603, S607 - the same
