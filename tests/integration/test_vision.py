from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from monitor import inference
from monitor.config import Models
from monitor.efficientnet import TorchPictures
from monitor.errors import ModelError
from monitor.jpeg import Image
from monitor.models import locate
from monitor.vision import OpenVinoPictures, PictureEncoder, picture_encoder


@pytest.fixture(scope="module", params=["openvino", "torch"])
def encoder(request: pytest.FixtureRequest) -> PictureEncoder:
    located = locate("efficientnet-lite0")
    return OpenVinoPictures(located, threads=1) if request.param == "openvino" else TorchPictures(located, "cpu")


def scenes(count: int = 3) -> list[Image]:
    """Smooth pictures with edges in them, of several sizes."""
    rng = np.random.default_rng(1)
    sizes = [(240, 320), (252, 448), (224, 224), (96, 500)]
    coarse = [rng.integers(0, 255, (6, 8, 3), np.uint8) for _ in range(count)]
    return [cv2.resize(grid, sizes[i % 4][::-1], interpolation=cv2.INTER_CUBIC) for i, grid in enumerate(coarse)]


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    a, b = a.reshape(len(a), -1), b.reshape(len(b), -1)
    return (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


def test_pictures_of_any_size_become_vectors_and_grids(encoder: PictureEncoder):
    features = encoder(scenes(4))
    assert features.vectors.shape == (4, 1280)
    assert features.grids.shape == (4, 7, 7, 112)
    assert features.vectors.dtype == features.grids.dtype == np.float32
    assert (features.vectors >= 0).all()
    assert features.vectors.std(0).max() > 0.1


def test_no_picture_is_no_vector(encoder: PictureEncoder):
    features = encoder([])
    assert features.vectors.shape == (0, 1280)
    assert features.grids.shape == (0, 7, 7, 112)


def test_a_picture_has_the_same_features_alone_and_in_a_batch(encoder: PictureEncoder):
    images = scenes(19)
    together, alone = encoder(images), encoder(images[17:18])
    exact = isinstance(encoder, OpenVinoPictures)
    np.testing.assert_allclose(together.vectors[17], alone.vectors[0], atol=0 if exact else 2e-3)
    np.testing.assert_allclose(together.grids[17], alone.grids[0], atol=0 if exact else 2e-2)


def test_features_stay_what_they_were_when_the_next_picture_comes(encoder: PictureEncoder):
    images = scenes(2)
    first = encoder(images[:1])
    before = first.vectors.copy()
    encoder(images[1:])
    np.testing.assert_array_equal(first.vectors, before)


def test_the_grid_keeps_places(encoder: PictureEncoder):
    grey = np.full((224, 224, 3), 120, np.uint8)
    spot = grey.copy()
    spot[8:56, 168:216] = (250, 30, 20)
    plain, spotted = encoder([grey, spot]).grids
    row, column = np.unravel_index(np.abs(spotted - plain).sum(2).argmax(), (7, 7))
    assert row <= 2
    assert column >= 4


def test_openvino_and_torch_agree():
    located = locate("efficientnet-lite0")
    ours, reference = OpenVinoPictures(located, threads=0)(scenes()), TorchPictures(located, "cpu")(scenes())
    # a CPU with bfloat16 computes in that, whose eight bits leave .9980 to .9995 of these vectors, by the CPU
    halved = "BF16" in inference.openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    least = 0.995 if halved else 0.9999
    assert cosines(ours.vectors, reference.vectors).min() > least
    assert cosines(ours.grids, reference.grids).min() > least


@pytest.mark.parametrize("images", [scenes()])
def test_the_configuration_chooses_openvino_on_the_cpu(images: Sequence[Image]):
    encoder = picture_encoder(Models())
    assert isinstance(encoder, OpenVinoPictures)
    assert encoder.name == "efficientnet-lite0@57934424"
    assert len(encoder(images).vectors) == len(images)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_the_gpu_agrees_with_the_cpu():
    gpu, cpu = picture_encoder(Models(device="cuda"))(scenes()), picture_encoder(Models())(scenes())
    assert cosines(gpu.vectors, cpu.vectors).min() > 0.999


def test_the_network_is_converted_once_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    located = locate("efficientnet-lite0")
    OpenVinoPictures(located, threads=1)
    [kept] = (tmp_path / "scenewatch" / "openvino").iterdir()
    written = (kept / "model.bin").stat().st_mtime_ns
    OpenVinoPictures(located, threads=1)
    assert (kept / "model.bin").stat().st_mtime_ns == written


def test_a_kept_network_that_was_damaged_says_what_to_remove(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    located = locate("efficientnet-lite0")
    OpenVinoPictures(located, threads=1)
    [kept] = (tmp_path / "scenewatch" / "openvino").iterdir()
    (kept / "model.xml").write_text("<net")
    with pytest.raises(ModelError, match=f"Remove {kept}"):
        OpenVinoPictures(located, threads=1)
