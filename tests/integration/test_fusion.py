"""The shipped weights."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from monitor import anomaly, config
from monitor.fusion import KINDS, Fusion
from monitor.fusionnet import AttentionNet, batch, example, read
from monitor.fusionparts import Batch, summary
from monitor.hearing import sound_encoder
from monitor.language import text_encoder
from monitor.messages import Modality
from monitor.models import locate
from workers.evaluate.fusion import windows_of
from workers.training.bank import Tokens, Track
from workers.training.card import load
from workers.training.sounds import heard, samples_of

DATA = Path(os.environ.get("SCENEWATCH_DATA", "../shared/data"))
MODELS = config.Models(threads=1)


@pytest.fixture(scope="module")
def fusion() -> Fusion:
    return Fusion.load(MODELS)


def test_the_card_describes_the_weights(fusion: Fusion) -> None:
    located = locate(MODELS.fusion)
    card = load(located.weights.with_suffix(".json"))
    assert card.sha256 == located.sha256
    assert card.kinds == (*KINDS, anomaly.KIND)
    assert card.parameters == sum(parameter.numel() for parameter in read(str(located.weights)).parameters())
    assert card.encoders["sound"] == locate(MODELS.sound).version
    assert located.weights.stat().st_size < 10e6


def as_ever(net: AttentionNet, windows: Batch) -> torch.Tensor:
    """What the weights were taught to be read as, written out: pictures with their things, sounds and words attend to each other."""
    assert net.things is not None
    assert windows.things is not None
    seen, heard_, said, shown = windows.pictures, windows.sounds, windows.texts, windows.things
    pictures, things = net.pictures(seen, windows.motion), net.things(shown.values)
    sounds, texts = net.sounds(heard_.values), net.texts(said.values)
    placed = [
        norm(value) + net.time(token.ages) + own
        for norm, value, token, own in (
            (net.norms[0], pictures, seen, net.modality[0]),
            (net.things.norm, things, shown, net.modality[0]),
            (net.norms[1], sounds, heard_, net.modality[1]),
            (net.norms[2], texts, said, net.modality[2]),
        )
    ]
    x = torch.cat([net.queries.expand(2, -1, -1), *placed], dim=1)
    here = torch.cat([torch.ones(2, len(net.queries), dtype=torch.bool), seen.here, shown.here, heard_.here, said.here], dim=1)
    for block in net.blocks:
        x = block(x, here)
    asked = (net.out_norm(x[:, : len(net.queries)]) * net.head).sum(-1)
    rows = summary(pictures, seen.here) + summary(things, shown.here), summary(sounds, heard_.here), summary(texts, said.here)
    plain = [head(row) for head, row in zip(net.summaries, rows, strict=True)]
    return asked + torch.stack(plain).sum(0) + net.bias


def test_the_shipped_weights_judge_to_the_last_bit_as_ever() -> None:
    net = read(str(locate(MODELS.fusion).weights)).eval()
    assert isinstance(net, AttentionNet)
    windows = batch([torch.from_numpy(array) for array in example(net.cfg).arrays()])
    with torch.inference_mode():
        assert torch.equal(net(windows), as_ever(net, windows))


def highest(fusion: Fusion, track: Track, tokens: Tokens, modality: Modality) -> dict[str, float]:
    judged = fusion(list(windows_of(track, tokens, modality)))
    return {kind: max(row[n].probability for row in judged) for n, kind in enumerate(KINDS)}


@pytest.mark.parametrize(
    ("text", "said"),
    [("Help! Somebody call the police, he has a knife!", True), ("The meeting on Tuesday is in the small room.", False)],
)
def test_a_call_for_help_is_distress_and_a_meeting_is_not(fusion: Fusion, text: str, said: bool) -> None:
    vectors = text_encoder(MODELS)([text])
    track = Track(name="t", label="", group="", fold=0, duration=0.5)
    found = highest(fusion, track, Tokens(vectors[:, 0] * 0, vectors), Modality.TEXT)
    assert (found["distress"] > 0.5) == said
    assert all(found[kind] == 0 for kind in KINDS if kind != "distress")


@pytest.mark.data
@pytest.mark.skipif(not DATA.exists(), reason=f"{DATA} is absent: set SCENEWATCH_DATA")
def test_a_siren_is_neither_fire_nor_crying(fusion: Fusion) -> None:
    path = min((DATA / "sounds/urbansound8k").rglob("*-8-*.opus"))
    tokens = heard(samples_of(path), sound_encoder(MODELS))
    found = highest(fusion, Track(name="s", label="", group="", fold=0, duration=len(tokens.times) / 2), tokens, Modality.SOUND)
    assert found["fire"] < 0.8
    assert found["crying"] < 0.8
