import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import av
import numpy as np
import pytest

from monitor.config import Models
from monitor.errors import ModelError
from monitor.jpeg import Image
from monitor.objects import KEY_POINTS, LABELS, Detector, Poser, Thing, detector, poser

DATA = Path(os.environ.get("SCENEWATCH_DATA", "../shared/data"))
CLIP = DATA / "video" / "vtest.avi"
Network = TypeVar("Network")
needs_data = pytest.mark.skipif(not CLIP.exists(), reason=f"{CLIP} is absent: set SCENEWATCH_DATA")


def made(make: Callable[[Models], Network]) -> Network:
    """A network; skips the test where its weights aren't, but in CI with npm that is a failure."""
    try:
        return make(Models(threads=1))
    except ModelError as error:
        if os.environ.get("SCENEWATCH_CI") and shutil.which("npm"):
            pytest.fail(f"npm is here, but not the weights: {error}")
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def detect() -> Detector:
    return made(detector)


@pytest.fixture(scope="module")
def pose() -> Poser:
    return made(poser)


@pytest.fixture(scope="module")
def street() -> Image:
    """Seven people and two cars on a campus."""
    with av.open(str(CLIP)) as container:
        return next(frame for number, frame in enumerate(container.decode(video=0)) if number == 100).to_ndarray(format="rgb24")


def people(found: list[Thing]) -> list[Thing]:
    return [thing for thing in found if thing.label == "person"]


@pytest.mark.data
@needs_data
def test_people_and_cars_are_found(detect: Detector, street: Image):
    found = detect(street)
    assert len(people(found)) >= 6
    assert any(thing.label == "car" for thing in found)
    assert [thing.confidence for thing in found] == sorted((thing.confidence for thing in found), reverse=True)
    assert all(thing.label in LABELS and thing.confidence > 0.3 for thing in found)
    assert all(0 <= left < right <= 1 and 0 <= top < bottom <= 1 for left, top, right, bottom in (thing.box for thing in found))


@pytest.mark.data
@needs_data
def test_the_surest_person_stands_upright_within_his_box(detect: Detector, pose: Poser, street: Image):
    left, top, right, bottom = people(detect(street))[0].box
    points = {point.name: point for point in pose(street, (left, top, right, bottom))}
    hair = (bottom - top) / 20  # he is seen from behind, and his eyes are guessed on his crown
    assert tuple(points) == KEY_POINTS
    assert all(left <= point.x <= right and top - hair <= point.y <= bottom for point in points.values())
    assert points["nose"].y < points["left hip"].y < points["left knee"].y < points["left ankle"].y
    assert points["nose"].y < points["right ankle"].y
    assert np.mean([point.confidence for point in points.values()]) > 0.4


@pytest.mark.data
@needs_data
def test_the_same_picture_gives_the_same_numbers(detect: Detector, pose: Poser, street: Image):
    first = detect(street)
    before = pose(street, first[0].box)
    detect(street[:, ::-1].copy())
    pose(street, first[1].box)
    assert detect(street) == first
    assert pose(street, first[0].box) == before
    assert made(detector)(street) == first


@pytest.mark.data
@needs_data
def test_a_mirrored_picture_has_the_same_people_mirrored(detect: Detector, street: Image):
    surest = people(detect(street))[0]
    left, top, right, bottom = surest.box
    mirrored = replace(surest, box=(1 - right, top, 1 - left, bottom))
    assert any(np.allclose(thing.box, mirrored.box, atol=0.02) for thing in people(detect(street[:, ::-1].copy())))


def test_an_empty_picture_shows_nobody(detect: Detector):
    assert people(detect(np.full((240, 320, 3), 120, np.uint8))) == []


def test_pictures_of_any_size_do(detect: Detector, pose: Poser):
    for size in [(1, 1), (37, 512), (512, 512), (720, 1280)]:
        image = np.zeros((*size, 3), np.uint8)
        assert isinstance(detect(image), list)
        assert len(pose(image)) == len(KEY_POINTS)


def test_each_network_says_its_name_and_version(detect: Detector, pose: Poser):
    assert detect.name == "centernet-mobilenetv3@1b635a15"
    assert pose.name == "movenet-lightning@bf97bc10"


def test_without_weights_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for make in (detector, poser):
        with pytest.raises(ModelError, match="Fetch it: scenewatch models --fetch"):
            make(Models())
