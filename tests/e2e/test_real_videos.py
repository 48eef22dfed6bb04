"""Real footage through the command that a user types: it ends, and every frame is accounted for."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from film import Command

DATA = Path(os.environ.get("SCENEWATCH_DATA", "../shared/data")).resolve()

pytestmark = [pytest.mark.data, pytest.mark.skipif(not (DATA / "video").exists(), reason=f"no real data at {DATA} (SCENEWATCH_DATA)")]


@pytest.mark.parametrize(("name", "has_sound"), [("vtest.avi", False), ("intel_one_by_one.mp4", False), ("furg_house6.mp4", True)])
def test_every_frame_is_accounted_for(scenewatch: Command, elsewhere: Path, name: str, has_sound: bool) -> None:
    shown = scenewatch("run", elsewhere, DATA / "video" / name, "--fast")
    assert shown.returncode == 0, shown.stderr
    frames = re.search(r"(\d+) captured = (\d+) encoded \+ 0 dropped", shown.stderr)
    assert frames is not None, shown.stderr
    assert frames[1] == frames[2] != "0"
    heard = re.search(r"([\d.]+) s captured, 0\.0 s dropped", shown.stderr)
    assert heard is not None
    assert (float(heard[1]) > 0) == has_sound
    assert "dead letters │ 0" in shown.stderr
