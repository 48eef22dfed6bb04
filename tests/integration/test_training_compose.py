from __future__ import annotations

import numpy as np
import pytest
import torch

from monitor.fusion import KINDS
from workers.training.bank import Bank, Span, Tokens, Track, gather
from workers.training.compose import Banks, Composer, alone, part, passes

CRYING, FIGHT, DISTRESS = (KINDS.index(kind) for kind in ("crying", "fight", "distress"))


def bank(*tracks: tuple[Track, int], features: int = 4, motion: int = 0) -> Bank:
    """Tracks of so many tokens, half a second apart; their values are their fold."""
    return gather(
        (
            track,
            Tokens(
                np.arange(count, dtype=np.float32) / 2,
                np.full((count, features), track.fold, np.float32),
                np.ones((count, motion), np.float32) * bool(track.spans) if motion else None,
            ),
        )
        for track, count in tracks
    )


def track(name: str, fold: int = 0, duration: float = 8.0, *spans: Span) -> Track:
    return Track(name=name, label="", group=name, fold=fold, duration=duration, spans=spans)


@pytest.fixture(scope="module")
def banks() -> Banks:
    kinds = ("fire", "crying", "aggression")
    pictures = [(track(f"p{fold}{n}", fold, 6, *([Span("fight", 0, 99)] * n)), 12) for fold in (0, 1) for n in (0, 1)]
    sounds = [(track(f"s{fold}{kind}", fold, 8, Span(kind, 2, 6)), 16) for fold in (0, 1) for kind in kinds]
    texts = [(track(f"t{fold}{n}", fold, 1, *([Span("distress", 0, 1)] * n)), 1) for fold in (0, 1) for n in (0, 1)]
    return Banks(bank(*pictures, motion=6), bank(*sounds), bank(*texts))


def test_a_window_holds_the_tokens_before_its_end_with_their_ages() -> None:
    sounds = bank((track("s", 0, 8.0, Span("crying", 2.0, 3.5)), 16))
    window = part(sounds, sounds.tracks[0], 5.0)
    assert window.tokens.times.tolist() == [1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5]
    assert window.ages.tolist() == [4, 3.5, 3, 2.5, 2, 1.5, 1, 0.5]
    assert window.overlap[CRYING] == 1.5


def test_an_incident_that_is_hardly_in_a_window_counts_neither_way(banks: Banks) -> None:
    sounds = bank((track("s", 0, 8.0, Span("crying", 3.5, 8.0)), 16))
    judged = alone([part(sounds, sounds.tracks[0], end) for end in (3.5, 4.0, 4.5)], "sounds", Banks(banks.pictures, sounds, banks.texts))
    assert judged.labels[:, CRYING].tolist() == [0, 0, 1]
    assert judged.counts[:, CRYING].tolist() == [1, 0, 1]


def test_a_kind_that_a_window_cannot_know_counts_neither_way(banks: Banks) -> None:
    window = alone([part(banks.sounds, banks.sounds.tracks[0], 5.0)], "sounds", banks)
    assert window.counts[0, [FIGHT, DISTRESS]].tolist() == [0, 0]


def test_composed_windows_come_from_their_folds_alone(banks: Banks) -> None:
    batch = Composer(banks, frozenset({1}), 0).draw(50).batch
    for tokens in (batch.pictures, batch.sounds, batch.texts):
        assert (tokens.values[tokens.here] == 1).all()


def test_composed_windows_hold_every_kind_and_every_absence(banks: Banks) -> None:
    drawn = Composer(banks, frozenset({0, 1}), 0).draw(300)
    assert ((drawn.labels * drawn.counts).sum(0) > 5).all()
    assert (((1 - drawn.labels) * drawn.counts).sum(0) > 5).all()
    assert not drawn.batch.pictures.here.any(1).all()


def test_the_same_seed_composes_the_same_windows(banks: Banks) -> None:
    first, second = (Composer(banks, frozenset({0}), 7).draw(20) for _ in range(2))
    assert torch.equal(first.batch.sounds.ages, second.batch.sounds.ages)
    assert torch.equal(first.labels, second.labels)


def test_a_track_is_passed_over_in_hops(banks: Banks) -> None:
    assert [len(window.ages) for window in passes(banks.sounds, banks.sounds.tracks[0])][:3] == [1, 2, 3]
