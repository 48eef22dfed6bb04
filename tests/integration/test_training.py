"""Training sees what the live stages see, and its weights are read again as they were written."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import SafetensorError

from monitor import config
from monitor.bus import Record
from monitor.capture import Capture
from monitor.embedding import Sounds
from monitor.fusion import KINDS, FusionConfig
from monitor.fusionnet import AttentionNet, read
from monitor.fusionparts import Batch
from monitor.fusionparts import Tokens as Padded
from monitor.hearing import sound_encoder
from monitor.messages import Embedding, Frame, Ref, Sound, Topic, floats
from monitor.metrics import Metrics
from workers.training.bank import Span, Tokens, Track, gather
from workers.training.card import card, load, save
from workers.training.compose import Banks, alone, part
from workers.training.fit import Recipe, fit
from workers.training.render import as_it_is, frames_of
from workers.training.sounds import heard, samples_of

DATA = Path(os.environ.get("SCENEWATCH_DATA", "../shared/data"))
CLIP = DATA / "violence/fight_surv/fight/fi001.mp4"
needs_data = pytest.mark.skipif(not CLIP.exists(), reason=f"{CLIP} is absent: set SCENEWATCH_DATA")
SMALL = FusionConfig(motion=6, picture=4, sound=4, text=4, width=16, heads=2, layers=1, dropout=0.0)


def captured(source: Path) -> list[object]:
    camera = config.Camera(source=str(source), starts_at=0.0)
    return list(Capture("c", camera, config.Capture(), Metrics(), fast=True).items())


@pytest.mark.data
@needs_data
def test_training_sees_the_frames_that_capture_publishes() -> None:
    frames = [item for item in captured(CLIP) if isinstance(item, Frame)]
    samples = as_it_is(frames_of(CLIP))
    assert [sample.at for sample in samples] == pytest.approx([frame.at for frame in frames], abs=1e-3)
    assert [sample.jpeg for sample in samples] == [frame.jpeg for frame in frames]
    assert [sample.motion for sample in samples] == [frame.motion for frame in frames]


@pytest.mark.data
@needs_data
def test_training_hears_what_the_encode_stage_hears() -> None:
    path = DATA / "sounds/esc10/1-100032-A.opus"
    encoder = sound_encoder(config.Models(threads=1))
    pieces = [item for item in captured(path) if isinstance(item, Sound)]
    records = [Record(ref=Ref(topic=Topic.AUDIO, partition=0, offset=n), message=piece) for n, piece in enumerate(pieces)]
    live = [item for item in Sounds(encoder)(records).items if isinstance(item, Embedding)]
    tokens = heard(samples_of(path), encoder)
    assert tokens.times.tolist() == [item.at for item in live]
    for value, item in zip(tokens.values, live, strict=True):
        assert np.abs(value - floats(item.vector)).max() < 0.02


def banks() -> Banks:
    """Pictures that move where there is a fight; sounds and texts that say nothing."""
    rng = np.random.default_rng(0)
    kinds = ("fire", "crying", "aggression")
    still = Tokens(np.arange(12, dtype=np.float32) / 2, rng.normal(size=(12, 4)).astype(np.float32))
    said = Tokens(still.times[:1], still.values[:1])
    pictures = [
        (
            Track(name=f"{fight}{n}", label="", group=f"{fight}{n}", fold=0, duration=6, spans=(Span("fight", 0, 99),) * fight),
            Tokens(still.times, still.values, np.full((12, 6), float(fight), np.float32)),
        )
        for fight in (0, 1)
        for n in range(3)
    ]
    sounds = [(Track(name=kind, label="", group=kind, fold=0, duration=6, spans=(Span(kind, 0, 6),)), still) for kind in kinds]
    texts = [(Track(name=str(n), label="", group="", fold=0, duration=1, spans=(Span("distress", 0, 1),) * n), said) for n in (0, 1)]
    return Banks(gather(pictures), gather(sounds), gather(texts))


def test_a_network_learns_what_moves() -> None:
    material = banks()
    recipe = Recipe(steps=25, batch=16, rate=1e-2, average=0.5, warm_up=3)
    net = fit(material, frozenset({0}), SMALL, recipe, 0, lambda items, _, __: items)
    judged = alone([part(material.pictures, item, 4.0) for item in material.pictures.tracks], "pictures", material)
    said = net(judged.batch)[:, KINDS.index("fight")].tolist()
    assert min(said[3:]) > max(said[:3])


def nothing(windows: int = 2) -> Batch:
    rows = [Padded(torch.randn(windows, 3, 4), torch.rand(windows, 3), torch.ones(windows, 3, dtype=torch.bool)) for _ in range(3)]
    return Batch(rows[0], torch.rand(windows, 3, 6), rows[1], rows[2])


def test_weights_are_read_as_they_were_written_and_the_card_has_their_hash(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = AttentionNet(SMALL).eval()
    net.calibration[:, 1] = 3.0
    material = banks()
    done = save(net, tmp_path, card(net, (material.pictures,), {"picture": "p@1"}, Recipe(), 5, {"cv_ap": 0.5}))
    again = read(str(tmp_path / "fusion-default.safetensors")).eval()
    batch = nothing()
    assert torch.equal(again.probabilities(batch), net.probabilities(batch))
    assert load(tmp_path / "fusion-default.json") == done
    assert len(done.sha256) == 64


def test_what_is_no_safetensors_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "fusion-default.safetensors"
    path.write_bytes(b"not weights")
    with pytest.raises(SafetensorError):
        read(str(path))
