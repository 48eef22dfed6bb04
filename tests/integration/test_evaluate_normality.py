"""The evaluation of normality on a set of clips of another camera, made here: a textured square drifts, and in the test it leaps."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from monitor.config import Config, Models
from monitor.errors import SourceError
from workers.evaluate import Task
from workers.evaluate.normality import normality

FRAMES, RATE = 60, 12
CONFIG = Config(models=Models(threads=1, objects="off"))


def film(path: Path, *, odd: range = range(0)) -> None:
    """A clip in which, in some frames, a bright bar stands across the picture."""
    rng = np.random.default_rng(0)
    back = cv2.GaussianBlur(rng.integers(0, 255, (120, 160, 3), np.uint8), (0, 0), 4)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), RATE, (160, 120))
    for frame in range(FRAMES):
        picture = back.copy()
        picture[80:100, frame : frame + 20] = 40
        if frame in odd:
            picture[10:70, 60:120] = (0, 255, 255)
        writer.write(picture)
    writer.release()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "vad" / "drift"
    folder.mkdir(parents=True)
    for name in ("train_1", "train_2", "train_3"):
        film(folder / f"{name}.avi")
    film(folder / "test_1.avi", odd=range(20, 50))
    film(folder / "test_2.avi")
    rows = [f"test_{clip},{frame},{int(clip == 1 and 20 <= frame < 50)}" for clip in (1, 2) for frame in range(FRAMES)]
    (folder / "gt_frames.csv").write_text("\n".join(["clip,frame_index0,abnormal", *rows]))
    return folder.parents[1]


def test_any_folder_of_clips_is_a_set(data: Path):
    figures = normality(Task(data=data, of="vad/drift", config=CONFIG))
    assert figures["frames"] == 2 * FRAMES
    assert figures["auc_low"] <= figures["auc"] <= figures["auc_high"]
    assert figures["auc"] > 0.9
    assert figures["auc_objects"] == 0.5  # nobody looked
    assert figures["stretches"] == 1
    assert figures["fps"] > 0


def test_a_set_without_its_truth_says_what_is_missing(tmp_path: Path):
    with pytest.raises(SourceError, match=r"gt_frames\.csv"):
        normality(Task(data=tmp_path, of="vad/drift", config=CONFIG))
    with pytest.raises(SourceError, match="neither"):
        normality(Task(data=tmp_path, config=CONFIG))


def test_clips_that_are_cut_short_are_told(data: Path, tmp_path: Path):
    folder = tmp_path / "vad" / "cut"
    folder.mkdir(parents=True)
    for name in ("train_1.avi", "test_1.avi"):
        (folder / name).write_bytes((data / "vad" / "drift" / name).read_bytes())
    (folder / "gt_frames.csv").write_text("clip,frame_index0,abnormal\ntest_1,99,1\n")
    with pytest.raises(SourceError, match="the truth knows frame 99"):
        normality(Task(data=tmp_path, of="vad/cut", config=CONFIG))
