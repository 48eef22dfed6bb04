"""Sounds as a camera's microphone might have heard them: scenes of a background and events, and their embeddings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import av
import msgspec
import numpy as np
import numpy.typing as npt

from monitor.errors import SourceError
from monitor.hearing import SoundEncoder
from monitor.messages import SOUND_HZ
from workers.training.augment import ROOM_S, SEMITONES, SNR_DB, full_scale, noisy, pitched, reverberant
from workers.training.bank import Bank, Span, Tokens, Track, cached, gather, joined
from workers.training.rows import ESC_KINDS, FOLDS, Row, trainable

Samples = npt.NDArray[np.float32]
Progress = Callable[[Iterable[Any], str, int], Iterable[Any]]

PIECE: Final = SOUND_HZ // 2
"""Samples of a token's own piece; it hears the piece before too, as the live encoder does."""
SCENE_S: Final = 8.0
SCENES: Final = 400
"""Of each fold."""
ORDINARY: Final = 150
"""Scenes of each fold in which nothing but made sounds is heard."""
MADE: Final = 12
"""Sounds that are made of each sort, for each fold …"""
MADE_SHARE: Final = 0.35
"""… and how many of the ordinary events they are."""
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


def sound_bank(data: Path, encoder: SoundEncoder, seed: int, progress: Progress, *, changed: bool = False) -> Bank:
    """Each recording as it is (variant 0), then composed scenes (variant 1), and, if so wanted, each once `otherwise` (variant 2)."""
    rows = [row for folder in ("sounds/esc10", "emotion/emodb", "speech/wer", "speech/diarization") for row in trainable(data, folder)]
    key = [encoder.name, [(row.name, row.path.stat().st_size) for row in rows]]
    recordings = cached("recordings", key, lambda: gather(_recordings(rows, encoder, progress)))
    scenes = cached("scenes", [*key, SCENES, MADE, SCENE_S, seed], lambda: gather(_scenes(rows, encoder, seed, progress)))
    ordinary = cached("ordinary", [encoder.name, ORDINARY, MADE, SCENE_S, seed], lambda: gather(_ordinary(encoder, seed, progress)))
    if not changed:
        return joined((recordings, scenes, ordinary))
    other = cached("otherwise", [*key, SEMITONES, SNR_DB, ROOM_S, seed], lambda: gather(_otherwise(rows, encoder, seed, progress)))
    return joined((recordings, scenes, ordinary, other))


def samples_of(path: Path) -> Samples:
    """A file's sound as float32 mono at 16 kHz. Raises SourceError if it can't be read."""
    try:
        with av.open(str(path)) as container:
            resampler = av.AudioResampler(format="flt", layout="mono", rate=SOUND_HZ)
            pieces = [out.to_ndarray()[0] for frame in container.decode(audio=0) for out in resampler.resample(frame)]
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


def _recordings(rows: Sequence[Row], encoder: SoundEncoder, progress: Progress) -> Iterator[tuple[Track, Tokens]]:
    for row in progress(rows, "sounds as they are", len(rows)):
        recording = _recording(row)
        yield _track(recording), heard(recording.samples, encoder)


def _scenes(rows: Sequence[Row], encoder: SoundEncoder, seed: int, progress: Progress) -> Iterator[tuple[Track, Tokens]]:
    rng = np.random.default_rng(seed)
    recordings = [*(_recording(row) for row in rows), *made(rng)]
    for number in progress(range(FOLDS * SCENES), "sound scenes", FOLDS * SCENES):
        fold = number % FOLDS
        samples, spans = scene([item for item in recordings if item.row.fold == fold], rng)
        track = Track(name=f"scene-{number}", label="scene", group=f"fold {fold}", fold=fold, variant=1, duration=SCENE_S, spans=spans)
        yield track, heard(samples, encoder)


