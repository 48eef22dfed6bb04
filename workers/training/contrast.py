"""The contrastive loss of the joint space: what is seen, heard and said in a window beside its captions, and beside each other.

InfoNCE with several positives, the mean over them (Khosla et al. 2020, arXiv 2004.11362, L_out), in both directions and with a learned
temperature as CLIP's (Radford et al. 2021, arXiv 2103.00020). Letters of the shapes: B windows, K kinds, C captions, J width.
"""

from __future__ import annotations

from itertools import combinations
from typing import Final

import torch
from torch import Tensor

from monitor.messages import Modality
from workers.training.captions import Captions
from workers.training.compose import SURE_S

ENOUGH: Final = SURE_S - 1e-3


def contrast(placed: Tensor, captions: Tensor, about: Captions, overlaps: Tensor, here: Tensor, scale: Tensor) -> Tensor:
    """The loss, a scalar.

    placed: each modality's place [B, 3, J]; captions: theirs [C, J]; overlaps: seconds of each kind that a modality carries [B, 3, K];
    here: which modalities are there [B, 3]; scale: what similarities are scaled by. What a modality carries for less than a second
    (or less than half of it, if it is short) is neither on nor off: such a place isn't read.
    """
    carried, counts = carries(overlaps, here)  # [B, 3, K+1], [B, 3]
    terms = []
    for m in range(len(Modality)):
        alike = carried[:, m] @ about.of.T > 0  # [B, C]
        read = counts[:, m, None].expand_as(alike)
        terms.append(both_ways(scale * placed[:, m] @ captions.T, alike & read, read))
    for m, n in combinations(range(len(Modality)), 2):
        read = counts[:, m, None] & counts[None, :, n]  # [B, B]
        alike, other = _shared(carried * (about.of.sum(0) > 0), m, n, read)
        terms.append(both_ways(scale * placed[:, m] @ placed[:, n].T, alike, alike | other))
    return torch.stack(terms).mean()


def _shared(carried: Tensor, m: int, n: int, read: Tensor) -> tuple[Tensor, Tensor]:
    """Which windows' m and which windows' n carry a kind in common, and which carry none: bool [B, B] each.

    Only windows in which both carry the same look for others; that both are calm says nothing.
    """
    common = carried[:, m, :-1] @ carried[:, n, :-1].T > 0
    by_itself = common.diagonal()
    return common & read & (by_itself[:, None] | by_itself[None, :]), ~common & read


def carries(overlaps: Tensor, here: Tensor) -> tuple[Tensor, Tensor]:
    """Which kinds each modality carries for sure, float32 [B, 3, K+1], the last: none of all; and where that can be said, bool [B, 3]."""
    on = overlaps >= ENOUGH  # [B, 3, K]
    clear = ((overlaps == 0) | on).all(-1) & here  # [B, 3]
    calm = ~(overlaps > 0).any(-1, keepdim=True)  # [B, 3, 1]
    return torch.cat((on, calm), dim=-1).float(), clear


def both_ways(similar: Tensor, alike: Tensor, read: Tensor) -> Tensor:
    """The loss of rows that look for their columns, and of columns that look for their rows, on average; [n, m] each."""
    return (one_way(similar, alike, read) + one_way(similar.T, alike.T, read.T)) / 2


def one_way(similar: Tensor, alike: Tensor, read: Tensor) -> Tensor:
    """How badly each row's columns that are `alike` stand out among all that are `read`: the mean over the rows that have any; 0 without.

    Scaled similarities float32, and bool, [n, m] each. Several positives share: each should have as large a part of the row.
    """
    shown = similar.float().masked_fill(~read, -1e4)  # mixed precision would blur what is near
    surprise = torch.logsumexp(shown, dim=1, keepdim=True) - shown  # [n, m], -log of each column's part
    positives = alike.sum(1)  # [n]
    each = (surprise * alike).sum(1) / positives.clamp(min=1)  # [n]
    some = positives > 0
    return (each * some).sum() / some.sum().clamp(min=1)
