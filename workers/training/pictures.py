"""Clips and footage to picture tokens: sampled, compressed, read again and embedded as live pictures are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Literal

import cv2
import numpy as np

from monitor.jpeg import decode_jpeg
from monitor.messages import floats
from monitor.motion import MOTION, STEP_S
from monitor.vision import PictureEncoder
from workers.training.bank import Bank, Span, Tokens, Track, cached, gather, joined
from workers.training.compose import HOP_S
from workers.training.render import Sample, as_it_is, film, frames_of, refilmed
from workers.training.rows import Row, trainable

Progress = Callable[[Iterable[Any], str, int], Iterable[Any]]

VARIANTS: Final = 3
"""Of each clip: as it is, and as other cameras might have filmed it."""
WEATHERS: Final[tuple[Literal["night", "rain"], ...]] = ("night", "rain")


def picture_bank(data: Path, encoder: PictureEncoder, seed: int, progress: Progress, *, weather: bool = False) -> Bank:
    """All clips and footage in all variants, with `weather` also at night and in the rain; a fight's clip is a fight throughout."""
    rows = [*trainable(data, "violence/fight_surv"), *trainable(data, "video")]
    key = [encoder.name, VARIANTS, MOTION, STEP_S, seed, [(row.name, row.path.stat().st_size) for row in rows]]
    bank = cached("pictures", key, lambda: gather(_tracks(rows, encoder, seed, progress)))
    if not weather:
        return bank
    return joined([bank, cached("weather", [*key, WEATHERS], lambda: gather(_weathered(rows, encoder, seed, progress)))])


def seen(samples: Sequence[Sample], encoder: PictureEncoder) -> Tokens:
    """Samples to tokens; their motion is NaN where there is none."""
    values = encoder([decode_jpeg(sample.jpeg) for sample in samples]).vectors
    return Tokens(np.array([sample.at for sample in samples], np.float32), values, np.stack([floats(sample.motion) for sample in samples]))


def _tracks(rows: Sequence[Row], encoder: PictureEncoder, seed: int, progress: Progress) -> Iterator[tuple[Track, Tokens]]:
    cv2.setNumThreads(1)
    for number, row in enumerate(progress(rows, "pictures", len(rows))):
        frames = frames_of(row.path)
        for variant in range(VARIANTS):
            rng = np.random.default_rng((seed, number, variant))
            samples = refilmed(frames, film(rng), number) if variant else as_it_is(frames)
            tokens = seen(samples, encoder)
            yield _track(row, variant, float(tokens.times[-1]) + HOP_S), tokens


def _weathered(rows: Sequence[Row], encoder: PictureEncoder, seed: int, progress: Progress) -> Iterator[tuple[Track, Tokens]]:
    cv2.setNumThreads(1)
    for number, row in enumerate(progress(rows, "pictures at night and in rain", len(rows))):
        frames = frames_of(row.path)
        for variant, weather in enumerate(WEATHERS, VARIANTS):
            how = replace(film(np.random.default_rng((seed, number, variant))), weather=weather)
            tokens = seen(refilmed(frames, how, number), encoder)
            yield _track(row, variant, float(tokens.times[-1]) + HOP_S), tokens


def _track(row: Row, variant: int, duration: float) -> Track:
    spans = (Span("fight", 0.0, 1e6),) if row.label == "fight" else ()
    return Track(name=row.name, label=row.label, group=row.group, fold=row.fold, variant=variant, duration=duration, spans=spans)
