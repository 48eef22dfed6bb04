"""How a voice sounds, whatever it says: pitch, harmonicity, dynamics and the tilt of the spectrum, a second at a time.

A small set after eGeMAPS (Eyben et al. 2016, doi:10.1109/TAFFC.2015.2457417); pitch by autocorrelation (Boersma 1993, "Accurate
short-term analysis of the fundamental frequency and the harmonics-to-noise ratio of a sampled sound"). Only frames with a pitch
count, and nothing depends on how loud the microphone is. Letters of the shapes: n seconds, F frames, L what is measured of a frame.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from monitor.messages import SOUND_HZ

FRAME: Final = 640
"""Samples: 40 ms, three periods of the lowest pitch."""
HOP: Final = 160
POINTS: Final = 1024
"""Of the spectrum."""
LOWEST_HZ: Final = 75.0
HIGHEST_HZ: Final = 500.0
MIDDLE_HZ: Final = 150.0
"""Pitch is in octaves above this."""
VOICED: Final = 0.5
"""From this height of the autocorrelation's peak on a frame has a pitch …"""
QUIETEST_DB: Final = 30.0
"""… unless it is so much softer than the loudest of its second."""
OCTAVE: Final = 0.02
"""An octave up is worth so much of the peak's height: of equal peaks the shortest period is meant."""
BANDS: Final = 26
CEPSTRA: Final = 4
FLOOR: Final = 1e-10
"""Power beneath this (-100 dB of full scale) is silence."""
LEVEL: Final = 2
"""Column of the level: its mean says how loud the microphone is, and is not read."""
CEPSTRA_MEASURED: Final = tuple(f"cepstrum_{number}" for number in range(1, CEPSTRA + 1))
MEASURED: Final = ("pitch", "harmonicity", "level", "alpha", "hammarberg", "slope", "slope_above", "centroid", "flux", *CEPSTRA_MEASURED)
"""L: octaves; then tens of dB; the centroid in octaves above 1 kHz; flux 0 to 1."""
NUMBERS: Final = 1 + 3 * len(MEASURED)
"""Of a second: the share of its frames with a pitch, and of what is measured of these the mean, deviation and mean change."""
POOLED: Final = NUMBERS - 1

Floats = npt.NDArray[np.float32]
Real = npt.NDArray[np.float64]


class Seconds(NamedTuple):
    """The numbers of seconds, told apart."""

    voiced: Floats
    """[n], share of the frames."""
    means: Floats
    """[n, L]."""
    deviations: Floats
    changes: Floats


def prosody(sounds: npt.NDArray[np.float32]) -> Floats:
    """Seconds of sound, float32 [n, samples] at 16 kHz, to [n, NUMBERS]; zeros where no whole frame has a pitch."""
    return np.stack([_second(samples.astype(np.float64)) for samples in sounds]) if len(sounds) else np.zeros((0, NUMBERS), np.float32)


def pooled(seconds: Floats) -> Floats:
    """The numbers of a stretch's seconds [n, NUMBERS] to those of all of it [POOLED]; a second counts by how much of it is voiced."""
    told = apart(seconds)
    weight = told.voiced / max(float(told.voiced.sum()), 1e-6)  # [n]
    means = weight @ told.means  # [L]
    within, between = weight @ np.square(told.deviations), weight @ np.square(told.means - means)
    changes = weight @ told.changes
    found: Floats = np.concatenate([[told.voiced.mean()], np.delete(means, LEVEL), np.sqrt(within + between), changes]).astype(np.float32)
    return found


def apart(seconds: Floats) -> Seconds:
    """Numbers [n, NUMBERS] by what they are."""
    means, deviations, changes = np.split(seconds[:, 1:], 3, axis=1)
    return Seconds(seconds[:, 0], means, deviations, changes)


def _second(samples: Real) -> Floats:
    found = np.zeros(NUMBERS, np.float32)
    if len(samples) < FRAME:
        return found
    measured, voiced = measure(samples)
    if not voiced.any():
        return found
    spoken = measured[voiced]  # [V, L]
    together = voiced[1:] & voiced[:-1]
    steps = np.abs(np.diff(measured, axis=0)[together])  # [V', L]
    changes = steps.mean(0) if len(steps) else np.zeros(len(MEASURED))
    found[:] = np.concatenate([[voiced.mean()], spoken.mean(0), spoken.std(0), changes])
    return found


def measure(samples: Real) -> tuple[Real, npt.NDArray[np.bool_]]:
    """What is measured of each frame [F, L], and which of them have a pitch [F]."""
    frames = np.lib.stride_tricks.sliding_window_view(samples, FRAME)[::HOP]  # [F, FRAME]
    windowed = (frames - frames.mean(1, keepdims=True)) * np.hanning(FRAME)
    power = np.square(np.abs(np.fft.rfft(windowed, POINTS)))  # [F, POINTS / 2 + 1]
    octaves, peak = _pitch(power)
    level = 10 * np.log10(np.square(windowed).mean(1) + FLOOR)
    voiced = (peak >= VOICED) & (level > level.max(initial=-np.inf) - QUIETEST_DB) & (level > 10 * np.log10(2 * FLOOR))
    harmonicity = 10 * np.log10(np.clip(peak, 0.01, 0.999) / (1 - np.clip(peak, 0.01, 0.999)))
    mel = power @ _mel().T  # [F, BANDS]
    measured = np.column_stack([octaves, harmonicity / 10, level / 10, _tilt(power), _flux(mel), _cepstra(mel)])
    return measured, voiced


