"""What is looked for in words, through the judges of the fuse stage, on real footage."""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path

import msgspec
import pytest

from monitor import config
from monitor.align import Window
from monitor.config import Camera, Config, Sight
from monitor.fusion import Fusion
from monitor.lookfor import Looking
from monitor.messages import Embedding, Modality, Score
from monitor.vision import picture_encoder
from monitor.zeroshot import conse
from workers.evaluate.normality import Eyes
from workers.reasons import Beside, Reasoned

VIDEO = Path(os.environ.get("SCENEWATCH_DATA", "../shared/data")) / "video"
MODELS = config.Models(threads=1)
SIGHTS = {"cars": Sight(texts=("cars on a road",)), "people": Sight(texts=("people walking",))}


def pictures(name: str, count: int) -> list[Embedding]:
    camera = Camera(source=name, fps=2, starts_at=0)
    eyes = Eyes(picture_encoder(MODELS), None)
    return list(islice((item for item in eyes(VIDEO / name, camera, Config(models=MODELS)) if isinstance(item, Embedding)), count))


@pytest.mark.data
@pytest.mark.skipif(not VIDEO.is_dir(), reason=f"no footage at {VIDEO} (SCENEWATCH_DATA)")
def test_cars_are_found_where_there_were_none_before() -> None:
    items = [*pictures("intel_one_by_one.mp4", 100), *pictures("traffic_video02.avi", 16)]
    items = [msgspec.structs.replace(item, at=n / 2, until=n / 2 + 0.5) for n, item in enumerate(items)]
    windows = [
        Window(
            camera="hall",
            at=n / 2 - 3.5,
            until=n / 2 + 0.5,
            captured=0,
            modalities=(Modality.PICTURE,),
            revision=0,
            final=True,
            pictures=tuple(items[max(0, n - 7) : n + 1]),
        )
        for n in range(len(items))
    ]
    judges = Reasoned(Beside([Fusion.load(MODELS), Looking(conse(MODELS), SIGHTS, warm_up_s=20)]), lambda: None)
    said = [{judgement.kind: judgement.probability for judgement in made.judgements} for made in judges(windows) if isinstance(made, Score)]
    cars = [each["sees:cars"] for each in said if "sees:cars" in each]
    assert len(cars) >= len(items) - 42
    assert max(cars[:-16]) < 0.8
    assert cars[-1] > 0.8
    assert "fight" in said[0]
    assert "conse:" in judges.network.name
