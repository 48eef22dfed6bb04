"""Sounds as a camera's microphone might have heard them: scenes of a background and events, and their embeddings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
import numpy.typing as npt

from monitor.errors import SourceError
from monitor.hearing import SoundEncoder
from monitor.messages import SOUND_HZ
from workers.training.bank import Bank, Span, Tokens, Track, cached, gather
from workers.training.rows import ESC_KINDS, FOLDS, Row, trainable

Samples = npt.NDArray[np.float32]
Progress = Callable[[Iterable[Any], str, int], Iterable[Any]]

PIECE: Final = SOUND_HZ // 2
"""Samples of a token's own piece; it hears the piece before too, as the live encoder does."""
SCENE_S: Final = 8.0
SCENES: Final = 400
"""Of each fold."""
ACTIVE_DB: Final = -30.0
"""A recording is active where it is not further below its own loudest half second."""


@dataclass(frozen=True, slots=True)
class Recording:
    """One file's sound."""

    row: Row
    kind: str
    """The incident that it is, or empty."""
    species: str
    """What it is a sample of: speech of all languages is one."""
    background: bool
    """It can lie under others."""
    samples: Samples


def sound_bank(data: Path, encoder: SoundEncoder, seed: int, progress: Progress) -> Bank:
    """Each recording as it is (variant 0), then composed scenes (variant 1)."""
    rows = [row for folder in ("sounds/esc10", "emotion/emodb", "speech/wer", "speech/diarization") for row in trainable(data, folder)]
    key = [encoder.name, SCENES, SCENE_S, seed, [(row.name, row.path.stat().st_size) for row in rows]]
    return cached("sounds", key, lambda: gather(_tracks(rows, encoder, seed, progress)))


def samples_of(path: Path) -> Samples:
    """A file's sound as float32 mono at 16 kHz. Raises SourceError if it can't be read."""
    try:
        with av.open(str(path)) as container:
            resampler = av.AudioResampler(format="flt", layout="mono", rate=SOUND_HZ)
            pieces = [out.to_ndarray()[0] for frame in container.decode(audio=0) for out in resampler.resample(frame)]
            pieces += [out.to_ndarray()[0] for out in resampler.resample(None)]
    except (av.FFmpegError, IndexError) as error:
        raise SourceError(f"{path}: its sound can't be read: {error}") from error
    return np.concatenate(pieces).astype(np.float32)


def seconds(samples: Samples) -> Samples:
    """What the encoder hears: float32 [n, 16000], each piece and the one before it, with silence in front of what is shorter."""
    heard = [samples[max(0, at - PIECE) : at + PIECE] for at in range(0, len(samples), PIECE)]
    return np.stack([np.pad(second, (2 * PIECE - len(second), 0)) for second in heard]).astype(np.float32)


def heard(samples: Samples, encoder: SoundEncoder) -> Tokens:
    """Tokens of a recording: s16 as on the bus, then embedded; each token's time is its own piece's begin."""
    pcm = np.clip(np.round(samples * 32768), -32768, 32767).astype(np.int16)
    values = encoder(seconds(pcm.astype(np.float32) / np.float32(32768)))
    return Tokens((np.arange(len(values)) * PIECE / SOUND_HZ).astype(np.float32), values)


def _tracks(rows: Sequence[Row], encoder: SoundEncoder, seed: int, progress: Progress) -> Iterator[tuple[Track, Tokens]]:
    recordings = [_recording(row) for row in rows]
    for recording in progress(recordings, "sounds as they are", len(recordings)):
        yield _track(recording), heard(recording.samples, encoder)
    rng = np.random.default_rng(seed)
    for number in progress(range(FOLDS * SCENES), "sound scenes", FOLDS * SCENES):
        fold = number % FOLDS
        samples, spans = scene([item for item in recordings if item.row.fold == fold], rng)
        yield (
            Track(name=f"scene-{number}", label="scene", group=f"fold {fold}", fold=fold, variant=1, duration=SCENE_S, spans=spans),
            heard(samples, encoder),
        )


def _recording(row: Row) -> Recording:
    kind = ESC_KINDS.get(row.label, "aggression" if row.label == "emotion:anger" else "")
    samples = samples_of(row.path)[: 30 * SOUND_HZ]
    species = row.label if row.label.startswith(("sound:", "emotion:")) else "speech"
    return Recording(row, kind, species, row.name.startswith("sounds/") and not kind, samples)


def _track(recording: Recording) -> Track:
    row, duration = recording.row, len(recording.samples) / SOUND_HZ
    spans = tuple(Span(recording.kind, at, until) for at, until in active(recording.samples)) if recording.kind else ()
    return Track(name=row.name, label=row.label, group=row.group, fold=row.fold, duration=duration, spans=spans)


