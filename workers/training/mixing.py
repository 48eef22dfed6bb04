"""Windows of composed streams to learn from: whole as they were, or what is seen, heard and said put together from several."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch

from monitor import anomaly, traits
from monitor.flowfield import FLOW
from monitor.fusion import FusionConfig
from monitor.fusionnet import FusionNet
from monitor.fusionparts import Projection, SoundTokens, movement
from monitor.messages import Modality
from monitor.motion import MOTION
from workers.composing.plan import pick
from workers.training.bank import Bank, Tokens
from workers.training.captions import Captions
from workers.training.compose import SURE_S, WINDOW_S, Banks, Examples, Numbers, Part, Things, examples
from workers.training.fit import measure
from workers.training.streams import Stream

WHOLE: Final = 0.4
"""Share of the windows that are taken as they are."""
PRESENT: Final[Mapping[Modality, float]] = {Modality.PICTURE: 0.75, Modality.SOUND: 0.75, Modality.TEXT: 0.35}
"""How often a modality is there: the others then have to do without it."""
INCIDENT: Final[Mapping[Modality, float]] = {Modality.PICTURE: 0.4, Modality.SOUND: 0.6, Modality.TEXT: 0.35}
"""How often a part is picked for an incident, each kind alike."""
WRITTEN: Final = 0.5
"""Share of the texts that are sentences as they are written, not as they were recognised."""

UNSEEN: Final = 0.5
"""Share of the pictures' windows whose people and things are not shown: where nobody looks for them, it must do without."""
ZOOM: Final = 0.5
"""People and things of a window are shown larger or smaller, up to e to this power, …"""
MOVED: Final = 0.3
"""… moved by up to such a share of the picture, …"""
MIRRORED: Final = 0.5
"""… and so often in a mirror."""
UNHEARD: Final = 0.3
"""Share of the sounds without what the encoder's layers hear: where no voices are judged (models.tone: false), it must do without."""
JOINT: Final = 64
"""J, the width of the joint space."""
EVEN: Final = 0.1
"""The least deviation that a number of people and things is brought to: one that hardly ever changed must not count for much."""

Place = tuple[int, int]
"""Which stream, and which of its windows."""


@dataclass(frozen=True, slots=True)
class Taught:
    """Everything to learn from."""

    streams: Sequence[Stream]
    sentences: Bank
    known_by: Mapping[str, tuple[Modality, ...]]
    picture: int
    sound: int
    """Numbers of a sound, the first `last` of them the encoder's last layer's."""
    last: int
    text: int
    captions: Captions | None = None
    """What the joint space is taught by; without them there is none."""

    def sha256(self) -> str:
        """Over all tokens, and what is in them."""
        digest = hashlib.sha256(repr((tuple(self.known_by), self.sentences.tracks)).encode())
        digest.update(self.sentences.values.tobytes())
        for each in self.streams:
            for lane in each.lanes.values():
                moved = () if lane.motion is None else (lane.motion,)
                for array in (lane.times, lane.values, lane.overlap, *moved, *(lane.things or ())):
                    digest.update(array.tobytes())
        return digest.hexdigest()

    @property
    def things(self) -> bool:
        """Whether anybody looked for people and things."""
        return any(lane.things is not None for each in self.streams for lane in each.lanes.values())

    @property
    def kinds(self) -> tuple[str, ...]:
        """In the order of the logits."""
        return tuple(self.known_by)

    @property
    def banks(self) -> Banks:
        """Banks without anything in them, of the right widths."""
        pictures, sounds, texts = (_empty(width, m) for width, m in ((self.picture, MOTION + FLOW), (self.sound, 0), (self.text, 0)))
        return Banks(pictures, sounds, texts, known_by=dict(self.known_by), things=self.things)


def _empty(width: int, motion: int) -> Bank:
    return Bank((), np.zeros(0, np.float32), np.zeros((0, width), np.float16), np.zeros((0, motion), np.float16))