def _ordinary(encoder: SoundEncoder, seed: int, progress: Progress) -> Iterator[tuple[Track, Tokens]]:
    rng = np.random.default_rng([seed, 1])
    recordings = list(made(rng))
    for number in progress(range(FOLDS * ORDINARY), "ordinary scenes", FOLDS * ORDINARY):
        fold = number % FOLDS
        samples, _ = scene([item for item in recordings if item.row.fold == fold], rng, _pick_any)
        name, group = f"ordinary-{number}", f"fold {fold}"
        yield Track(name=name, label="ordinary", group=group, fold=fold, variant=1, duration=SCENE_S, spans=()), heard(samples, encoder)


def _otherwise(rows: Sequence[Row], encoder: SoundEncoder, seed: int, progress: Progress) -> Iterator[tuple[Track, Tokens]]:
    """Each recording at another pitch, in a room, in coloured noise; what it is, and when, is known before the noise."""
    for number, row in enumerate(progress(rows, "sounds otherwise", len(rows))):
        rng = np.random.default_rng([seed, 2, number])
        recording = _recording(row)
        semitones = rng.uniform(*SEMITONES)
        recording = replace(recording, samples=pitched(recording.samples, semitones))
        noise = coloured(len(recording.samples), rng.uniform(0, 2), rng)
        samples = full_scale(noisy(reverberant(recording.samples, rng.uniform(*ROOM_S), rng), noise, rng.uniform(*SNR_DB)))
        yield msgspec.structs.replace(_track(recording), variant=2), heard(samples, encoder)


def _recording(row: Row) -> Recording:
    kind = ESC_KINDS.get(row.label, "aggression" if row.label == "emotion:anger" else "")
    samples = samples_of(row.path)[: 30 * SOUND_HZ]
    species = row.label if row.label.startswith(("sound:", "emotion:")) else "speech"
    return Recording(row, kind, species, row.name.startswith("sounds/") and not kind, samples)


def made(rng: np.random.Generator) -> Iterator[Recording]:
    """Ordinary sounds that no recording of the data has, and that crackle, knock or hum: no incident, and none may be taken for one."""
    makers: dict[str, Callable[[int, np.random.Generator], Samples]] = {"knocks": knocks, "hum": hum, "beeps": beeps}
    for number in range(FOLDS * MADE):
        for name, make in makers.items():
            row = Row(path=Path(), name=f"made/{name}-{number}", label=f"made:{name}", group=f"made {number}", fold=number % FOLDS)
            samples = make(int(SCENE_S * SOUND_HZ), rng)
            yield Recording(row, "", f"made:{name}", name == "hum", samples)


def knocks(total: int, rng: np.random.Generator) -> Samples:
    """Steps, taps, typing: short damped strokes, in a gait or at random, a few a second, over a little noise."""
    apart = rng.uniform(0.12, 1.2)
    gait = np.arange(rng.uniform(0, apart), total / SOUND_HZ, apart)
    times = gait + rng.normal(0, apart * rng.choice((0.02, 0.4)), len(gait))
    time = np.arange(int(0.2 * SOUND_HZ)) / SOUND_HZ
    tone, decay, noisy = rng.uniform(90, 2500), rng.uniform(30, 250), rng.uniform(0.1, 2)
    sound = np.zeros(total + len(time), np.float32)
    for at in np.clip(times * SOUND_HZ, 0, total - 1).astype(int):
        stroke = np.sin(2 * np.pi * tone * rng.uniform(0.8, 1.2) * time) + noisy * rng.standard_normal(len(time))
        sound[at : at + len(time)] += (rng.uniform(0.3, 1) * stroke * np.exp(-time * decay * rng.uniform(0.7, 1.4))).astype(np.float32)
    return sound[:total]


def hum(total: int, rng: np.random.Generator) -> Samples:
    """Mains, fans and ducts: a tone with its harmonics in coloured noise, swelling slowly."""
    time = np.arange(total) / SOUND_HZ
    tone = rng.choice((50.0, 60.0, 100.0, 120.0, rng.uniform(30, 400)))
    harmonics = sum(rng.uniform(0, 1) / n * np.sin(2 * np.pi * tone * n * time + rng.uniform(0, 6)) for n in range(1, 6))
    air = coloured(total, rng.uniform(0.5, 2), rng)
    swell = 1 + rng.uniform(0, 0.3) * np.sin(2 * np.pi * rng.uniform(0.05, 0.5) * time)
    sound = (harmonics * rng.uniform(0, 1) + air / max(float(air.std()), 1e-6)) * swell
    return np.asarray(sound, np.float32)