def active(samples: Samples) -> list[tuple[float, float]]:
    """Spans in seconds, on half seconds, where something is to be heard."""
    pieces = -(-len(samples) // PIECE)
    power = np.square(np.pad(samples, (0, pieces * PIECE - len(samples))).reshape(pieces, PIECE)).mean(1)
    loud = power > max(power.max() * 10 ** (ACTIVE_DB / 10), 1e-9)
    edges = np.flatnonzero(np.diff(np.r_[False, loud, False]))
    return [(float(at) / 2, min(float(until) / 2, len(samples) / SOUND_HZ)) for at, until in zip(edges[::2], edges[1::2], strict=True)]


def scene(recordings: Sequence[Recording], rng: np.random.Generator) -> tuple[Samples, tuple[Span, ...]]:
    """Eight seconds: a background, none to two events somewhere in it, heard through some microphone."""
    total = int(SCENE_S * SOUND_HZ)
    mixed, level = _background(recordings, rng, total)
    spans: list[Span] = []
    for _ in range(rng.choice(3, p=(0.1, 0.65, 0.25))):
        event = _pick(recordings, rng)
        sound = event.samples[:total]
        sound = sound / max(float(np.sqrt(np.square(sound).mean())), 1e-4) * level * 10 ** (rng.uniform(3, 25) / 20)
        at = int(rng.integers(-len(sound) // 2, total - len(sound) // 2) // PIECE * PIECE)
        begin, end = max(at, 0), min(at + len(sound), total)
        mixed[begin:end] += sound[begin - at : end - at]
        if event.kind:
            spans += [Span(event.kind, *edges) for edges in _within(active(sound[begin - at : end - at]), begin / SOUND_HZ)]
    return microphone(mixed, rng), tuple(spans)


def _within(spans: Iterable[tuple[float, float]], begin: float) -> Iterator[tuple[float, float]]:
    return ((begin + at, begin + until) for at, until in spans)


def _pick(recordings: Sequence[Recording], rng: np.random.Generator) -> Recording:
    """An event: each kind of incident as often, and ordinary ones as often as all of them; each species of these alike."""
    kind = str(rng.choice(["fire", "crying", "aggression", ""], p=(0.15, 0.15, 0.25, 0.45)))
    those = [item for item in recordings if item.kind == kind]
    species = str(rng.choice(sorted({item.species for item in those})))
    alike = [item for item in those if item.species == species]
    return alike[int(rng.integers(len(alike)))]


def _background(recordings: Sequence[Recording], rng: np.random.Generator, total: int) -> tuple[Samples, float]:
    """A recorded ambience, coloured noise, or nearly nothing; with the level that events are measured against."""
    choice, level = rng.random(), 10 ** (rng.uniform(-55, -28) / 20)
    if choice < 0.45:  # noqa: PLR2004
        those = [item for item in recordings if item.background]
        ground = np.resize(those[int(rng.integers(len(those)))].samples, total)
    else:
        ground = coloured(total, rng.uniform(0, 2), rng)
        level *= 0.05 if choice > 0.85 else 1.0  # noqa: PLR2004
    scaled = ground / max(float(np.sqrt(np.square(ground).mean())), 1e-4) * level
    return scaled.astype(np.float32), float(level)


def coloured(total: int, exponent: float, rng: np.random.Generator) -> Samples:
    """Noise whose power falls with frequency to this exponent: 0 white, 1 pink, 2 brown."""
    spectrum = np.fft.rfft(rng.standard_normal(total))
    spectrum /= np.maximum(np.fft.rfftfreq(total, 1 / SOUND_HZ), 20) ** (exponent / 2)
    noise: Samples = np.fft.irfft(spectrum, total).astype(np.float32)
    return noise


def microphone(samples: Samples, rng: np.random.Generator) -> Samples:
    """The room's echo, the band that the microphone hears, its gain, and clipping."""
    if rng.random() < 0.5:  # noqa: PLR2004
        tail = int(rng.uniform(0.1, 0.6) * SOUND_HZ)
        echo = rng.standard_normal(tail) * np.exp(-6.9 * np.arange(tail) / tail) * rng.uniform(0.02, 0.12)
        echo[0] = 1.0
        size = 1 << (len(samples) + tail).bit_length()
        samples = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(echo, size), size)[: len(samples)].astype(np.float32)
    if rng.random() < 0.5:  # noqa: PLR2004
        frequencies = np.fft.rfftfreq(len(samples), 1 / SOUND_HZ)
        low, high = rng.uniform(40, 300), rng.uniform(3000, 8000)
        band = 1 / (1 + (low / np.maximum(frequencies, 1)) ** 4) / (1 + (frequencies / high) ** 8)
        samples = np.fft.irfft(np.fft.rfft(samples) * band, len(samples)).astype(np.float32)
    heard: Samples = np.clip(samples * 10 ** (rng.uniform(-12, 6) / 20), -1, 1).astype(np.float32)
    return heard
