"""Training sees what the live stages see, and its weights are read again as they were written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import get_args

import cv2
import msgspec
import numpy as np
import pytest
import torch
from safetensors import SafetensorError

from monitor import config
from monitor.bus import Record
from monitor.capture import Capture
from monitor.embedding import Sounds
from monitor.errors import ConfigError, ModelError
from monitor.fusion import KINDS, FusionConfig, Kind
from monitor.fusionnet import AttentionNet, read
from monitor.fusionparts import Batch
from monitor.fusionparts import Tokens as Padded
from monitor.hearing import sound_encoder
from monitor.messages import Embedding, Frame, Ref, Sound, Topic, floats
from monitor.metrics import Metrics
from workers.train import teach
from workers.training.bank import Bank, Span, Tokens, Track, gather
from workers.training.card import card, load, save
from workers.training.checkpoint import Checkpoint, Curves
from workers.training.compose import Banks, Composer, Examples, alone, part
from workers.training.fit import Recipe, Watch, fit, loss
from workers.training.render import as_it_is, frames_of
from workers.training.run import RunCard
from workers.training.settings import OfClips, Stopping, Training
from workers.training.settings import read as settings_of
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


RECIPE = Recipe(steps=12, batch=16, rate=1e-2, average=0.5, warm_up=3)


def in_order(items: object, _: str, __: int) -> object:
    return items


@pytest.mark.parametrize("kind", get_args(Kind))
@pytest.mark.parametrize("recipe", [RECIPE, replace(RECIPE, focal=2.0), replace(RECIPE, weighted=True)])
def test_every_way_to_fuse_learns_what_moves_by_every_loss(kind: Kind, recipe: Recipe) -> None:
    material, curves = banks(), Curves()
    cfg = msgspec.structs.replace(SMALL, kind=kind)
    net = fit(material, frozenset({0}), cfg, replace(recipe, steps=40), 0, in_order, curves=curves)
    judged = alone([part(material.pictures, item, 4.0) for item in material.pictures.tracks], "pictures", material)
    said = net(judged.batch)[:, KINDS.index("fight")].tolist()
    assert min(said[3:]) > max(said[:3])
    assert np.mean(curves.taught[-5:]) < np.mean(curves.taught[:5])


def interrupted(items: range, _: str, __: int) -> Iterator[int]:
    """Is killed after the eighth step."""
    for step in items:
        if step == 8:
            raise KeyboardInterrupt
        yield step


def test_a_training_that_was_interrupted_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    material = banks()
    checkpoint = Checkpoint(tmp_path / "kept.safetensors", "key", 3)
    whole, resumed = Curves(), Curves()
    expected = fit(material, frozenset({0}), SMALL, RECIPE, 0, in_order, curves=whole)
    with pytest.raises(KeyboardInterrupt):
        fit(material, frozenset({0}), SMALL, RECIPE, 0, interrupted, checkpoint=checkpoint)
    net = fit(material, frozenset({0}), SMALL, RECIPE, 0, in_order, checkpoint=checkpoint, curves=resumed)
    assert resumed.taught == pytest.approx(whole.taught)
    for name, value in expected.state_dict().items():
        assert torch.equal(net.state_dict()[name], value), name


def test_the_checkpoint_of_another_training_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "kept.safetensors"
    fit(banks(), frozenset({0}), SMALL, RECIPE, 0, in_order, checkpoint=Checkpoint(path, "one", 6))
    with pytest.raises(ModelError, match="another training"):
        fit(banks(), frozenset({0}), SMALL, RECIPE, 0, in_order, checkpoint=Checkpoint(path, "other", 6))
    path.write_bytes(b"nothing")
    with pytest.raises(ModelError, match="no checkpoint"):
        fit(banks(), frozenset({0}), SMALL, RECIPE, 0, in_order, checkpoint=Checkpoint(path, "one", 6))


def test_a_training_stops_when_what_is_held_out_gets_no_better_and_keeps_the_best() -> None:
    material, curves = banks(), Curves()
    held = Composer(material, frozenset({0}), 5).draw(40)
    wrong = Examples(held.batch, 1 - held.labels, held.counts)  # the more is learned, the worse
    net = fit(material, frozenset({0}), SMALL, replace(RECIPE, steps=60), 0, in_order, watch=Watch(wrong, 2, 3), curves=curves)
    assert len(curves.taught) < 60
    assert float(loss(net, wrong, RECIPE).detach()) == pytest.approx(min(curves.held_out), rel=1e-4)


def test_a_run_card_says_what_was_done(tmp_path: Path) -> None:
    settings = OfClips(steps=12, batch=8, warm_up=3, folds=0, kind="concat", checkpoint_every=5, stopping=Stopping(every=4, windows=50))
    folded = banks()
    tracks = tuple(msgspec.structs.replace(track, fold=n % 2) for n, track in enumerate(folded.pictures.tracks))
    pictures = Bank(tracks, folded.pictures.times, folded.pictures.values, folded.pictures.motion)
    material = replace(folded, pictures=pictures, sounds=both_folds(folded.sounds), texts=both_folds(folded.texts))
    teach(material, {"picture": "p@1"}, tmp_path, settings, run=True)
    done = msgspec.json.decode((tmp_path / "fusion-clips.run.json").read_bytes(), type=RunCard)
    assert done.settings["kind"] == "concat"
    assert len(done.curves.taught) == 12
    assert done.curves.looks == [4, 8, 12]
    assert done.weights_sha256 == load(tmp_path / "fusion-clips.json").sha256
    assert cv2.imread(str(tmp_path / "fusion-clips.run.png")).shape == (360, 640, 3)
    assert read(str(tmp_path / "fusion-clips.safetensors")).cfg.kind == "concat"
    assert not (tmp_path / "fusion-clips.checkpoint.safetensors").exists()


def both_folds(bank: Bank) -> Bank:
    """The same recordings, in each of the first two folds."""
    return gather((msgspec.structs.replace(track, fold=fold), bank.tokens(track)) for fold in (0, 1) for track in bank.tracks)


def test_settings_are_read_and_a_mistake_is_named_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "train.yaml"
    path.write_text("kind: late\nfocal: 2\nstopping:\n  fold: 1\n")
    assert settings_of(Training, path, 7) == Training(kind="late", focal=2, stopping=Stopping(fold=1), seed=7)
    assert settings_of(OfClips, None).recipe == Recipe()
    path.write_text("joint: 0.1\n")
    with pytest.raises(ConfigError, match=r"train.yaml:1: joint"):
        settings_of(OfClips, path)
    path.write_text("kind: late\nstepps: 2\n")
    with pytest.raises(ConfigError, match=r"train.yaml:2: stepps"):
        settings_of(Training, path)


def nothing(windows: int = 2) -> Batch:
    rows = [Padded(torch.randn(windows, 3, 4), torch.rand(windows, 3), torch.ones(windows, 3, dtype=torch.bool)) for _ in range(3)]
    return Batch(rows[0], torch.rand(windows, 3, 6), rows[1], rows[2])


def test_weights_are_read_as_they_were_written_and_the_card_has_their_hash(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = AttentionNet(SMALL).eval()
    net.calibration[:, 1] = 3.0
    material = banks()
    done = save(net, tmp_path, card(net, (material.pictures,), {"picture": "p@1"}, Recipe(), 5, {"cv_ap": 0.5}))
    again = read(str(tmp_path / "fusion-clips.safetensors")).eval()
    batch = nothing()
    assert torch.equal(again.probabilities(batch), net.probabilities(batch))
    assert load(tmp_path / "fusion-clips.json") == done
    assert len(done.sha256) == 64


def test_what_is_no_safetensors_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "fusion-clips.safetensors"
    path.write_bytes(b"not weights")
    with pytest.raises(SafetensorError):
        read(str(path))
