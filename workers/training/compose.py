"""Windows for teaching: pictures, sounds and words that have nothing to do with each other, so no modality can guess for another.

What a window is labelled with is the union of what its parts are. Modalities are left out at random (drop-out), and a kind
that the rest can't know (`monitor.fusion.KNOWN_BY`) then counts neither way.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from monitor import fusionparts, traits
from monitor.fusion import KINDS, KNOWN_BY
from monitor.fusionnet import knowable
from monitor.fusionparts import Batch
from monitor.messages import Modality
from workers.training.bank import Bank, Tokens, Track
from workers.training.captions import Captions

WINDOW_S: Final = 4.0
HOP_S: Final = 0.5
SURE_S: Final = 1.0
"""An incident that is in a window for less than this counts neither way."""

PRESENT: Final = {"pictures": 0.7, "sounds": 0.7, "texts": 0.35}
FIGHTS: Final = 0.4
ACTED, SPEECH, ORDINARY = "acted", "speech", "ordinary"
HEARD: Final = (("fire", 0.15), ("crying", 0.12), ("aggression", 0.18), (ACTED, 0.18), (SPEECH, 0.1), (ORDINARY, 0.12), ("", 0.15))
"""What a window's sound is picked for, and how often: an incident; acted speech that is not angry, as often as angry, or else the
studio that both come from would be taken for anger; ordinary speech; ordinary noises; any sound at any place."""
DISTRESS: Final = 0.35

Numbers = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Banks:
    """All features."""

    pictures: Bank
    sounds: Bank
    texts: Bank
    known_by: Mapping[str, tuple[Modality, ...]] = field(default_factory=lambda: dict(KNOWN_BY))
    """The kinds of incident that their spans name, and what each is known by."""
    heard: tuple[tuple[str, float], ...] = HEARD
    """What a window's sound is picked for, and how often."""
    things: bool = False
    """Whether people and things of pictures are read."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """In the order of the logits."""
        return tuple(self.known_by)


@dataclass(frozen=True, slots=True)
class Examples:
    """Windows with what is in them."""

    batch: Batch
    labels: torch.Tensor
    """float32 [B, K]: 1 where the window holds the kind."""
    counts: torch.Tensor
    """float32 [B, K]: 0 where that can't be known or isn't clear."""
    overlaps: torch.Tensor | None = None
    """float32 [B, 3, K]: seconds of each kind that each modality carries."""
    captions: Captions | None = None
    """What the joint space lays the windows beside; None where it is not taught."""

    def to(self, device: torch.device) -> Examples:
        """The same elsewhere."""
        return Examples(
            self.batch.map(lambda tensor: tensor.to(device)),
            self.labels.to(device),
            self.counts.to(device),
            None if self.overlaps is None else self.overlaps.to(device),
            None if self.captions is None else self.captions.to(device),
        )


class Things(NamedTuple):
    """People and things of a window's pictures."""

    values: Numbers
    """[n, `monitor.traits.NUMBERS`]."""
    ages: Numbers


class Part(NamedTuple):
    """One modality's share of a window."""

    tokens: Tokens
    ages: Numbers
    overlap: Numbers
    """Seconds of each kind [K]."""
    things: Things | None = None
    """Of pictures; None where nobody looked for any."""


class Composer:
    """Draws windows from the tracks of some folds."""

    def __init__(self, banks: Banks, folds: frozenset[int], seed: int) -> None:
        self._banks = banks
        self.rng = self._rng = np.random.default_rng(seed)
        self._scenes: dict[bool, list[list[Track]]] = {fight: _by_group(banks.pictures, folds, fight=fight) for fight in (True, False)}
        sounds = [track for track in banks.sounds.tracks if track.fold in folds]
        self._sounds = {kind: [track for track in sounds if any(span.kind == kind for span in track.spans)] for kind, _ in banks.heard}
        self._sounds[""] = sounds
        self._sounds[SPEECH] = [track for track in sounds if track.name.startswith("speech/")] or sounds
        self._sounds[ACTED] = [track for track in sounds if track.name.startswith("emotion/") and not track.spans] or sounds
        self._sounds[ORDINARY] = [track for track in sounds if track.label == ORDINARY] or sounds
        texts = [track for track in banks.texts.tracks if track.fold in folds]
        self._texts = {distress: [track for track in texts if bool(track.spans) == distress] for distress in (True, False)}

    def draw(self, size: int) -> Examples:
        """As many windows."""
        rng = self._rng
        pictures = [self._picture() if rng.random() < PRESENT["pictures"] else None for _ in range(size)]
        sounds = [self._sound() if rng.random() < PRESENT["sounds"] else None for _ in range(size)]
        texts = [self._text() if rng.random() < PRESENT["texts"] else None for _ in range(size)]
        return examples(pictures, sounds, texts, self._banks)

    def _picture(self) -> Part:
        """Some seconds of a fight or of none; each scene as often as another."""
        rng = self._rng
        scenes = self._scenes[bool(rng.random() < FIGHTS)]
        tracks = scenes[int(rng.integers(len(scenes)))]
        track = tracks[int(rng.integers(len(tracks)))]
        length = WINDOW_S if rng.random() < 0.6 else rng.uniform(1, WINDOW_S)
        return self._part(self._banks.pictures, track, rng.uniform(min(1.0, track.duration), track.duration), length)

    def _sound(self) -> Part:
        rng = self._rng
        kind = str(rng.choice([kind for kind, _ in self._banks.heard], p=[share for _, share in self._banks.heard]))
        tracks = self._sounds[kind]
        track = tracks[int(rng.integers(len(tracks)))]
        spans = [span for span in track.spans if span.kind == kind]
        if not spans:
            return self._part(self._banks.sounds, track, rng.uniform(min(1.0, track.duration), track.duration))
        span = spans[int(rng.integers(len(spans)))]
        return self._part(self._banks.sounds, track, min(rng.uniform(span.at + SURE_S, span.until + WINDOW_S - SURE_S), track.duration))

    def _part(self, bank: Bank, track: Track, until: float, length: float = WINDOW_S) -> Part:
        return part(bank, track, until, length, kinds=self._banks.kinds)

    def _text(self) -> Part:
        """One to three utterances."""
        rng = self._rng
        picked = [self._texts[bool(rng.random() < DISTRESS)] for _ in range(rng.choice((1, 1, 1, 2, 2, 3)))]
        tracks = [tracks[int(rng.integers(len(tracks)))] for tracks in picked]
        ages = np.sort(rng.uniform(0.3, 8.0, len(tracks)))[::-1].astype(np.float32)
        values = np.concatenate([self._banks.texts.tokens(track).values for track in tracks])
        kinds = self._banks.kinds
        overlap = np.zeros(len(kinds), np.float32)
        overlap[kinds.index("distress")] = WINDOW_S * any(track.spans for track in tracks)
        return Part(Tokens(-ages, values), ages, overlap)


