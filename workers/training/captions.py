"""Captions of what may be on in a window, in a few wordings each: what the joint space lays pictures, sounds and words beside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import torch
from torch import Tensor

from monitor.language import TextEncoder
from workers.training.rows import lines_of

CALM: Final = ""
"""What the captions of an ordinary moment are of."""


class Captions(NamedTuple):
    """Captions as their sentence vectors, and what they are of."""

    vectors: Tensor
    """float32 [C, text]."""
    of: Tensor
    """float32 [C, K+1]: 1 where a caption tells of a kind; the last column is that of an ordinary moment."""

    def to(self, device: torch.device) -> Captions:
        """The same elsewhere."""
        return Captions(self.vectors.to(device), self.of.to(device))


def captions(encoder: TextEncoder, kinds: Sequence[str], *, teach: bool = True) -> Captions:
    """Those of the kinds, and of ordinary moments: the ones that teach, or one wording of each that never does."""
    those = [(kind, caption) for kind, caption, teaches in lines() if teaches == teach and kind in (*kinds, CALM)]
    columns = [*kinds, CALM]
    of = torch.zeros(len(those), len(columns))
    of[torch.arange(len(those)), torch.tensor([columns.index(kind) for kind, _ in those])] = 1
    return Captions(torch.from_numpy(encoder([caption for _, caption in those])).float(), of)


def lines() -> list[tuple[str, str, bool]]:
    """What each caption is of, its words, and whether it teaches."""
    return [(line["kind"], line["caption"], line["teaches"] == "yes") for line in lines_of("captions.csv")]
