"""Words and pictures in one space, with the real networks."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from efficientnet_lite_pytorch import EfficientNet

from monitor import config
from monitor.efficientnet import MEAN, SCALE, TorchPictures
from monitor.models import locate
from monitor.vision import squeeze
from monitor.zeroshot import Conse, conse
from workers.encode import looks
from workers.evaluate import Task
from workers.evaluate.retrieval import retrieval

DATA = Path(os.environ.get("SCENEWATCH_DATA", "../shared/data"))
MODELS = config.Models(threads=1)
PHOTOS = DATA / "image_text" / "flickr8k"
needs_photos = pytest.mark.skipif(not PHOTOS.is_dir(), reason=f"no photos at {PHOTOS} (SCENEWATCH_DATA)")


@pytest.fixture(scope="module")
def space() -> Conse:
    return conse(MODELS)


@torch.inference_mode()
def test_its_classifier_is_the_networks_own(space: Conse) -> None:
    image = np.random.default_rng(0).integers(0, 255, (224, 224, 3)).astype(np.uint8)
    located = locate(MODELS.picture)
    network = EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(torch.load(located.weights, map_location="cpu", weights_only=True))
    pixels = (torch.from_numpy(squeeze(image)).permute(2, 0, 1)[None].float() - MEAN) / SCALE
    logits = network.eval()(pixels)[0].numpy()
    vector = TorchPictures(located, "cpu")([image]).vectors[0]
    assert space.classifier @ vector + space.bias == pytest.approx(logits, abs=1e-3)


@pytest.mark.data
@needs_photos
def test_captions_find_their_photos_far_more_often_than_by_chance() -> None:
    figures = retrieval(Task(data=DATA, config=config.Config(models=MODELS)))
    for rank in (1, 5, 10):
        assert figures[f"recall_at_{rank}_low"] > 3 * figures[f"chance_at_{rank}"]
        assert figures[f"recall_at_{rank}_low"] <= figures[f"recall_at_{rank}"] <= figures[f"recall_at_{rank}_high"]
        found = figures[f"recall_at_{rank}"] - figures[f"recall_at_{rank}_conse"]
        assert found > 0 if looks(MODELS) else found == 0