def _by_group(bank: Bank, folds: frozenset[int], *, fight: bool) -> list[list[Track]]:
    groups: dict[str, list[Track]] = defaultdict(list)
    for track in bank.tracks:
        if track.fold in folds and bool(track.spans) == fight:
            groups[track.group].append(track)
    return list(groups.values())


def part(bank: Bank, track: Track, until: float, length: float = WINDOW_S, kinds: Sequence[str] = KINDS) -> Part:
    """What a window that ends at `until` holds of a track."""
    times = bank.times[track.begin : track.end]
    tokens = bank.rows(track.begin + np.flatnonzero((times < until) & (times > until - length - HOP_S / 2)))
    overlap = np.zeros(len(kinds), np.float32)
    for span in track.spans:
        overlap[kinds.index(span.kind)] += max(0.0, min(span.until, until) - max(span.at, until - length))
    return Part(tokens, (until - tokens.times).astype(np.float32), overlap)


def passes(bank: Bank, track: Track, kinds: Sequence[str] = KINDS) -> Iterator[Part]:
    """All windows of a track, as they would be judged live; a shorter one has one."""
    yield from (part(bank, track, end, kinds=kinds) for end in np.arange(HOP_S, track.duration + HOP_S, HOP_S))


def alone(parts: Sequence[Part], modality: str, banks: Banks) -> Examples:
    """Windows of one modality: `pictures`, `sounds` or `texts`."""
    nothing: list[Part | None] = [None] * len(parts)
    rows: dict[str, Sequence[Part | None]] = {"pictures": nothing, "sounds": nothing, "texts": nothing, modality: parts}
    return examples(rows["pictures"], rows["sounds"], rows["texts"], banks)


def examples(pictures: Sequence[Part | None], sounds: Sequence[Part | None], texts: Sequence[Part | None], banks: Banks) -> Examples:
    """Parts to padded tensors, labels and what counts."""
    motion = _padded([item and item.tokens.motion for item in pictures], banks.pictures.motion.shape[1], np.nan)
    tokens = [
        _tokens(items, bank.values.shape[1]) for items, bank in ((pictures, banks.pictures), (sounds, banks.sounds), (texts, banks.texts))
    ]
    batch = Batch(tokens[0], torch.from_numpy(motion), tokens[1], tokens[2], _things(pictures) if banks.things else None)
    nothing = np.zeros(len(banks.kinds), np.float32)
    carried = [[item.overlap if item else nothing for item in items] for items in (pictures, sounds, texts)]
    overlaps = torch.from_numpy(np.array(carried, np.float32)).transpose(0, 1)  # [B, 3, K]
    overlap = overlaps.amax(1)  # seen and heard at once is not longer
    clear = (overlap == 0) | (overlap >= SURE_S - 1e-3)
    return Examples(batch, (overlap >= SURE_S - 1e-3).float(), knowable(batch, banks.known_by) * clear, overlaps)


def _things(pictures: Sequence[Part | None]) -> fusionparts.Tokens:
    held = [item.things if item else None for item in pictures]
    return _shaped([each and each.values for each in held], [each and each.ages for each in held], traits.NUMBERS)


def _tokens(items: Sequence[Part | None], features: int) -> fusionparts.Tokens:
    return _shaped([item and item.tokens.values for item in items], [item and item.ages for item in items], features)


def _shaped(rows: Sequence[Numbers | None], since: Sequence[Numbers | None], features: int) -> fusionparts.Tokens:
    """Tokens [n, features] and their ages [n] of each window, padded."""
    values = _padded(rows, features, 0.0)
    ages = _padded([None if each is None else each[:, None] for each in since], 1, 0.0)[..., 0]
    counts = np.array([0 if each is None else len(each) for each in since])
    here = np.arange(values.shape[1]) < counts[:, None]
    return fusionparts.Tokens(torch.from_numpy(values), torch.from_numpy(ages.copy()), torch.from_numpy(here))


def _padded(rows: Sequence[Numbers | None], features: int, fill: float) -> Numbers:
    """Rows [n, features] of any n to [B, longest, features]; one of padding where there is nothing at all, as live."""
    longest = max(1, *(len(row) for row in rows if row is not None), 1)
    padded = np.full((len(rows), longest, features), fill, np.float32)
    for index, row in enumerate(rows):
        if row is not None:
            padded[index, : len(row)] = row
    return padded
