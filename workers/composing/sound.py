"""A stream's sound: its ambience, and what is heard above it."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Final

import av
import numpy as np
import numpy.typing as npt

from monitor.messages import SOUND_HZ
from workers.composing.plan import Load, Plan, Samples, at_level
from workers.scene.voice import VOICE_HZ, Speaker, Voice
from workers.training.sounds import samples_of

FADE_S: Final = 0.5

load: Load = lru_cache(maxsize=512)(samples_of)
"""A file's sound, kept."""


def speaking() -> Callable[[str, Voice], Samples]:
    """What says sentences, at 16 kHz; each time by a speaker of its own, so that what was said before changes nothing."""

    @lru_cache(maxsize=2048)
    def say(text: str, voice: Voice) -> Samples:
        spoken = Speaker().say(text, voice)
        return resampled(spoken, VOICE_HZ)

    return say


def resampled(samples: Samples, hz: int) -> Samples:
    """Sound at 16 kHz."""
    resampler = av.AudioResampler(format="flt", layout="mono", rate=SOUND_HZ)
    frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="flt", layout="mono")
    frame.rate = hz
    pieces = [out.to_ndarray()[0] for each in (frame, None) for out in resampler.resample(each)]
    return np.concatenate(pieces).astype(np.float32)


def mixed(plan: Plan) -> Samples:
    """Everything that is heard: float32 [seconds * 16000]."""
    total = int(plan.seconds * SOUND_HZ)
    sound = np.zeros(total, np.float32)
    for row in plan.ambience:
        sound += at_level(looped(load(row.path), total), plan.ambience_db - 3)
    for heard in plan.heard:
        begin = int(heard.at * SOUND_HZ)
        piece = heard.samples[: total - begin]
        sound[begin : begin + len(piece)] += piece
    return np.clip(sound, -0.99, 0.99).astype(np.float32)


def looped(samples: Samples, total: int) -> Samples:
    """A recording again and again, each faded into the next."""
    fade = min(int(FADE_S * SOUND_HZ), len(samples) // 4)
    ramp: npt.NDArray[np.float32] = np.linspace(0, 1, fade, dtype=np.float32)
    body = samples.copy()
    body[:fade] = body[:fade] * ramp + samples[len(samples) - fade :] * (1 - ramp)
    return np.resize(body[: len(samples) - fade], total).astype(np.float32)
