"""How sure a figure is: 95 % intervals by the bootstrap (Efron & Tibshirani 1993), over what is independent."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

ROUNDS: Final = 1000
LEVEL: Final = 0.95

Integers = npt.NDArray[np.int64]


def interval(
    figure: Callable[[Integers], float], groups: Sequence[Hashable], *, rounds: int = ROUNDS, seed: int = 0
) -> tuple[float, float]:
    """Lower and upper bound of a figure of examples; those of one group (recording, speaker, clip) are drawn together.

    `figure` is given the indices of the examples of each draw, some of them several times; a draw for which it is NaN does not count.
    """
    members: dict[Hashable, list[int]] = {}
    for index, group in enumerate(groups):
        members.setdefault(group, []).append(index)
    blocks = [np.array(indices) for indices in members.values()]
    rng = np.random.default_rng(seed)
    drawn = [figure(np.concatenate([blocks[n] for n in rng.integers(len(blocks), size=len(blocks))])) for _ in range(rounds)]
    low, high = np.nanquantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def with_interval(name: str, figure: Callable[[Integers], float], groups: Sequence[Hashable], *, rounds: int = ROUNDS) -> dict[str, float]:
    """A figure of all examples, and its bounds as `<name>_low` and `<name>_high`."""
    low, high = interval(figure, groups, rounds=rounds)
    return {name: figure(np.arange(len(groups))), f"{name}_low": low, f"{name}_high": high}
