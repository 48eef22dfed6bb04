"""Pictures and sounds as they might have been: at night, in the rain, in noise, in a room, higher or lower. Pure, and seeded.

Mirror, crop, brightness, blur, noise and compression of pictures are a `Film` (`workers.training.render`); bands, gain and clipping are a
microphone (`workers.training.sounds`); errors of recognisers are in `workers.training.texts`.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from monitor.messages import SOUND_HZ

Image = npt.NDArray[np.uint8]
"""uint8 [height, width, 3], RGB."""
Samples = npt.NDArray[np.float32]
"""float32 [n], 16 kHz."""

SEMITONES: Final = (-4.0, 4.0)
SNR_DB: Final = (0.0, 20.0)
ROOM_S: Final = (0.15, 0.7)


def night(image: Image, rng: np.random.Generator, grain: np.random.Generator) -> Image:
    """A camera with a lamp of its own: grey, bright where the lamp points, flat; `rng` is the camera's, `grain` the picture's."""
    height, width = image.shape[:2]
    x0, y0 = rng.uniform(-0.3, 0.3, 2)
    x, y = np.meshgrid(np.linspace(-1, 1, width) - x0, np.linspace(-1, 1, height) - y0)
    lamp = rng.uniform(0.7, 1.1) - rng.uniform(0.3, 0.6) * np.clip(x**2 + y**2, 0, 1.4)
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    lit = (grey * rng.uniform(0.35, 0.7) + rng.uniform(5, 30)) * lamp + grain.normal(0, rng.uniform(2, 8), grey.shape)
    return np.asarray(cv2.cvtColor(np.clip(lit, 0, 255).astype(np.uint8), cv2.COLOR_GRAY2RGB), np.uint8)


def rain(image: Image, rng: np.random.Generator, fall: np.random.Generator) -> Image:
    """Streaks before a duller picture; `rng` says how hard it rains and whence, `fall` where the drops of this picture are."""
    height, width = image.shape[:2]
    count, slant, long = int(rng.integers(40, 160)), rng.uniform(-0.3, 0.3), rng.uniform(0.03, 0.1) * height
    dull, haze = rng.uniform(0.7, 0.9), rng.uniform(10, 30)
    streaks = np.zeros_like(image)
    for x, y in fall.uniform(0, 1, (count, 2)) * (width, height):
        cv2.line(streaks, (int(x), int(y)), (int(x + slant * long), int(y + long)), (150, 150, 150), 1, cv2.LINE_AA)
    return np.asarray(cv2.addWeighted(image, dull, streaks, 0.5, haze), np.uint8)


def noisy(samples: Samples, noise: Samples, snr_db: float) -> Samples:
    """With noise behind it, so many decibels below it in mean power; clipped by nothing."""
    ground = np.resize(noise, len(samples))
    power, beside = (float(np.square(each, dtype=np.float64).mean()) for each in (samples, ground))
    return np.asarray(samples + ground * np.sqrt(power / max(beside, 1e-12) * 10 ** (-snr_db / 10)), np.float32)


def reverberant(samples: Samples, room_s: float, rng: np.random.Generator) -> Samples:
    """In a room whose echo has fallen by 60 dB after so many seconds: noise that decays, after the sound itself; as loud as before."""
    tail = max(int(room_s * SOUND_HZ), 1)
    echo = rng.standard_normal(tail) * np.exp(-6.9 * np.arange(tail) / tail) * rng.uniform(0.02, 0.12)
    echo[0] = 1.0
    size = 1 << (len(samples) + tail).bit_length()
    wet = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(echo, size), size)[: len(samples)]
    loud, now = (float(np.sqrt(np.square(each).mean())) for each in (samples, wet))
    return np.asarray(wet * (loud / max(now, 1e-9)), np.float32)


def pitched(samples: Samples, semitones: float) -> Samples:
    """Higher (or lower), and as much shorter (or longer): another speed (Ko et al. 2015)."""
    step = 2 ** (semitones / 12)
    places = np.arange(0, max(len(samples) - 1, 1), step)
    return np.asarray(np.interp(places, np.arange(len(samples)), samples), np.float32)


def full_scale(samples: Samples) -> Samples:
    """What would be louder than full scale, brought below it."""
    return np.asarray(samples / max(1.0, float(np.abs(samples).max(initial=0.0)) / 0.98), np.float32)
