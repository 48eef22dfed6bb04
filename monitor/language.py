"""The language encoder f_l: what was said becomes one vector.

all-mpnet-base-v2: MPNet (Song et al. 2020, arXiv 2004.09297), taught to tell sentences (Reimers and Gurevych 2019, arXiv 1908.10084).
On the CPU it runs in OpenVINO, converted once and kept in the cache folder; on a GPU the same network runs in torch
(`monitor.mpnet`), which takes seconds to import and is not needed here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from monitor import config, inference
from monitor.models import Located, device, locate

VECTOR: Final = 768
LAYERS: Final = (6, 9)
"""Of the network's twelve, those whose output is told too: how something is said, which the last one forgets for what it is about."""
PADDING: Final = 1
"""The token that only fills: a position is counted for every other one."""
MAX_TOKENS: Final = 128
"""What the network was trained on; half a minute of fast speech has about as many. What is longer is cut."""
BATCH: Final = 32
"""Texts that are read together."""
CODE: Final = ("mpnet.py", "int8.py")
"""What the kept graph comes of."""
MAX_CHARACTERS: Final = 4000
"""Cut before the tokenizer sees it: no token is longer than a word, and no utterance is as long as that."""


class TextFeatures(NamedTuple):
    """What the encoder makes of texts."""

    vectors: npt.NDArray[np.float32]
    """[n, VECTOR], each of length 1: what a text is about."""
    layers: npt.NDArray[np.float32]
    """[n, LAYERS, VECTOR], each of length 1: the mean over the tokens of what the LAYERS give."""

    @property
    def rows(self) -> npt.NDArray[np.float32]:
        """All of it, side by side [n, VECTOR * (1 + LAYERS)]."""
        return np.hstack([self.vectors, self.layers.reshape(len(self.layers), self.layers.shape[1] * self.layers.shape[2])])


class TextEncoder(Protocol):
    """Utterances to vectors; one thread at a time."""

    @property
    def name(self) -> str:
        """Model and version."""

    def __call__(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Texts of any length to float32 [n, VECTOR], each of length 1."""

    def features(self, texts: Sequence[str]) -> TextFeatures:
        """The same vectors, and what the layers before them make of the texts."""

    def together(self, texts: Sequence[str]) -> TextFeatures:
        """The same in batches: quicker, and what fills up the shorter texts changes their last digits."""


class Tokens:
    """Texts to the network's tokens, as many for each text as the longest has."""

    def __init__(self, located: Located) -> None:
        self._tokenizer = Tokenizer.from_file(str(located.folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._tokenizer.enable_padding(pad_id=PADDING)  # its file would pad every text to 128

    def __call__(self, texts: Sequence[str]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """The tokens [n, tokens], and their mask: 1 where a token is read, 0 where it only fills."""
        encoded = self._tokenizer.encode_batch([text[:MAX_CHARACTERS] for text in texts])
        return np.array([each.ids for each in encoded], np.int64), np.array([each.attention_mask for each in encoded], np.int64)


class OpenVinoTexts:
    """MPNet in OpenVINO, on the CPU."""

    def __init__(self, located: Located, threads: int) -> None:
        self.name = located.version
        self._tokens = Tokens(located)
        path = inference.kept(located, _convert, *(Path(__file__).with_name(name) for name in CODE))
        self._request = inference.load(path, threads)

    def __call__(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Texts of any length to float32 [n, VECTOR], each of length 1."""
        return self.features(texts).vectors

    def features(self, texts: Sequence[str]) -> TextFeatures:
        """The same vectors, and the layers before them; one text at a time, for padding would change the last digits."""
        return in_batches(texts, self._infer, 1)

    def together(self, texts: Sequence[str]) -> TextFeatures:
        """The same in batches."""
        return in_batches(texts, self._infer, BATCH)

    def _infer(self, texts: Sequence[str]) -> TextFeatures:
        found = self._request.infer(self._tokens(texts), share_inputs=True)
        return TextFeatures(found[0], found[1])


def in_batches(texts: Sequence[str], infer: Callable[[Sequence[str]], TextFeatures], size: int) -> TextFeatures:
    """Infer so many texts at a time; no text is no vector."""
    chunks = [infer(texts[at : at + size]) for at in range(0, len(texts), size)]
    if not chunks:
        return TextFeatures(np.empty((0, VECTOR), np.float32), np.empty((0, len(LAYERS), VECTOR), np.float32))
    vectors, layers = zip(*chunks, strict=True)
    return TextFeatures(np.concatenate(vectors), np.concatenate(layers))


def text_encoder(models: config.Models) -> TextEncoder:
    """The encoder that the configuration names. Raises ModelError saying what to install."""
    located = locate(models.text)
    place = device(models)
    if place == "cpu":
        return OpenVinoTexts(located, models.threads)
    from monitor.mpnet import TorchTexts  # noqa: PLC0415 (torch and transformers)

    return TorchTexts(located, place)


def _convert(located: Located) -> inference.Graph:
    from monitor.mpnet import convert  # noqa: PLC0415 (torch and transformers)

    return convert(located)
