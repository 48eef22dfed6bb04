"""What a stream shows and lets hear, and when: drawn from a seed, before a single picture is rendered.

Nothing but the incident itself may tell of it: fights and calm clips are cut in alike and are equally long, events of all
sorts have the same loudness above the same ambiences, and the same voices say ordinary things and threats.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from monitor.messages import SOUND_HZ, Modality
from workers.composing.sources import Sources
from workers.composing.timeline import Event
from workers.scene.voice import Voice
from workers.training.rows import Row
from workers.training.sounds import active

Samples = npt.NDArray[np.float32]
Say = Callable[[str, Voice], Samples]
Load = Callable[[Path], Samples]
T = TypeVar("T")

SHOT_S: Final = (4.0, 8.0)
"""A clip is shown for so long, played forward and back."""
LONG_S: Final = (6.0, 12.0)
"""A piece of longer footage."""
FOOTAGE: Final = 0.25
"""Share of the calm shots that are footage."""
PAUSE_S: Final = (7.0, 16.0)
"""From the end of one event to the next …"""
DENSE_S: Final = (2.0, 5.0)
"""… and where a network is to learn from every minute."""
ABOVE_DB: Final = (8.0, 22.0)
"""Of an event above the ambience."""
AMBIENCE_DB: Final = (-46.0, -34.0)
LONGEST_S: Final = 6.0
"""A recorded sound is cut after this."""

INCIDENTS: Final = (("seen", 0.26), ("heard", 0.26), ("said", 0.24), ("shouted", 0.1), ("several", 0.14))
SORTS: Final = frozenset(name for name, _ in INCIDENTS)
HEARD_ONLY: Final = frozenset({"heard", "shouted"})
"""What a stream without pictures has of them."""
AMONG: Final = (("incident", 0.5), ("hard", 0.28), ("ordinary", 0.22))
"""How often an event is what, in a stream that has incidents; without the first in one that has none."""


class Shot(NamedTuple):
    """A piece of picture."""

    begin: float
    end: float
    row: Row
    start: float
    """Where in the clip it begins, as a share of it."""


class Heard(NamedTuple):
    """A piece of sound, at its level."""

    at: float
    samples: Samples


@dataclass(slots=True, kw_only=True)
class Plan:
    """A stream before it is rendered."""

    seconds: float
    ambience_db: float
    ambience: tuple[Row, ...]
    shots: list[Shot] = field(default_factory=list)
    heard: list[Heard] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)


def plan(sources: Sources, seconds: float, rng: np.random.Generator, load: Load, say: Say, *, calm: bool, dense: bool = False) -> Plan:
    """Draw a stream of so many seconds; a calm one has no incident, in a dense one they follow each other quickly."""
    return _Planner(sources, seconds, rng, load, say, dense=dense).draw(calm=calm)


def heard_only(sources: Sources, seconds: float, rng: np.random.Generator, load: Load, say: Say, *, dry: bool = False) -> Plan:
    """Draw the sound of a dense stream alone, for teaching; its shots are empty. A dry one has no ambience."""
    drawn = _Planner(sources, seconds, rng, load, say, dense=True, sorts=HEARD_ONLY).draw(calm=False, shown=False)
    return replace(drawn, ambience=()) if dry else drawn


class _Planner:
    def __init__(
        self,
        sources: Sources,
        seconds: float,
        rng: np.random.Generator,
        load: Load,
        say: Say,
        *,
        dense: bool,
        sorts: frozenset[str] = SORTS,
    ) -> None:
        self._sources, self._rng, self._load, self._say = sources, rng, load, say
        self._pause, self._sorts = DENSE_S if dense else PAUSE_S, sorts
        grounds = tuple(pick(sources.ambience, rng) for _ in range(2))
        self._plan = Plan(seconds=seconds, ambience_db=float(rng.uniform(*AMBIENCE_DB)), ambience=grounds)
        self._makers: dict[str, Callable[[float], float]] = {
            "seen": self._seen,
            "heard": self._heard,
            "said": self._said,
            "shouted": self._shouted,
            "several": self._several,
        }

    def draw(self, *, calm: bool, shown: bool = True) -> Plan:
        """Events one after the other, then the calm pictures around them."""
        rng, planned = self._rng, self._plan
        among = AMONG[1:] if calm else AMONG
        at = float(rng.uniform(*self._pause))
        while at < planned.seconds - 2 * max(LONGEST_S, *SHOT_S):
            match draw(among, rng):
                case "incident":
                    end = self._makers[draw([item for item in INCIDENTS if self._has(item[0])], rng)](at)
                case "hard":
                    end = self._hard(at)
                case _:
                    end = self._ordinary(at)
            at = end + float(rng.uniform(*self._pause))
        if shown:
            self._calm()
        return planned

    def _has(self, sort: str) -> bool:
        found = self._sources
        has = {"seen": bool(found.fights), "heard": bool(found.heard), "shouted": bool(found.angry), "several": bool(found.fights)}
        return sort in self._sorts and has.get(sort, True)

    def _seen(self, at: float) -> float:
        """A fight: one shot, or two of the same scene."""
        row = pick(self._sources.fights, self._rng)
        same = [other for other in self._sources.fights if other.group == row.group]
        shown, begin = [row, pick(same, self._rng)][: 1 + int(self._rng.random() < 0.4)], at
        for each in shown:
            end = begin + float(self._rng.uniform(*SHOT_S))
            self._plan.shots.append(Shot(begin, end, each, float(self._rng.random())))
            begin = end
        self._tell(at, begin, "fight", (Modality.PICTURE,), [each.name for each in shown])
        return begin

    def _heard(self, at: float) -> float:
        kind = pick(sorted(self._sources.heard), self._rng)
        row = pick(self._sources.heard[kind], self._rng)
        return self._put(at, self._load(row.path), kind, (Modality.SOUND,), row.name)

    def _said(self, at: float) -> float:
        label = pick(("threat", "help"), self._rng) if self._sources.said("threat") else "help"
        return self._speak(at, label, label)

    def _shouted(self, at: float) -> float:
        """One or two angry sentences of one speaker."""
        row = pick(self._sources.angry, self._rng)
        end = self._put(at, self._load(row.path), "anger", (Modality.SOUND,), row.name)
        if self._rng.random() < 0.5:
            return end
        near = [other for other in self._sources.angry if _speaker(other) == _speaker(row)]
        other = pick(near, self._rng)
        return self._put(end + 0.3, self._load(other.path), "anger", (Modality.SOUND,), other.name)

    def _several(self, at: float) -> float:
        """A fight that is heard too."""
        end = self._seen(at)
        other = draw([item for item in INCIDENTS if item[0] in ("heard", "said", "shouted") and self._has(item[0])], self._rng)
        return max(end, self._makers[other](at + float(self._rng.uniform(0.5, 2))))

    def _hard(self, at: float) -> float:
        if self._rng.random() < 0.3 and self._sources.said("film"):
            return self._speak(at, "film", "film line", incident=False)
        if not self._sources.hard:
            return self._ordinary(at)
        label = pick(sorted(self._sources.hard), self._rng)
        row = pick(self._sources.hard[label], self._rng)
        return self._put(at, self._load(row.path), label.removeprefix("sound:"), (), row.name, incident=False)

    def _ordinary(self, at: float) -> float:
        if self._rng.random() < 0.4 and self._sources.read:
            row = pick(self._sources.read, self._rng)
            return self._put(at, self._load(row.path), "calm speech", (), row.name, incident=False)
        return self._speak(at, "ordinary", "ordinary speech", incident=False)

    def _speak(self, at: float, label: str, kind: str, *, incident: bool = True) -> float:
        """One or two sentences in one voice."""
        voice = pick(self._sources.voices, self._rng)
        text = " ".join(pick(self._sources.said(label), self._rng).text for _ in range(int(self._rng.integers(1, 3))))
        return self._put(at, self._say(text, voice), kind, (Modality.TEXT,), f"{voice.name}: {text}", incident=incident)

    def _put(self, at: float, samples: Samples, kind: str, by: tuple[Modality, ...], source: str, *, incident: bool = True) -> float:
        """Lay a sound over the ambience, at a level that is drawn alike for everything; its silent ends are no event."""
        spoken = Modality.TEXT in by
        cut = samples if spoken else samples[: int(LONGEST_S * SOUND_HZ)]
        spans = active(cut)
        level = self._plan.ambience_db + float(self._rng.uniform(*ABOVE_DB))
        self._plan.heard.append(Heard(at, at_level(cut, level)))
        begin, end = (at + spans[0][0], at + spans[-1][1]) if spans else (at, at + len(cut) / SOUND_HZ)
        self._tell(begin, end, kind, by, [source], incident=incident)
        return at + len(cut) / SOUND_HZ

    def _tell(
        self, begin: float, end: float, kind: str, by: tuple[Modality, ...], sources: Sequence[str], *, incident: bool = True
    ) -> None:
        self._plan.events.append(
            Event(begin=begin, end=end, kind=kind, incident=incident, modalities=by if incident else (), sources=tuple(sources))
        )

    def _calm(self) -> None:
        """Fill what no fight takes with calm shots; they are cut short where one begins."""
        taken, filled, at = sorted(self._plan.shots), [], 0.0
        for busy in [*taken, None]:
            until = busy.begin if busy else self._plan.seconds
            while at < until - 1e-6:
                shot = self._calm_shot(at, until)
                filled.append(shot)
                at = shot.end
            at = busy.end if busy else at
        self._plan.shots = sorted([*taken, *filled])

    def _calm_shot(self, at: float, until: float) -> Shot:
        found = self._sources
        long = not found.calm or (bool(found.footage) and self._rng.random() < FOOTAGE)
        length = float(self._rng.uniform(*(LONG_S if long else SHOT_S)))
        end = until if until - at - length < 1.5 else at + length
        return Shot(at, end, pick(found.footage if long else found.calm, self._rng), float(self._rng.random()))


def at_level(samples: Samples, level_db: float) -> Samples:
    """Sound whose active half seconds have this mean power, in dB below full scale; peaks above it are clipped as a microphone clips."""
    spans = active(samples) or [(0.0, len(samples) / SOUND_HZ)]
    loud = np.concatenate([samples[int(begin * SOUND_HZ) : int(end * SOUND_HZ)] for begin, end in spans])
    power = float(np.square(loud).mean()) if loud.size else 0.0
    scaled: Samples = np.clip(samples * (10 ** (level_db / 20) / max(power**0.5, 1e-5)), -0.99, 0.99).astype(np.float32)
    return scaled


def pick(those: Sequence[T], rng: np.random.Generator) -> T:
    """Any of them."""
    return those[int(rng.integers(len(those)))]


def draw(weighted: Sequence[tuple[str, float]], rng: np.random.Generator) -> str:
    """A name, as often as its weight says."""
    weights = np.array([weight for _, weight in weighted])
    return weighted[int(rng.choice(len(weighted), p=weights / weights.sum()))][0]


def _speaker(row: Row) -> str:
    """EmoDB's names begin with the speaker, RAVDESS's end with the actor."""
    stem = Path(row.name).stem
    return stem.split("-")[-1] if "-" in stem else stem[:2]
