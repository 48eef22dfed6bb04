"""The language encoder f_l: what was said becomes one vector (all-MiniLM-L6-v2; Reimers and Gurevych 2019, arXiv 1908.10084).

On the CPU it runs in OpenVINO, converted once and kept in the cache folder; on a GPU the same network runs in torch
(`monitor.minilm`), which takes seconds to import and is not needed here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from monitor import config, inference
from monitor.models import Located, device, locate

VECTOR: Final = 384
MAX_TOKENS: Final = 128
"""What the network was trained on; half a minute of fast speech has about as many. What is longer is cut."""
MAX_CHARACTERS: Final = 4000
"""Cut before the tokenizer sees it: no token is longer than a word, and no utterance is as long as that."""


class TextEncoder(Protocol):
    """Utterances to vectors; one thread at a time."""

    @property
    def name(self) -> str:
        """Model and version."""

    def __call__(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Texts of any length to float32 [n, 384], each of length 1."""


class Tokens:
    """Texts to the network's tokens, as many for each text as the longest has."""

    def __init__(self, located: Located) -> None:
        self._tokenizer = Tokenizer.from_file(str(located.folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._tokenizer.enable_padding()  # its file would pad every text to 128

    def __call__(self, texts: Sequence[str]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """The tokens [n, tokens], and their mask: 1 where a token is read, 0 where it only fills."""
        encoded = self._tokenizer.encode_batch([text[:MAX_CHARACTERS] for text in texts])
        return np.array([each.ids for each in encoded], np.int64), np.array([each.attention_mask for each in encoded], np.int64)


class OpenVinoTexts:
    """MiniLM in OpenVINO, on the CPU."""

    def __init__(self, located: Located, threads: int) -> None:
        self.name = located.version
        self._tokens = Tokens(located)
        # float32 on every CPU: sentences are short, and the fusion network learned from such vectors
        path = inference.kept(located, _convert, Path(__file__).with_name("minilm.py"))
        self._request = inference.load(path, threads, {"INFERENCE_PRECISION_HINT": "f32"})

    def __call__(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Texts of any length to float32 [n, 384], each of length 1; one at a time, for padding would change the last digits."""
        return in_batches(texts, self._infer, 1)

    def _infer(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        vectors: npt.NDArray[np.float32] = self._request.infer(self._tokens(texts), share_inputs=True)[0]
        return vectors


def in_batches(texts: Sequence[str], infer: Callable[[Sequence[str]], npt.NDArray[np.float32]], size: int) -> npt.NDArray[np.float32]:
    """Infer so many texts at a time; no text is no vector."""
    chunks = [infer(texts[at : at + size]) for at in range(0, len(texts), size)]
    return np.concatenate(chunks) if chunks else np.empty((0, VECTOR), np.float32)


def text_encoder(models: config.Models) -> TextEncoder:
    """The encoder that the configuration names. Raises ModelError saying what to install."""
    located = locate(models.text)
    place = device(models)
    if place == "cpu":
        return OpenVinoTexts(located, models.threads)
    from monitor.minilm import TorchTexts  # noqa: PLC0415 (torch and transformers)

    return TorchTexts(located, place)


def _convert(located: Located) -> inference.Graph:
    from monitor.minilm import convert  # noqa: PLC0415 (torch and transformers)

    return convert(located)