class Mixer:
    """Draws windows."""

    def __init__(self, taught: Taught, seed: int) -> None:
        self._taught, self.rng = taught, np.random.default_rng(seed)
        self._banks = taught.banks
        self._every: dict[Modality, list[Place]] = {modality: [] for modality in Modality}
        self._of: dict[Modality, dict[str, list[Place]]] = {modality: {} for modality in Modality}
        for number, each in enumerate(taught.streams):
            for modality, lane in each.lanes.items():
                for window, rows in enumerate(lane.rows):
                    if len(rows):
                        self._every[modality].append((number, window))
                        for k in np.flatnonzero(lane.overlap[window] >= SURE_S - 1e-3).tolist():
                            if taught.kinds[k] != anomaly.KIND:
                                self._of[modality].setdefault(taught.kinds[k], []).append((number, window))
        self._whole = [place for place in self._every[Modality.SOUND] if Modality.PICTURE in taught.streams[place[0]].lanes]

    def draw(self, size: int) -> Examples:
        """As many windows."""
        drawn = [self._window() for _ in range(size)]
        pictures, sounds, texts = zip(*drawn, strict=True)
        return replace(examples(pictures, sounds, texts, self._banks), captions=self._taught.captions)

    def _window(self) -> list[Part | None]:
        there = {modality: self.rng.random() < PRESENT[modality] for modality in Modality}
        if self.rng.random() < WHOLE:
            place = self._whole_place()
            return [self._part(modality, place) if there[modality] else None for modality in Modality]
        return [self._picked(modality) if there[modality] else None for modality in Modality]

    def _whole_place(self) -> Place:
        modality = (Modality.PICTURE, Modality.SOUND)[int(self.rng.integers(2))]
        place = self._place(modality)
        return place if Modality.PICTURE in self._taught.streams[place[0]].lanes else pick(self._whole, self.rng)

    def _place(self, modality: Modality) -> Place:
        of = self._of[modality]
        if of and self.rng.random() < INCIDENT[modality]:
            return pick(of[sorted(of)[int(self.rng.integers(len(of)))]], self.rng)
        return pick(self._every[modality], self.rng)

    def _picked(self, modality: Modality) -> Part | None:
        if modality is Modality.TEXT and (not self._every[modality] or self.rng.random() < WRITTEN):
            return self._written()
        return self._part(modality, self._place(modality))

    def _part(self, modality: Modality, place: Place) -> Part | None:
        part = self._taught.streams[place[0]].part(modality, place[1])
        if part is not None and part.things is not None:
            return part._replace(things=None if self.rng.random() < UNSEEN else self._elsewhere(part.things))
        if part is not None and modality is Modality.SOUND and self.rng.random() < UNHEARD:
            return part._replace(tokens=replace(part.tokens, values=self._last_alone(part.tokens.values)))
        return part

    def _elsewhere(self, things: Things) -> Things:
        """People and things as if the camera hung elsewhere: of so few scenes, where they are would be learned by heart."""
        zoom = math.exp(self.rng.uniform(-ZOOM, ZOOM))
        right, down = self.rng.uniform(-MOVED, MOVED, 2).tolist()
        return things._replace(values=traits.seen_from(things.values, zoom, right, down, mirrored=self.rng.random() < MIRRORED))

    def _last_alone(self, sounds: Numbers) -> Numbers:
        """Sounds [n, features] as they are where only the encoder's last layer is known."""
        return np.where(np.arange(sounds.shape[1]) < self._taught.last, sounds, np.float32(np.nan))

    def _written(self) -> Part:
        """A sentence, said some time ago."""
        bank, wanted = self._taught.sentences, self.rng.random() < INCIDENT[Modality.TEXT]
        track = pick([track for track in bank.tracks if bool(track.spans) == wanted], self.rng)
        overlap = np.zeros(len(self._taught.kinds), np.float32)
        for kind in ("distress", anomaly.KIND):
            if kind in self._taught.known_by:
                overlap[self._taught.kinds.index(kind)] = WINDOW_S * bool(track.spans)
        ages = np.array([self.rng.uniform(0.3, 8.0)], np.float32)
        return Part(Tokens(-ages, bank.tokens(track).values), ages, overlap)


def natural(stream: Stream, taught: Taught, shown: Sequence[Modality] = tuple(Modality)) -> Examples:
    """All windows of a stream in their order, with some of their modalities."""
    rows = [[stream.part(modality, window) if modality in shown else None for modality in Modality] for window in range(len(stream.untils))]
    pictures, sounds, texts = zip(*rows, strict=True)
    return examples(pictures, sounds, texts, taught.banks)


def standardised(net: FusionNet, taught: Taught) -> FusionNet:
    """Set the network's normalisation to the mean and deviation of all tokens."""
    seen = [each.lanes[Modality.PICTURE] for each in taught.streams if Modality.PICTURE in each.lanes]
    motion = torch.from_numpy(np.concatenate([lane.motion for lane in seen if lane.motion is not None]).astype(np.float32))
    changes = [np.diff(lane.values.astype(np.float32), axis=0) for lane in seen]
    sounds = torch.from_numpy(np.concatenate([each.lanes[Modality.SOUND].values for each in taught.streams]).astype(np.float32))
    texts = torch.from_numpy(taught.sentences.values.astype(np.float32))
    measure(net.pictures.change.standard, torch.from_numpy(np.concatenate(changes)))
    measure(net.pictures.motion.standard, movement(motion[:, :MOTION]))
    if net.pictures.flow is not None:
        measure(net.pictures.flow.standard, motion[:, MOTION:].clamp(min=0).sqrt())
    if isinstance(net.sounds, SoundTokens):
        measure(net.sounds.last.standard, sounds[:, : net.cfg.sound])
        measure(net.sounds.layers.standard, sounds[:, net.cfg.sound :])
    elif isinstance(net.sounds, Projection):
        measure(net.sounds.standard, sounds[:, : net.cfg.sound])
    measure(net.texts.standard, texts)
    things = [row for lane in seen for row in lane.things or () if len(row)]
    if net.things is not None and len(things) > 1:
        measure(net.things.project.standard, torch.from_numpy(np.concatenate(things)))
        net.things.project.standard.deviation.clamp_(min=EVEN)
    return net


def config_of(taught: Taught, *, flow: bool) -> FusionConfig:
    """The measures of a network that reads all of it, dense flow if that is asked for."""
    return FusionConfig(
        motion=MOTION,
        flow=FLOW if flow else 0,
        picture=taught.picture,
        sound=taught.last,
        all_layers=taught.sound - taught.last,
        text=taught.text,
        known_by=dict(taught.known_by),
        things=traits.NUMBERS if taught.things else 0,
        joint=0 if taught.captions is None else JOINT,
    )
