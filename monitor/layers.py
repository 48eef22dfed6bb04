"""What is heard of a voice: with each layer of Whisper's encoder, and as prosody; sound of any length becomes one vector.

The last layer knows words best; how something is said, and what else sounds, is told better by the ones before it (Gong et al.
2023, "Whisper-AT", arXiv 2307.03183; Pasad et al. 2021, arXiv 2107.04734). CTranslate2 gives only the last one, so the same
weights are read from its file and run in OpenVINO, with the log-mel of `monitor.hearing`.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from monitor import inference, prosody
from monitor.errors import ModelError
from monitor.hearing import WHISPER, Samples
from monitor.models import Located, locate
from monitor.whispersounds import LogMel

if TYPE_CHECKING:
    import torch

Arrays = Mapping[str, npt.NDArray[Any]]

TYPES: Final = {0: "<f4", 1: "i1", 2: "<i2", 3: "<i4", 4: "<f2"}
"""CTranslate2's numbers for types."""
SPEC: Final = "WhisperSpec"
WIDTH: Final = 384
"""Of each layer."""
BATCH: Final = 1
"""A larger one changes the last digits, and the same sound must always be heard the same."""


class LayeredSounds:
    """Whisper's encoder in OpenVINO: mean and deviation over time of what each layer hears; one thread at a time."""

    def __init__(self, located: Located, threads: int) -> None:
        self.name = f"{located.version}+layers"
        self._log_mel = LogMel()
        path = inference.kept(located, convert, Path(__file__), Path(__file__).with_name("whisperlayers.py"))
        self._request = inference.load(path, threads or 1)

    def __call__(self, sounds: Samples) -> npt.NDArray[np.float32]:
        """Float32 [n, samples] at 16 kHz, thirty seconds at most, to float32 [n, layers, 2, width]: mean and deviation."""
        chunks = [self._infer(sounds[at : at + BATCH]) for at in range(0, len(sounds), BATCH)]
        return np.concatenate(chunks)

    def _infer(self, sounds: Samples) -> npt.NDArray[np.float32]:
        mel = np.ascontiguousarray(self._log_mel(sounds).transpose(0, 2, 1))  # [n, t, 80]
        found: npt.NDArray[np.float32] = self._request.infer([mel], share_inputs=True)[0]
        return found.copy()


class VoiceEncoder:
    """Each layer's mean and deviation, one layer after the other, and prosody's numbers behind them; one thread at a time."""

    def __init__(self, layers: LayeredSounds) -> None:
        self.name = f"{layers.name}+prosody"
        self.layers = layers

    def __call__(self, sounds: Samples) -> npt.NDArray[np.float32]:
        """Float32 [n, samples] at 16 kHz to float32 [n, layers * 2 * WIDTH + prosody.NUMBERS]."""
        heard = self.layers(sounds)  # [n, layers, 2, WIDTH]
        return np.concatenate([heard.reshape(len(heard), -1), prosody.prosody(sounds)], axis=1)


def voice_encoder(threads: int = 0) -> VoiceEncoder:
    """What hears voices. Raises ModelError saying what to install."""
    return VoiceEncoder(LayeredSounds(locate(WHISPER), threads))


def convert(located: Located) -> inference.Graph:
    """The encoder for OpenVINO: log-mel float32 [n, t, 80] to [n, layers, 2, width]."""
    import torch  # noqa: PLC0415 (takes seconds, and who finds the graph kept needs none of it)

    from monitor.whisperlayers import Encoder  # noqa: PLC0415 (the same)

    weights: dict[str, torch.Tensor] = {
        name: torch.from_numpy(np.array(array, np.float32)) for name, array in read(located.weights).items() if array.dtype != np.int16
    }
    heads = int(read(located.weights)["encoder/num_heads"])
    return inference.convert(Encoder(weights, heads).eval(), [torch.zeros(2, 200, 80)], free=2)


def read(path: Path) -> Arrays:
    """The encoder's tensors in a CTranslate2 model of version 6, by name. Raises ModelError if the file is none."""
    data = memoryview(path.read_bytes())
    try:
        return dict(_tensors(data))
    except (struct.error, KeyError, ValueError, UnicodeDecodeError) as error:
        raise ModelError(f"{path} is no CTranslate2 model of version 6 that can be read: {error}. Install its package again.") from error


def _tensors(data: memoryview) -> list[tuple[str, npt.NDArray[Any]]]:
    version, at = _number(data, 0, "I")
    spec, at = _text(data, at)
    _, at = _number(data, at, "I")
    if version != 6 or spec != SPEC:
        raise ValueError(f"it says {spec!r}, version {version}")
    count, at = _number(data, at, "I")
    found = []
    for _ in range(count):
        name, at = _text(data, at)
        rank, at = _number(data, at, "B")
        shape = struct.unpack_from(f"<{rank}I", data, at)
        kind, at = _number(data, at + 4 * rank, "B")
        size, at = _number(data, at, "I")
        if name.startswith("encoder/"):
            found.append((name, np.frombuffer(data[at : at + size], TYPES[kind]).reshape(shape)))
        at += size
    return found


def _number(data: memoryview, at: int, kind: str) -> tuple[int, int]:
    """A number, and where what follows begins."""
    return struct.unpack_from(f"<{kind}", data, at)[0], at + struct.calcsize(kind)


def _text(data: memoryview, at: int) -> tuple[str, int]:
    length, at = _number(data, at, "H")
    return bytes(data[at : at + length]).rstrip(b"\0").decode(), at + length
