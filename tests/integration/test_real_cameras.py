"""No real camera is called blind or frozen, and each of them is when its picture is made so."""

import os
from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from watching import watch

from monitor.health import Blindness, Look, look
from monitor.messages import State
from monitor.pictures import Shrinker

DATA = Path(os.environ.get("SCENEWATCH_DATA", "../shared/data"))
CLIPS = ["video/vtest.avi", "video/intel_one_by_one.mp4", "video/furg_house6.mp4", "video/traffic_video02.avi"]
FOLDERS = ["vad/ucsd_ped2", "violence/fight_surv/fight", "violence/fight_surv/noFight"]
RNG = np.random.default_rng(0)

pytestmark = [pytest.mark.data, pytest.mark.skipif(not DATA.is_dir(), reason=f"no real data in {DATA}; set SCENEWATCH_DATA")]


def clips(every: int = 8) -> list[Path]:
    return [*(DATA / name for name in CLIPS), *(path for name in FOLDERS for path in sorted((DATA / name).glob("*.mp4"))[::every])]


def grays(path: Path, count: int = 24) -> Iterator[np.ndarray]:
    shrink = Shrinker(448)
    with av.open(str(path)) as container:
        for index, frame in enumerate(container.decode(video=0)):
            if index % 5 == 0:
                yield cv2.cvtColor(shrink(frame), cv2.COLOR_BGR2GRAY)
            if index == 5 * count:
                return


def noisy(image: np.ndarray, level: float) -> np.ndarray:
    return np.clip(image + RNG.normal(0, level, image.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("name", CLIPS)
async def test_a_real_camera_is_live_from_begin_to_end(name: str) -> None:
    watched = await watch(str((DATA / name).resolve()), decode="all")
    assert watched.states == [(State.CONNECTING,), (State.LIVE,), (State.ENDED,)]


def test_pictures_that_are_made_blind_are_blind_and_those_at_night_are_not() -> None:
    missed, wrong, judged = [], [], 0
    for path in clips():
        images = list(grays(path))
        usual = [look(image) for image in images]
        last = images[-1]
        blind = {
            "black": noisy(np.full_like(last, 16), 1),
            "white": noisy(np.full_like(last, 240), 1),
            "covered": noisy(60 + 40 * np.linspace(0, 1, last.shape[1])[None].repeat(last.shape[0], axis=0), 2),
            "defocused": cv2.GaussianBlur(last, (0, 0), last.shape[1] / 50),
        }
        seeing = {"night": noisy(last * 0.12 + 14, 2), "dim": (last * 0.4).astype(np.uint8), "noise": noisy(last, 8)}
        missed += [(path.name, what) for what, image in blind.items() if not judge(usual, look(image))]
        wrong += [(path.name, what) for what, image in seeing.items() if judge(usual, look(image))]
        wrong += [(path.name, "as it is") for seen in usual if judge(usual, seen)]
        judged += 1
    assert judged > 20
    assert not missed
    assert not wrong


def judge(usual: list[Look], seen: Look) -> bool:
    blindness = Blindness()
    for other in (*usual, *usual):  # the shortest clips alone do not show what is usual
        blindness.sees_nothing(other)
    return blindness.sees_nothing(seen)