def _pitch(power: Real) -> tuple[Real, Real]:
    """Of each frame: octaves above MIDDLE_HZ, and the height of the autocorrelation's peak there, 0 to 1."""
    lags = np.arange(int(SOUND_HZ / HIGHEST_HZ), int(SOUND_HZ / LOWEST_HZ) + 1)
    alike = np.fft.irfft(power)[:, : lags[-1] + 2]
    alike = alike / np.maximum(alike[:, :1], 1e-12) / _window_alike()[: lags[-1] + 2]  # what the window takes away is given back
    height = alike[:, lags]  # [F, lags]
    summit = (height >= alike[:, lags - 1]) & (height >= alike[:, lags + 1])
    best = np.where(summit, height - OCTAVE * np.log2(lags / lags[0]), -1.0).argmax(1)
    rows, lag = np.arange(len(power)), lags[best]
    before, at, after = (alike[rows, lag + step] for step in (-1, 0, 1))
    bend = before - 2 * at + after
    shift = np.where(bend < -1e-9, 0.5 * (before - after) / np.minimum(bend, -1e-9), 0.0).clip(-0.5, 0.5)
    octaves = np.log2(SOUND_HZ / (lag + shift) / MIDDLE_HZ)
    return _median(octaves), np.clip(np.where(summit[rows, best], at, 0.0), 0, 1)


@cache
def _window_alike() -> Real:
    """The window's own autocorrelation, 1 at lag 0."""
    alike = np.fft.irfft(np.square(np.abs(np.fft.rfft(np.hanning(FRAME), POINTS))))
    found: Real = alike / alike[0]
    return found


def _median(values: Real) -> Real:
    """Over five frames: single slips of an octave are gone."""
    padded = np.pad(values, 2, mode="edge")
    found: Real = np.median(np.lib.stride_tricks.sliding_window_view(padded, 5), axis=1)
    return found


def _tilt(power: Real) -> Real:
    """The spectrum's balance [F, 5], in tens of dB; its centroid in octaves above 1 kHz."""
    hz = np.fft.rfftfreq(POINTS, 1 / SOUND_HZ)
    decibels = 10 * np.log10(power + FLOOR)

    def band(low: float, high: float) -> Any:
        return (hz >= low) & (hz < high)

    alpha = 10 * np.log10((power[:, band(50, 1000)].sum(1) + FLOOR) / (power[:, band(1000, 5000)].sum(1) + FLOOR))
    hammarberg = decibels[:, band(0, 2000)].max(1) - decibels[:, band(2000, 5000)].max(1)
    slopes = [_slope(hz[chosen], decibels[:, chosen]) for chosen in (band(0, 500), band(500, 1500))]
    centroid = np.log2(((power * hz).sum(1) + 1e-9) / (power.sum(1) + 1e-12) / 1000 + 1e-3)
    return np.column_stack([alpha / 10, hammarberg / 10, *(slope / 10 for slope in slopes), centroid])


def _slope(hz: Real, decibels: Real) -> Real:
    """DB for 500 Hz, by least squares [F]."""
    x = (hz - hz.mean()) / 500
    found: Real = decibels @ x / np.square(x).sum()
    return found


def _flux(mel: Real) -> Real:
    """How much the shape of the spectrum changes from frame to frame, 0 to 1."""
    shape = np.sqrt(mel)
    shape /= np.linalg.norm(shape, axis=1, keepdims=True) + 1e-9
    change = 1 - (shape[1:] * shape[:-1]).sum(1)
    found: Real = np.concatenate([[0.0], change])
    return found


def _cepstra(mel: Real) -> Real:
    """The first cepstral coefficients of the mel spectrum but the level [F, CEPSTRA], in tens of dB."""
    decibels = 10 * np.log10(mel + FLOOR)
    turns = np.cos(np.pi * np.arange(1, CEPSTRA + 1)[:, None] * (np.arange(BANDS) + 0.5) / BANDS)  # [CEPSTRA, BANDS]
    found: Real = decibels @ turns.T / BANDS / 10
    return found


@cache
def _mel() -> Real:
    """Triangles over the spectrum [BANDS, POINTS / 2 + 1], evenly on the mel scale (O'Shaughnessy 1987) from 50 Hz to 7.5 kHz."""
    low, high = (2595 * np.log10(1 + edge / 700) for edge in (50.0, 7500.0))
    edges = 700 * (10 ** (np.linspace(low, high, BANDS + 2) / 2595) - 1)
    hz = np.fft.rfftfreq(POINTS, 1 / SOUND_HZ)
    rising = (hz - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - hz) / (edges[2:] - edges[1:-1])[:, None]
    found: Real = np.clip(np.minimum(rising, falling), 0, None)
    return found
