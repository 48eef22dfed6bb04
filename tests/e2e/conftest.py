"""What a user has: the command, and a film."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import film
import pytest
from film import Command


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return film.make(tmp_path_factory.mktemp("film") / "call.mp4")


@pytest.fixture
def scenewatch(tmp_path: Path) -> Command:
    """Run the command as a user would, in an empty folder."""
    program = Path(sys.executable).with_name("scenewatch")

    def command(*arguments: str | Path, timeout: float = 240) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [program, *arguments],
            cwd=tmp_path,
            env=os.environ | {"COLUMNS": "200"},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    return command


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A configuration whose metrics take any port that is free."""
    path = tmp_path / "elsewhere.yaml"
    path.write_text("metrics: {port: 0}\n")
    return path
