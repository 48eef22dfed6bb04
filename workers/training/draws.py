"""What a training draws its windows from."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from workers.training.compose import Examples


class Draws(Protocol):
    """Draws windows to learn from, by its own generator."""

    rng: np.random.Generator

    def draw(self, size: int) -> Examples:
        """As many windows."""
