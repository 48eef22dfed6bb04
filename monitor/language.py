"""The language encoder f_l: what was said becomes one vector (all-MiniLM-L6-v2; Reimers and Gurevych 2019, arXiv 1908.10084)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
import torch
from transformers import AutoModel, AutoTokenizer
from transformers.utils.logging import disable_progress_bar

from monitor import config
from monitor.models import Located, locate
from monitor.vision import torch_device

VECTOR: Final = 384
MAX_TOKENS: Final = 128
"""What the network was trained on; half a minute of fast speech has about as many. What is longer is cut."""
MAX_CHARACTERS: Final = 4000
"""Cut before the tokenizer sees it: no token is longer than a word, and no utterance is as long as that."""
BATCH: Final = 32


class TextEncoder(Protocol):
    """Utterances to vectors; one thread at a time."""

    @property
    def name(self) -> str:
        """Model and version."""

    def __call__(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Texts of any length to float32 [n, 384], each of length 1."""


class MiniLM:
    """A sentence transformer: the mean of the tokens' states, scaled to length 1."""

    def __init__(self, located: Located, device: torch.device) -> None:
        self.name = located.version
        self._device = device
        disable_progress_bar()  # type: ignore[no-untyped-call]  # for the whole process: a bar over 90 MB from the disk only disturbs the console
        self._tokenizer: Any = AutoTokenizer.from_pretrained(located.folder, local_files_only=True)
        self._network: Any = AutoModel.from_pretrained(located.folder, local_files_only=True).eval().to(device)

    def __call__(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Texts of any length to float32 [n, 384], each of length 1."""
        chunks = [self._infer([text[:MAX_CHARACTERS] for text in texts[at : at + BATCH]]) for at in range(0, len(texts), BATCH)]
        return np.concatenate(chunks) if chunks else np.empty((0, VECTOR), np.float32)

    @torch.inference_mode()
    def _infer(self, texts: list[str]) -> npt.NDArray[np.float32]:
        tokens = self._tokenizer(texts, padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt").to(self._device)
        states = self._network(**tokens).last_hidden_state  # [n, tokens, 384]
        mask = tokens["attention_mask"].unsqueeze(-1).to(states.dtype)  # [n, tokens, 1]
        mean = (states * mask).sum(1) / mask.sum(1)  # [n, 384]; never empty: [CLS] and [SEP] are always there
        vectors: npt.NDArray[np.float32] = torch.nn.functional.normalize(mean).float().cpu().numpy()
        return vectors


def text_encoder(models: config.Models) -> TextEncoder:
    """The encoder that the configuration names. Raises ModelError saying what to install."""
    return MiniLM(locate(models.text), torch_device(models))
