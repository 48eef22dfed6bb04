"""Recordings as a sound encoder hears them, or Whisper's layers: a token a second, and a vector for the whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from monitor.hearing import SoundEncoder
from monitor.layers import VoiceEncoder
from monitor.messages import SOUND_HZ
from workers.training.bank import Bank, Tokens, Track, cached, gather
from workers.training.rows import Row
from workers.training.sounds import PIECE, Progress, Samples, samples_of, seconds

LONGEST_S: Final = 8.0
EVERY: Final = 2
"""Of the live encoder's seconds, which overlap by half, every other one is heard: it costs half, and all is still heard once."""
SHORTEST_S: Final = 2.0
"""What is shorter is heard again and again until it is as long."""

Features = npt.NDArray[np.float32]


def layer_bank(folder: str, rows: Sequence[Row], encoder: VoiceEncoder | SoundEncoder, progress: Progress) -> Bank:
    """Each recording's tokens [n, features], in the order of their names; of a long one the begin."""
    ordered = sorted(rows, key=lambda row: row.name)
    key = [encoder.name, LONGEST_S, SHORTEST_S, EVERY, [(row.name, row.path.stat().st_size) for row in ordered]]

    def make() -> Bank:
        return gather((_track(row), layers_of(samples_of(row.path), encoder)) for row in progress(ordered, folder, len(ordered)))

    return cached(f"layers-{folder.replace('/', '-')}", key, make)


def layers_of(samples: Samples, encoder: VoiceEncoder | SoundEncoder) -> Tokens:
    """Tokens of a recording, s16 as on the bus."""
    long = np.resize(samples, max(len(samples), int(SHORTEST_S * SOUND_HZ)))[: int(LONGEST_S * SOUND_HZ)]
    pcm = np.clip(np.round(long * 32768), -32768, 32767).astype(np.int16)
    heard = encoder(seconds(pcm.astype(np.float32) / np.float32(32768))[EVERY - 1 :: EVERY])  # [n, features]
    return Tokens(((np.arange(len(heard)) + 0.5) * EVERY * PIECE / SOUND_HZ).astype(np.float32), heard)


def whole(bank: Bank) -> Features:
    """One vector a recording [n, 3 d]: the mean, the deviation and the highest of its tokens."""
    values = [bank.tokens(track).values for track in bank.tracks]
    return np.stack([np.concatenate([rows.mean(0), rows.std(0), rows.max(0)]) for rows in values])


def _track(row: Row) -> Track:
    return Track(name=row.name, label=row.label, group=row.group, fold=row.fold)