def beeps(total: int, rng: np.random.Generator) -> Samples:
    """Tills, lorries that reverse, telephones: a tone that comes and goes."""
    time = np.arange(total) / SOUND_HZ
    period, tone = rng.uniform(0.3, 2.5), rng.uniform(400, 4000)
    on = (time % period) < period * rng.uniform(0.1, 0.6)
    wave = np.sin(2 * np.pi * tone * time) + rng.uniform(0, 0.5) * np.sin(4 * np.pi * tone * time)
    return (wave * np.convolve(on, np.ones(160) / 160, "same")).astype(np.float32)


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


Pick = Callable[[Sequence[Recording], np.random.Generator], Recording]


def _pick_any(recordings: Sequence[Recording], rng: np.random.Generator) -> Recording:
    """Any of them."""
    return recordings[int(rng.integers(len(recordings)))]


def _pick(recordings: Sequence[Recording], rng: np.random.Generator) -> Recording:
    """An event: each kind of incident as often, and ordinary ones as often as all of them; each species of these alike."""
    kind = str(rng.choice(["fire", "crying", "aggression", ""], p=(0.15, 0.15, 0.25, 0.45)))
    of_ours = not kind and rng.random() < MADE_SHARE
    return of_any_species([item for item in recordings if item.kind == kind and item.species.startswith("made:") == of_ours], rng)


def of_any_species(recordings: Sequence[Recording], rng: np.random.Generator) -> Recording:
    """One of them, each species alike probable, however many recordings it has."""
    species = str(rng.choice(sorted({item.species for item in recordings})))
    return _pick_any([item for item in recordings if item.species == species], rng)


def scene(recordings: Sequence[Recording], rng: np.random.Generator, pick: Pick = _pick) -> tuple[Samples, tuple[Span, ...]]:
    """Eight seconds: a background, none to two events somewhere in it, heard through some microphone."""
    total = int(SCENE_S * SOUND_HZ)
    mixed, level = _background(recordings, rng, total)
    spans: list[Span] = []
    for _ in range(rng.choice(3, p=(0.1, 0.65, 0.25))):
        event = pick(recordings, rng)
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


def _background(recordings: Sequence[Recording], rng: np.random.Generator, total: int) -> tuple[Samples, float]:
    """A recorded ambience, coloured noise, or nearly nothing; with the level that events are measured against."""
    choice, level = rng.random(), 10 ** (rng.uniform(-55, -28) / 20)
    if choice < 0.45:
        those = [item for item in recordings if item.background]
        ground = np.resize(those[int(rng.integers(len(those)))].samples, total)
    else:
        ground = coloured(total, rng.uniform(0, 2), rng)
        level *= 0.05 if choice > 0.85 else 1.0
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
    if rng.random() < 0.5:
        tail = int(rng.uniform(0.1, 0.6) * SOUND_HZ)
        echo = rng.standard_normal(tail) * np.exp(-6.9 * np.arange(tail) / tail) * rng.uniform(0.02, 0.12)
        echo[0] = 1.0
        size = 1 << (len(samples) + tail).bit_length()
        samples = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(echo, size), size)[: len(samples)].astype(np.float32)
    if rng.random() < 0.5:
        frequencies = np.fft.rfftfreq(len(samples), 1 / SOUND_HZ)
        low, high = rng.uniform(40, 300), rng.uniform(3000, 8000)
        band = 1 / (1 + (low / np.maximum(frequencies, 1)) ** 4) / (1 + (frequencies / high) ** 8)
        samples = np.fft.irfft(np.fft.rfft(samples) * band, len(samples)).astype(np.float32)
    heard: Samples = np.clip(samples * 10 ** (rng.uniform(-12, 6) / 20), -1, 1).astype(np.float32)
    return heard
