"""The real clips that streams are composed of, dealt to train, val and test: no clip, scene, recording, speaker or voice is in two.

Rows that taught the shipped network keep its folds (`workers.training.rows`): 0 and 1 train, 2 val, 3 and above test. The
others are dealt by what must stay together.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Final

from monitor.errors import SourceError
from workers.scene.voice import Voice
from workers.training import rows
from workers.training.rows import Row


class Split(StrEnum):
    """Which part of the sources."""

    TRAIN = "train"
    VAL = "val"
    TEST = "test"


DEALT: Final = (Split.TEST, Split.TRAIN, Split.VAL, Split.TRAIN)
"""To whom the groups that are dealt go, in turn: the test comes first, for where there is but one."""

HEARD: Final = {
    "sound:gun_shot": "gun_shot",
    "sound:siren": "siren",
    "scream": "scream",
    "glass_break": "glass_break",
    "sound:fire_crackling": "fire",
    "sound:baby_cry": "crying",
}
"""Incidents that are heard only, by the manifest's label."""
HARD: Final = frozenset(
    {
        "sound:dog_bark",
        "sound:car_horn",
        "sound:drilling",
        "sound:jackhammer",
        "sound:chainsaw",
        "sound:rooster",
        "sound:person_sneeze",
        "sound:children_playing",
        "sound:street_music",
        "sound:helicopter",
        "sound:clock_tick",
        "emotion:happiness",
        "emotion:happy",
    }
)
"""Sounds that stand out and are none, laughing and excited voices among them."""
AMBIENCE: Final = frozenset(
    {
        "sound:air_conditioner",
        "sound:engine_idling",
        "sound:street_music",
        "sound:children_playing",
        "sound:rain",
        "sound:sea_waves",
        "sound:helicopter",
    }
)
ANGRY: Final = frozenset({"emotion:anger", "emotion:angry"})
CALM: Final = frozenset({"emotion:neutral", "emotion:calm", "emotion:sadness", "emotion:sad"})

ACCENTS: Final[Mapping[Split, tuple[str, ...]]] = {
    Split.TRAIN: ("en-us+m1", "en-us+f1", "en+m3", "en+f2", "en-gb-x-rp+m5", "en-us+m7"),
    Split.VAL: ("en-us+m2", "en-us+f2", "en+m4", "en-gb-x-gbclan+f4"),
    Split.TEST: ("en-us+m6", "en-us+f5", "en+m8", "en-gb-x-rp+f3", "en-gb-x-rp+m2", "en-gb-scotland+f4"),
}
"""Synthetic voices of each split; everyone says everything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A sentence to be spoken."""

    text: str
    label: str
    """threat, help, ordinary or film."""


@dataclass(frozen=True, kw_only=True)
class Sources:
    """What a split has."""

    split: Split
    clips: tuple[Row, ...]
    """Two seconds each, fights and none."""
    footage: tuple[Row, ...]
    """Calm and longer."""
    sounds: tuple[Row, ...]
    lines: tuple[Line, ...]
    voices: tuple[Voice, ...]

    @cached_property
    def fights(self) -> tuple[Row, ...]:
        """Clips of fights."""
        return tuple(row for row in self.clips if row.label == "fight")

    @cached_property
    def calm(self) -> tuple[Row, ...]:
        """Clips of the same kind of camera in which nobody fights."""
        return tuple(row for row in self.clips if row.label != "fight")

    @cached_property
    def heard(self) -> Mapping[str, tuple[Row, ...]]:
        """Sounds that are incidents, by kind."""
        found = {kind: self._labelled({label}) for label, kind in HEARD.items()}
        return {kind: those for kind, those in found.items() if those}

    @cached_property
    def hard(self) -> Mapping[str, tuple[Row, ...]]:
        """Sounds that stand out and are no incident, by label."""
        return {label: those for label in sorted(HARD) if (those := self._labelled({label}))}

    @cached_property
    def ambience(self) -> tuple[Row, ...]:
        """Sounds that lie under all others."""
        return self._labelled(AMBIENCE)

    @cached_property
    def angry(self) -> tuple[Row, ...]:
        """Acted anger."""
        return self._labelled(ANGRY)

    @cached_property
    def read(self) -> tuple[Row, ...]:
        """The same actors without anger, and people who read aloud."""
        return tuple(row for row in self.sounds if row.label in CALM or row.label.startswith("transcript:"))

    def said(self, *labels: str) -> tuple[Line, ...]:
        """Sentences by label."""
        return tuple(line for line in self.lines if line.label in labels)

    def _labelled(self, labels: Iterable[str]) -> tuple[Row, ...]:
        return tuple(row for row in self.sounds if row.label in labels)


