"""Sirens, shots, screams and breaking glass that are made, not recorded: for kinds of which no recording may teach what ships.

Each sound is drawn from a seed by what is known of how it comes about: a siren sweeps or changes between two tones; a shot is a blast
that decays in milliseconds, with its echoes; a scream is high, harmonic and rough (amplitude modulated at 30 to 150 Hz: Arnal et al.
2015, Current Biology 25); glass rings in many high, short partials. They are this project's own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from monitor.messages import SOUND_HZ
from workers.composing.sources import Sources
from workers.training.rows import Row
from workers.training.sounds import Samples, coloured

VERSION: Final = 1
"""Counts up when sounds are made in another way."""
MADE: Final = "made"
"""The first part of the path of what is no file: made/siren/7."""
EACH: Final = 60
"""So many of each kind."""

Wave = npt.NDArray[np.float64]


def with_made(found: Sources, count: int = EACH) -> Sources:
    """The same sources with made incidents among the sounds; `load_made` gives them."""
    rows = tuple(
        Row(path=Path(MADE, kind, str(number)), name=f"{MADE}/{kind}/{number}", label=label, group=MADE, fold=0)
        for label, kind in LABELS.items()
        for number in range(count)
    )
    return replace(found, sounds=(*found.sounds, *rows))


def loading(load: Callable[[Path], Samples]) -> Callable[[Path], Samples]:
    """Reads files as `load` does, and makes what is none."""
    return lambda path: made(path) if path.parts[0] == MADE else load(path)


def made(path: Path) -> Samples:
    """The sound that a path names; always the same."""
    _, kind, number = path.parts
    rng = np.random.default_rng([list(MAKERS).index(kind), int(number)])
    wave = MAKERS[kind](rng)
    scaled: Samples = (0.5 * wave / max(float(np.abs(wave).max()), 1e-9)).astype(np.float32)
    return scaled


def siren(rng: np.random.Generator) -> Wave:
    """A wail, a yelp, or two tones in turn; with the overtones of its horn, passing by."""
    time = _time(rng.uniform(3, 6))
    low, high = rng.uniform(350, 800), rng.uniform(900, 1700)
    match int(rng.integers(3)):
        case 0:
            share = 0.5 - 0.5 * np.cos(2 * np.pi * time / rng.uniform(2, 6) + rng.uniform(0, 6))
        case 1:
            share = (time / rng.uniform(0.2, 0.5)) % 1.0
        case _:
            share = ((time / rng.uniform(0.4, 1.0)) % 2 < 1).astype(np.float64)
            high = low * rng.uniform(1.2, 1.6)
    pitch = (low + (high - low) * share) * (1 + rng.uniform(-0.04, 0.04) * np.tanh(time - time[-1] / 2))
    wave = _overtones(pitch, int(rng.integers(3, 9)), rng.uniform(0.8, 1.8), rng)
    near: Wave = np.interp(time, [0, time[-1] / 2, time[-1]], rng.uniform(0.4, 1, 3))
    return wave * near


def shot(rng: np.random.Generator) -> Wave:
    """One to five blasts, each with a boom and the echo of where it is fired."""
    count = int(rng.choice((1, 1, 2, 3, 5)))
    begins = np.cumsum(np.r_[0.02, rng.uniform(0.09, 0.7, count - 1)])
    time = _time(begins[-1] + rng.uniform(0.5, 1.5))
    crack, boom, tail, wet = rng.uniform(80, 400), rng.uniform(8, 25), rng.uniform(3, 12), rng.uniform(0.02, 0.25)
    low = rng.uniform(50, 160)
    wave = np.zeros_like(time)
    for begin in begins:
        since = np.clip(time - begin, 0, None)
        on = time >= begin
        noise, echo = rng.standard_normal((2, len(time)))
        blast = noise * np.exp(-since * crack) + 0.8 * np.sin(2 * np.pi * low * since) * np.exp(-since * boom)
        wave += on * rng.uniform(0.7, 1) * (blast + wet * echo * np.exp(-since * tail))
    return _softened(wave, rng.uniform(3000, 8000))


def scream(rng: np.random.Generator) -> Wave:
    """High, harmonic, rough, and never quite steady."""
    time = _time(rng.uniform(0.6, 2.5))
    top, place = rng.uniform(600, 1900), rng.uniform(0.1, 0.7)
    contour = np.interp(time / time[-1], [0, place, 1], [top * rng.uniform(0.5, 0.9), top, top * rng.uniform(0.5, 1)])
    trembling = np.cumsum(rng.standard_normal(len(time))) / np.sqrt(len(time)) * 0.03
    wave = _overtones(contour * (1 + trembling), int(rng.integers(4, 10)), rng.uniform(0.3, 1.2), rng)
    rough = 1 + rng.uniform(0.2, 0.9) * np.sin(2 * np.pi * rng.uniform(30, 150) * time + 3 * trembling)
    breath = coloured(len(time), 0, rng) * rng.uniform(0.02, 0.2)
    swell = np.minimum(1, np.minimum(time / rng.uniform(0.03, 0.2), (time[-1] - time) / rng.uniform(0.05, 0.4)))
    voice: Wave = (wave * rough + breath) * swell
    return voice


def glass(rng: np.random.Generator) -> Wave:
    """A crash, and shards that ring and fall."""
    time = _time(rng.uniform(0.8, 2.2))
    shards = int(rng.integers(25, 120))
    begins = np.r_[np.zeros(shards // 3), rng.exponential(rng.uniform(0.15, 0.5), shards - shards // 3)] + 0.02
    wave = (
        rng.standard_normal(len(time)) * np.exp(-np.clip(time - 0.02, 0, None) * rng.uniform(15, 60)) * (time >= 0.02) * rng.uniform(0.3, 1)
    )
    for begin in np.minimum(begins, time[-1] * 0.9):
        since = np.clip(time - begin, 0, None)
        partial = np.sin(2 * np.pi * rng.uniform(1800, 7800) * since) * np.exp(-since * rng.uniform(8, 90))
        wave += rng.uniform(0.02, 0.3) * partial * (time >= begin)
    return wave


MAKERS: Final[Mapping[str, Callable[[np.random.Generator], Wave]]] = {
    "siren": siren,
    "gun_shot": shot,
    "scream": scream,
    "glass_break": glass,
}
LABELS: Final[Mapping[str, str]] = {
    "sound:siren": "siren",
    "sound:gun_shot": "gun_shot",
    "scream": "scream",
    "glass_break": "glass_break",
}
"""The manifest's labels for what is made."""


def _time(seconds: float) -> Wave:
    return np.arange(int(seconds * SOUND_HZ)) / SOUND_HZ


def _overtones(pitch: Wave, count: int, falling: float, rng: np.random.Generator) -> Wave:
    """A tone of this pitch [n] in Hz and its overtones, whose strength falls with their number to this power."""
    phase = 2 * np.pi * np.cumsum(pitch) / SOUND_HZ
    tones: Wave = np.sum(
        [
            rng.uniform(0.5, 1) / n**falling * np.sin(n * phase + rng.uniform(0, 6)) * (pitch * n < SOUND_HZ / 2.2)
            for n in range(1, count + 1)
        ],
        axis=0,
    )
    return tones


def _softened(wave: Wave, above: float) -> Wave:
    """What distance takes away: little is left above so many Hz."""
    spectrum, frequencies = np.fft.rfft(wave), np.fft.rfftfreq(len(wave), 1 / SOUND_HZ)
    return np.fft.irfft(spectrum / (1 + (frequencies / above) ** 4), len(wave))
