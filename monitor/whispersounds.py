"""The encoder of Whisper tiny as an acoustic encoder: one second of sound becomes one vector.

Log-mel as Whisper's (Radford et al. 2022, arXiv 2212.04356: 80 bands, 25 ms, 10 ms steps), with one change: Whisper cuts
everything 80 dB below the loudest place of its thirty seconds; here the floor is fixed. So a second's features depend on
that second alone, loudness survives, and the hiss of a silent room is not blown up to full scale.
"""

from __future__ import annotations

from typing import Any, Final

import ctranslate2
import numpy as np
import numpy.typing as npt
from faster_whisper.feature_extractor import FeatureExtractor

from monitor.hearing import Samples
from monitor.messages import SOUND_HZ
from monitor.models import Device, Located

VECTOR: Final = 3 * 384
FRAME: Final = 400
HOP: Final = 160
BANDS: Final = 80
FLOOR: Final = -6.5
"""log10 of the power below which nothing is heard: 80 dB under a loud voice near the microphone (1.5)."""
BATCH: Final = 32
COMPUTE: Final = {"cpu": "int8_float32", "cuda": "float16"}


class LogMel:
    """Sound to Whisper's log-mel pictures, many at once."""

    def __init__(self) -> None:
        self._window = np.hanning(FRAME + 1)[:-1].astype(np.float32)  # periodic, as torch.stft's
        self._bands = np.ascontiguousarray(FeatureExtractor.get_mel_filters(SOUND_HZ, FRAME, BANDS).T, np.float32)  # [201, 80]

    def __call__(self, sounds: Samples) -> npt.NDArray[np.float32]:
        """Float32 [n, samples] to [n, 80, samples / 160]."""
        padded = np.pad(sounds, ((0, 0), (FRAME // 2, FRAME // 2)), mode="reflect")
        frames = np.lib.stride_tricks.sliding_window_view(padded, FRAME, axis=1)[:, :-1:HOP]  # [n, t, 400]
        spectrum = np.fft.rfft(frames * self._window, axis=2)  # [n, t, 201]
        power = spectrum.real**2 + spectrum.imag**2
        mel = np.log10(np.maximum(power @ self._bands, 10**FLOOR))  # [n, t, 80]
        return np.ascontiguousarray(((mel + 4) / 4).transpose(0, 2, 1), np.float32)


class WhisperSounds:
    """Whisper's encoder on CTranslate2; mean, deviation and maximum over time of its output."""

    def __init__(self, located: Located, device: Device, threads: int) -> None:
        self.name, self.width = located.version, VECTOR
        self._log_mel = LogMel()
        # one thread unless told otherwise: OpenMP's spin when they have to share their cores, and then two are slower than one
        self._whisper: Any = ctranslate2.models.Whisper(
            str(located.folder), device=device, compute_type=COMPUTE[device], intra_threads=threads or 1, inter_threads=1
        )

    def __call__(self, sounds: Samples) -> npt.NDArray[np.float32]:
        """Float32 [n, 16000] at 16 kHz to float32 [n, 1152]."""
        chunks = [self._infer(sounds[at : at + BATCH]) for at in range(0, len(sounds), BATCH)]
        return np.concatenate(chunks) if chunks else np.empty((0, VECTOR), np.float32)

    def _infer(self, sounds: Samples) -> npt.NDArray[np.float32]:
        features = ctranslate2.StorageView.from_array(self._log_mel(sounds))  # [n, 80, 100]
        heard = np.asarray(self._whisper.encode(features, to_cpu=True), np.float32)  # [n, 50, 384]
        return np.concatenate([heard.mean(1), heard.std(1), heard.max(1)], axis=1)
