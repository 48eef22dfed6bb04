"""What is heard in the scene: the hall's own tone, footsteps, voices, an alarm, all with the hall's echo."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from workers.scene.motion import Walk, footfalls
from workers.scene.story import ALARM_AT, ALARM_S, DURATION_S, Saying, Story
from workers.scene.voice import VOICE_HZ, Speaker

Floats = npt.NDArray[np.floating[Any]]

ALARM_HZ: Final = 3100.0


def record(story: Story, rng: np.random.Generator) -> Floats:
    """Everything that is heard: float32 [n] in -1..1 at `VOICE_HZ`."""
    count = int(DURATION_S * VOICE_HZ)
    dry = np.zeros(count, np.float32)
    for walk in story.walks:
        _walk_past(dry, walk, rng)
    _talk(dry, story.sayings)
    _put(dry, ALARM_AT, alarm() * 0.22)
    wet = _convolve(dry, _echo(rng))
    return np.clip(dry + 0.35 * wet + ventilation(count, rng), -0.99, 0.99).astype(np.float32)


def ventilation(count: int, rng: np.random.Generator) -> Floats:
    """The steady tone of a hall: air in ducts, mostly below 500 Hz, and a trace of mains hum."""
    hz = np.fft.rfftfreq(count, 1 / VOICE_HZ)
    shape = 1 / (1 + (hz / 180) ** 2) + 0.012 / (1 + (hz / 2500) ** 2)
    shape[hz < 25] = 0
    spectrum = shape * (rng.standard_normal(len(hz)) + 1j * rng.standard_normal(len(hz)))
    air = np.fft.irfft(spectrum, count)
    time = np.arange(count) / VOICE_HZ
    hum = 0.0006 * np.sin(2 * np.pi * 100 * time)
    return (0.006 * air / air.std() * (1 + 0.08 * np.sin(time * 0.6)) + hum).astype(np.float32)


def alarm() -> Floats:
    """A smoke alarm: three half-second tones and a pause of 1.5 s, again and again (ISO 8201, temporal three)."""
    time = np.arange(int(ALARM_S * VOICE_HZ)) / VOICE_HZ
    within = time % 4.0
    on = (within < 3.0) & (within % 1.0 < 0.5)
    edge = np.convolve(on, np.ones(200) / 200, "same")
    return (edge * (np.sin(2 * np.pi * ALARM_HZ * time) + 0.25 * np.sin(6 * np.pi * ALARM_HZ * time))).astype(np.float32)


def _walk_past(into: Floats, walk: Walk, rng: np.random.Generator) -> None:
    heel, hard = _step(rng, rng.uniform(85, 150)), rng.uniform(0.5, 1.1)
    for time, x, y in footfalls(walk):
        distance = np.hypot(np.hypot(x - 2.9, y + 0.6), 3.0)
        _put(into, time, heel * float(hard * rng.uniform(0.75, 1.25) * 0.16 / distance))


def _step(rng: np.random.Generator, hz: float) -> Floats:
    """A soft shoe on stone: a heel's dull knock and, after it, the sole's scuff; nothing in it is as sharp as a click."""
    time = np.arange(int(0.3 * VOICE_HZ)) / VOICE_HZ
    noise = np.convolve(rng.standard_normal(len(time)), np.hanning(28) / 14, "same")
    knock = np.sin(2 * np.pi * hz * time) * np.exp(-time * 38) * np.minimum(time / 0.006, 1)
    late = np.maximum(time - 0.06, 0)
    scuff = noise * np.minimum(late / 0.04, 1) * np.exp(-late * 28)
    return (knock + 0.45 * scuff).astype(np.float32)


def _talk(into: Floats, sayings: Sequence[Saying]) -> None:
    speaker = Speaker()
    for saying in sayings:
        spoken = speaker.say(saying.text, saying.voice)
        peak = max(float(np.abs(spoken).max()), 1e-3)
        _put(into, saying.at, spoken * (saying.loudness / peak))


def _put(into: Floats, at: float, sound: Floats) -> None:
    start = int(at * VOICE_HZ)
    if start < 0:
        return
    part = sound[: max(len(into) - start, 0)]
    into[start : start + len(part)] += part


def _echo(rng: np.random.Generator) -> Floats:
    """How a hall of stone answers a clap: noise that dies away within a second, brighter at first."""
    time = np.arange(int(0.9 * VOICE_HZ)) / VOICE_HZ
    tail = rng.standard_normal(len(time)) * np.exp(-time * 6.5)
    dull = np.convolve(tail, np.ones(8) / 8, "same")
    answer = np.where(time < 0.05, tail, dull) * (time > 0.006)
    return (answer / np.sqrt((answer**2).sum())).astype(np.float32)


def _convolve(sound: Floats, answer: Floats) -> Floats:
    size = 1 << (len(sound) + len(answer)).bit_length()
    product = np.fft.rfft(sound, size) * np.fft.rfft(answer, size)
    return np.fft.irfft(product, size)[: len(sound)].astype(np.float32)
