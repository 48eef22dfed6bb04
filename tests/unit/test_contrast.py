from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
import torch

from monitor.fusion import FusionConfig
from monitor.fusionparts import JointSpace
from workers.training.captions import CALM, Captions, captions, lines
from workers.training.contrast import carries, contrast, one_way
from workers.training.streams import KNOWN_BY

KINDS = ("fight", "siren", "anomaly")


class Letters:
    """Stands in for a sentence encoder: how often each letter is there."""

    name = "letters"

    def __call__(self, texts: list[str]) -> np.ndarray:
        rows = [[text.lower().count(chr(97 + n)) for n in range(26)] for text in texts]
        return np.array(rows, np.float32)


def toy() -> tuple[torch.Tensor, Captions, torch.Tensor, torch.Tensor]:
    """Summaries [12, 3, 8] in which what is carried shows, captions, what each modality carries, and what is there."""
    generator = torch.Generator().manual_seed(0)
    overlaps = torch.zeros(12, 3, len(KINDS))
    overlaps[:4, 0, 0] = overlaps[:4, 0, 2] = 2.0  # fights are seen
    overlaps[4:8, 1, 1] = overlaps[4:8, 1, 2] = 2.0  # sirens are heard
    overlaps[6:8, 2, 1] = 2.0  # and told of
    rows = torch.randn(12, 3, 8, generator=generator) * 0.1
    rows[..., :2] += overlaps[..., :2]
    of = torch.tensor([[1.0, 0, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
    return rows, Captions(torch.randn(5, 6, generator=generator), of), overlaps, torch.ones(12, 3, dtype=torch.bool)


def space() -> JointSpace:
    torch.manual_seed(0)
    return JointSpace(FusionConfig(motion=4, text=6, width=4, joint=5, dropout=0.0))


def lost(net: JointSpace) -> torch.Tensor:
    rows, about, overlaps, here = toy()
    placed = net(list(rows.unbind(1)), here)
    return contrast(placed, net.told(about.vectors), about, overlaps, here, net.scale())


def test_the_loss_falls_and_windows_come_to_lie_by_their_captions() -> None:
    net = space()
    before = lost(net).item()
    optimiser = torch.optim.Adam(net.parameters(), lr=0.01)
    for _ in range(150):
        optimiser.zero_grad()
        lost(net).backward()
        optimiser.step()
    assert lost(net).item() < 0.6 * before
    rows, about, _, here = toy()
    near = net(list(rows.unbind(1)), here) @ net.told(about.vectors).T  # [12, 3, 5]
    assert (near[:4, 0].argmax(1) < 2).all()
    assert (near[4:8, 1].argmax(1) // 2 == 1).all()
    assert (near[8:, 0].argmax(1) == 4).all()
    assert net.temperature.item() != pytest.approx(math.log(1 / 0.07), abs=1e-3)


def test_two_positives_share() -> None:
    alike, read = torch.tensor([[True, True, False]]), torch.ones(1, 3, dtype=torch.bool)
    even = one_way(torch.tensor([[5.0, 5.0, -20.0]]), alike, read)
    assert even.item() == pytest.approx(math.log(2), abs=1e-4)  # half of the row each: there is no better
    uneven = one_way(torch.tensor([[8.0, 2.0, -20.0]]), alike, read)
    assert uneven > even
    assert one_way(torch.tensor([[5.0, -20.0, -20.0]]), torch.tensor([[True, False, False]]), read).item() == pytest.approx(0, abs=1e-4)


def test_what_is_not_read_does_not_count_and_nothing_is_no_loss() -> None:
    similar = torch.tensor([[1.0, 2.0, 50.0], [0.0, 0.0, 0.0]], requires_grad=True)
    alike = torch.tensor([[True, False, False], [False, False, False]])
    read = torch.tensor([[True, True, False], [False, False, False]])
    found = one_way(similar, alike, read)
    assert found.item() == pytest.approx(math.log1p(math.e), abs=1e-4)
    found.backward()
    assert similar.grad is not None
    assert not similar.grad[0, 2]
    assert not similar.grad[1].any()
    assert one_way(similar.detach(), torch.zeros_like(alike), read).item() == 0


def test_too_little_of_a_kind_is_neither_and_a_modality_that_is_away_says_nothing() -> None:
    overlaps = torch.zeros(2, 3, 2)
    overlaps[0, 0], overlaps[0, 1, 1], overlaps[1, 0, 0] = torch.tensor([2.0, 0.0]), 0.4, 2.0
    carried, counts = carries(overlaps, torch.tensor([[True, True, True], [False, True, True]]))
    assert counts.tolist() == [[True, False, True], [False, True, True]]
    assert carried[0, 0].tolist() == [1, 0, 0]
    assert carried[0, 2].tolist() == [0, 0, 1]


def test_modalities_are_laid_beside_each_other_where_both_carry_the_same() -> None:
    rows, about, overlaps, here = toy()
    net = space()
    nothing = Captions(about.vectors[:0], about.of[:0])
    placed = net(list(rows.unbind(1)), here)
    told = net.told(nothing.vectors)
    assert contrast(placed, told, nothing, overlaps, here, net.scale()).item() == 0  # no captions: no kind that is known
    only = about._replace(of=about.of * torch.tensor([0, 1.0, 0, 0]))
    apart = contrast(placed, net.told(only.vectors), only, overlaps, here, net.scale())
    alone = overlaps.clone()
    alone[:, 2] = 0
    assert apart != contrast(placed, net.told(only.vectors), only, alone, here, net.scale())


def test_every_kind_and_an_ordinary_moment_has_captions_that_teach_and_one_that_does_not() -> None:
    taught = Counter(kind for kind, _, teaches in lines() if teaches)
    assert set(taught) == {*KNOWN_BY, CALM}
    assert all(4 <= count <= 6 for count in taught.values())
    assert Counter(kind for kind, _, teaches in lines() if not teaches) == dict.fromkeys([*KNOWN_BY, CALM], 1)
    assert len({caption for _, caption, _ in lines()}) == len(lines())


def test_captions_are_of_the_kinds_that_are_asked_for() -> None:
    found = captions(Letters(), KINDS)
    assert found.vectors.shape == (15, 26)
    assert found.of.sum(0).tolist() == [5, 5, 0, 5]
    assert found.of.sum(1).tolist() == [1.0] * 15
