"""How favourable what is said is: valence, from -1 (hostile, sad, afraid) over 0 to 1 (glad), as people would rate the sentence.

A linear map on what the sentence encoder makes of it, taught by the mean ratings of twenty people a sentence (Hutto and Gilbert 2014,
"VADER", ICWSM). It describes what is said and raises nothing: "I love you" and "I will kill you" differ in it, a threat and bad news
hardly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from monitor.heads import Head, load
from monitor.language import TextFeatures
from monitor.models import locate

VALENCE: Final = "valence"
LANGUAGE: Final = "en"
"""That the ratings, and the sentence encoder, are of; of other languages nothing is said."""


def valence(head: Head, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Features [n, d], in use `TextFeatures.rows`, to -1 … 1 [n]."""
    said: npt.NDArray[np.float64] = np.clip(head.logits(features)[:, head.classes.index(VALENCE)], -1, 1)
    return said


@dataclass(frozen=True, slots=True)
class Sentiment:
    """Judges utterances."""

    head: Head
    name: str

    @classmethod
    def load(cls, model: str = "sentiment-default") -> Sentiment:
        """Read the shipped map. Raises ModelError if it is missing or wrong."""
        located = locate(model)
        head, _ = load(located)
        return cls(head, located.version)

    def __call__(self, read: TextFeatures, languages: Sequence[str]) -> list[float | None]:
        """One for each text; None for those of another language."""
        said = valence(self.head, read.rows).round(3).tolist()
        return [value if language == LANGUAGE else None for value, language in zip(said, languages, strict=True)]
