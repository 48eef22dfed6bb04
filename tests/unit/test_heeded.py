"""What people said of alerts teaches: the windows, the kinds that a verdict speaks of, and how many are drawn."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from monitor.feedback import Feedback, Verdict, to_line
from monitor.messages import Embedding, Modality, pack
from workers import features
from workers.feedback import beside
from workers.training.bank import Bank, Span, Tokens, Track, gather
from workers.training.compose import Banks, Composer
from workers.training.heeded import Heeding, read
from workers.training.rows import FOLDS

RNG = np.random.default_rng(0)
BOTH = (Modality.PICTURE, Modality.SOUND)
KINDS = {Modality.PICTURE: ("fight",), Modality.SOUND: ("fire", "crying", "aggression"), Modality.TEXT: ("distress",)}


def bank(modality: Modality) -> Bank:
    """Tracks of every kind of a modality and of none, in every fold."""

    def pairs():
        for fold in range(FOLDS):
            for kind in (*KINDS[modality], ""):
                spans = (Span(kind, 0.0, 8.0),) if kind else ()
                track = Track(name=f"{kind}-{fold}", label=kind, group=f"{kind}-{fold}", fold=fold, duration=8.0, spans=spans)
                motion = RNG.normal(size=(16, 6)).astype(np.float32) if modality is Modality.PICTURE else None
                yield track, Tokens(np.arange(16) / 2, RNG.normal(size=(16, 4)).astype(np.float32), motion)

    return gather(pairs())


BANKS = Banks(*map(bank, Modality))


def kept(path: Path, verdict: Feedback, width: int = 4, grid: int = 0) -> None:
    """The embeddings of ten seconds, beside a verdict."""
    items = [
        Embedding(
            camera=verdict.camera,
            at=at,
            until=at + 0.5,
            captured=at,
            modalities=BOTH,
            modality=modality,
            vector=pack(np.full(width, at)),
            motion=pack(np.zeros(6)) if modality is Modality.PICTURE else b"",
            grid=pack(np.full(grid, at)) if modality is Modality.SOUND and grid else b"",
        )
        for at in np.arange(1000.0, 1010.0, 0.5).tolist()
        for modality in BOTH
    ]
    features.write(beside(path, verdict), items)


def said(verdict: Verdict, kind: str, camera: str = "hall") -> Feedback:
    return Feedback(camera=camera, at=1004.0, until=1006.0, verdict=verdict, given=2000.0, kind=kind)


def file(tmp_path: Path, *verdicts: Feedback) -> Path:
    path = tmp_path / "feedback.jsonl"
    path.write_bytes(b"".join(map(to_line, verdicts)))
    return path


def test_a_verdict_speaks_of_its_own_kind(tmp_path: Path) -> None:
    wrong, missed = said(Verdict.ORDINARY, "fight"), said(Verdict.MISSED, "fire", "gate")
    path = file(tmp_path, wrong, missed)
    kept(path, wrong)
    kept(path, missed)
    heeded = read(path, BANKS, 0.25)
    index = {kind: number for number, kind in enumerate(BANKS.kinds)}
    says = {tuple(np.flatnonzero(window.says)) for window in heeded.windows}
    assert says == {(index["fight"],), (index["fire"],)}
    assert heeded.counted.verdicts == 2
    assert heeded.counted.windows == len(heeded.windows) > 0


def test_what_is_nothing_at_all_is_none_of_all_kinds(tmp_path: Path) -> None:
    wrong = said(Verdict.ORDINARY, "unusual_picture")
    path = file(tmp_path, wrong)
    kept(path, wrong)
    assert all(window.says.all() for window in read(path, BANKS, 0.25).windows)


def test_what_cannot_teach_is_counted(tmp_path: Path) -> None:
    gone, unknown, other = said(Verdict.ORDINARY, "fight"), said(Verdict.MISSED, ""), said(Verdict.ORDINARY, "fight", "gate")
    path = file(tmp_path, gone, unknown, other)
    kept(path, other, width=5)
    counted = read(path, BANKS, 0.25).counted
    assert (counted.without_features, counted.of_unknown_kinds, counted.with_other_models, counted.windows) == (1, 1, 1, 0)


def test_a_share_of_what_is_drawn_is_what_was_said(tmp_path: Path) -> None:
    missed = said(Verdict.MISSED, "fight")
    path = file(tmp_path, missed)
    kept(path, missed)
    heeded, folds = read(path, BANKS, 0.25), frozenset(range(FOLDS))
    drawn = Heeding(Composer(BANKS, folds, 0), heeded, folds).draw(40)
    fight = BANKS.kinds.index("fight")
    assert len(drawn.labels) == 40
    assert drawn.labels[30:, fight].tolist() == [1.0] * 10
    assert drawn.counts[30:].sum(0).tolist() == [10.0 if kind == "fight" else 0.0 for kind in BANKS.kinds]
    again = Heeding(Composer(BANKS, folds, 0), heeded, folds).draw(40)
    assert torch.equal(drawn.batch.pictures.values, again.batch.pictures.values)
    without = frozenset(range(FOLDS)) - {heeded.windows[0].fold}
    composed = Composer(BANKS, without, 0).draw(40)
    assert torch.equal(Heeding(Composer(BANKS, without, 0), heeded, without).draw(40).batch.pictures.values, composed.batch.pictures.values)


@pytest.mark.parametrize("grid", [6, 0])
def test_layers_and_flow_stand_behind_where_they_are_read(tmp_path: Path, grid: int) -> None:
    missed = said(Verdict.MISSED, "fight")
    path = file(tmp_path, missed)
    kept(path, missed, grid=grid)
    pictures = replace(BANKS.pictures, motion=np.zeros((0, 9), np.float16))
    sounds = replace(BANKS.sounds, values=np.zeros((0, 10), np.float16))
    window = read(path, replace(BANKS, pictures=pictures, sounds=sounds), 0.25, layers=6).windows[0]
    heard, seen = window.parts[Modality.SOUND].tokens.values, window.parts[Modality.PICTURE].tokens.motion
    assert heard.shape[1] == 10
    assert np.isnan(heard).any() == (not grid)
    assert not np.isnan(heard[:, :4]).any()
    assert seen is not None
    assert np.isnan(seen).all(0).tolist() == [False] * 6 + [True] * 3
