"""From a window and what was judged of it to the Score that is published."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec
import numpy as np

from monitor.align import Window
from monitor.described import BELIEVED
from monitor.messages import Embedding, Judgement, Presence, Ref, Score, floats
from monitor.motion import CELLS

SHOWN: Final = 16
"""So many people and things of a picture are told, the surest ones."""


def believed(judgement: Judgement, probability: float) -> Judgement:
    """A judgement that is above 0 with another probability, which its modalities share as they did before."""
    share = probability / judgement.probability
    parts = {modality: part * share for modality, part in judgement.parts.items()}
    return msgspec.structs.replace(judgement, probability=probability, parts=parts)


def score(
    window: Window,
    fusion: Sequence[Judgement],
    normality: Sequence[Judgement],
    *,
    learning: bool,
    models: Iterable[str] = (),
    attention: Sequence[float] = (),
) -> Score:
    """Merge what the network and the camera's normality say of one window.

    `models` are those that judged; those that encoded and transcribed are read from the window. `attention` weighs its
    pictures, one number each; without it the key frame is the one that moved most.
    """
    transcripts = tuple(text.transcript for text in window.texts if text.transcript is not None)
    key = _key_picture(window.pictures, attention or [movement(picture) for picture in window.pictures])
    inputs = (*window.pictures, *window.sounds, *window.texts)
    named = (*models, *(item.model for item in inputs), *(transcript.model for transcript in transcripts))
    return Score(
        camera=window.camera,
        at=window.at,
        until=window.until,
        captured=window.captured,
        modalities=window.modalities,
        revision=window.revision,
        final=window.final,
        judgements=(*fusion, *normality),
        learning=learning,
        frames=_sources(window.pictures),
        sounds=_sources(window.sounds),
        key_frame=None if key is None else key.source,
        things=() if key is None else shown(key),
        transcripts=transcripts,
        models=tuple(dict.fromkeys(name for name in named if name)),
    )


def movement(picture: Embedding) -> float:
    """How much a picture moved since the one before it: the change of all cells of its raster; 0 where it is not known."""
    return float(np.nansum(floats(picture.motion)[: CELLS * CELLS]))


def shown(picture: Embedding) -> tuple[Presence, ...]:
    """People and things in a picture that are sure enough to be shown, without what they look like."""
    fields = Presence.__struct_fields__
    sure = [thing for thing in picture.things or () if thing.confidence >= BELIEVED]
    return tuple(Presence(**{field: getattr(thing, field) for field in fields}) for thing in sure[:SHOWN])


def _key_picture(pictures: Sequence[Embedding], weights: Sequence[float]) -> Embedding | None:
    """The heaviest picture, of equals the newest; a picture that came without a reference can't be shown."""
    held = [(weight, index) for index, (picture, weight) in enumerate(zip(pictures, weights, strict=True)) if picture.source is not None]
    return pictures[max(held)[1]] if held else None


def _sources(items: Sequence[Embedding]) -> tuple[Ref, ...]:
    return tuple(item.source for item in items if item.source is not None)