def sources(data: Path, split: Split, *, shippable: bool = False) -> Sources:
    """What the data has for a split; `shippable`: of rows whose licence lets weights be shipped alone.

    Raises SourceError if there is no manifest, or too little to compose anything: no picture, or no sound.
    """
    taught = [row for folder in TAUGHT for row in rows.trainable(data, folder) if _of_fold(row.fold) is split and row.label != "fire"]
    others = [] if shippable else [row for folder, group in DEALT_BY.items() for row in _dealt(rows.held_out(data, folder), group, split)]
    every = [row for row in (*taught, *others) if row.path.is_file()]
    found = Sources(
        split=split,
        clips=tuple(row for row in every if row.name.startswith("violence/")),
        footage=tuple(row for row in every if row.name.startswith(("video/", "vad/")) and row.label.startswith("normal")),
        sounds=tuple(row for row in every if row.name.startswith(("sounds/", "emotion/", "speech/"))),
        lines=_lines(split),
        voices=tuple(Voice(name, rate=rate, pitch=pitch) for name in ACCENTS[split] for rate, pitch in ((140, 45), (165, 60))),
    )
    if not (found.clips or found.footage) or not found.ambience:
        raise SourceError(f"{data}: nothing to compose {split} streams of: it needs violence/ or video/, and sounds/. Set --data")
    return found


TAUGHT: Final = ("violence/fight_surv", "video", "sounds/esc10", "emotion/emodb", "speech/wer")
DEALT_BY: Final[Mapping[str, Callable[[str], str]]] = {
    "sounds/urbansound8k": lambda name: Path(name).stem.split("-")[0],
    "sounds/scream": lambda name: Path(name).stem,
    "sounds/glass_break": lambda name: Path(name).stem,
    "emotion/ravdess": lambda name: Path(name).stem.split("-")[-1],
    "vad/ucsd_ped2": lambda name: Path(name).stem,
}
"""Rows that taught nothing, with what must not be in two splits: the recording a sound was cut from, the actor, the clip."""


def _of_fold(fold: int) -> Split:
    return Split.TRAIN if fold in (0, 1) else Split.VAL if fold == 2 else Split.TEST


def _dealt(found: Sequence[Row], group: Callable[[str], str], split: Split) -> list[Row]:
    """Rows of one split; each label's groups are dealt in turn, and a group that has several labels stays together."""
    holders: dict[str, Split] = {}
    for label in sorted({row.label for row in found}):
        groups = sorted({group(row.name) for row in found if row.label == label} - holders.keys())
        holders |= {name: DEALT[n % len(DEALT)] for n, name in enumerate(groups)}
    return [row for row in found if holders[group(row.name)] is split]


def _lines(split: Split) -> tuple[Line, ...]:
    """Sentences: those of val and test were written for the benchmark and taught nothing; training takes those of training."""
    if split is Split.TRAIN:
        taught = [line for line in rows.sentences() if line.language == "en" and line.fold in (0, 1)]
        return tuple(Line(text=line.text, label="help" if line.distress else "ordinary") for line in taught)
    with files("workers.composing").joinpath("sentences.csv").open(encoding="utf-8") as file:
        return tuple(Line(text=line["text"], label=line["label"]) for line in csv.DictReader(file) if line["split"] == split)
