"""The acoustic encoder f_a: one second of sound becomes one vector, by YAMNet or by the encoder of Whisper tiny."""

from __future__ import annotations

from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from monitor import config
from monitor.messages import SOUND_HZ
from monitor.models import device, locate

Samples = npt.NDArray[np.float32]

WINDOW: Final = SOUND_HZ
"""Samples that the encoder hears at once: one second."""
WHISPER: Final = "whisper-tiny-encoder"
"""Also what the tone of voices is told by (`monitor.layers`)."""


class SoundEncoder(Protocol):
    """Seconds of sound to vectors; one thread at a time."""

    @property
    def name(self) -> str:
        """Model and version."""

    @property
    def width(self) -> int:
        """Numbers in a vector."""

    def __call__(self, sounds: Samples) -> npt.NDArray[np.float32]:
        """Float32 [n, 16000] at 16 kHz to float32 [n, width]."""


def sound_encoder(models: config.Models) -> SoundEncoder:
    """The encoder that the configuration names; only its own libraries are loaded. Raises ModelError saying what to install."""
    located = locate(models.sound)
    if models.sound == WHISPER:
        from monitor.whispersounds import WhisperSounds  # noqa: PLC0415

        return WhisperSounds(located, device(models), models.threads)
    from monitor.yamnet import YamnetSounds  # noqa: PLC0415

    return YamnetSounds(located, models.threads)
