"""Composed streams as teaching: windows with what is on in them, as the live stages perceive them, and sound by itself.

An incident begins in the middle of a window here, over an ambience, among what could be taken for one. What is seen, heard and
said of different windows is mixed too: no modality can then guess for another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from monitor import anomaly, traits
from monitor.align import Window
from monitor.config import Config
from monitor.flowfield import FLOW
from monitor.hearing import SoundEncoder
from monitor.layers import VoiceEncoder
from monitor.messages import SOUND_HZ, Embedding, Modality, floats
from monitor.motion import MOTION
from workers.composing.perceive import windows
from workers.composing.plan import heard_only
from workers.composing.sound import load, mixed, speaking
from workers.composing.sources import Sources
from workers.composing.timeline import Event, Flags, Timeline, labels, overlaps
from workers.features import Item
from workers.training.bank import Bank, Span, Tokens, Track, cached, gather, joined
from workers.training.compose import SURE_S, WINDOW_S, Part, Things
from workers.training.sounds import PIECE, Progress, Samples, microphone, seconds

KIND_OF: Final[Mapping[str, str]] = {
    "fight": "fight",
    "fire": "fire",
    "crying": "crying",
    "anger": "aggression",
    "help": "distress",
    "threat": "distress",  # as in sentences.csv; `monitor.intent` tells which of both
    "gun_shot": "gun_shot",
    "siren": "siren",
    "scream": "scream",
    "glass_break": "glass_break",
}
"""What a network calls the events of a time line; it is asked of no others."""
KNOWN_BY: Final[dict[str, tuple[Modality, ...]]] = {
    "fight": (Modality.PICTURE,),
    **dict.fromkeys(("fire", "aggression", "crying", "gun_shot", "siren", "scream", "glass_break"), (Modality.SOUND,)),
    "distress": (Modality.TEXT,),
}
ANY: Final[dict[str, tuple[Modality, ...]]] = {anomaly.KIND: tuple(Modality)}
"""One more kind of a network: any incident, be there a kind for it or not."""
HEARD_S: Final = 120.0
"""Of each piece of sound by itself."""
MICROPHONE: Final = 0.5
"""Share of those that are heard through another microphone."""

DRY: Final = 0.2
"""Share of those that have no ambience, as of a quiet room through a gate: between their events is nothing at all."""

UNTAUGHT: Final = frozenset({"gun_shot", "siren", "scream", "glass_break"})
"""Kinds that no recording with a licence for weights was at hand for."""

Numbers = npt.NDArray[np.float32]
Rows = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Lane:
    """What one modality has of a stream."""

    times: Numbers
    values: npt.NDArray[np.float16]
    motion: npt.NDArray[np.float16] | None
    rows: tuple[Rows, ...]
    """Of each window, which of them it holds."""
    overlap: Numbers
    """Seconds [windows, K] of each kind that this modality carries; as much of a short one counts as SURE_S of a long one."""
    things: tuple[Numbers, ...] | None = None
    """Of each picture the people and things [n, `monitor.traits.NUMBERS`]; None where nobody looked for any."""

    def part(self, window: int, until: float) -> Part:
        """What a window holds."""
        rows = self.rows[window]
        motion = None if self.motion is None else self.motion[rows].astype(np.float32)
        times = self.times[rows]
        ages = (until - times).astype(np.float32)
        things = None if self.things is None else Things(*traits.tokens([self.things[row] for row in rows], ages.tolist()))
        return Part(Tokens(times, self.values[rows].astype(np.float32), motion), ages, self.overlap[window], things)


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream's windows, of the last revision."""

    name: str
    untils: npt.NDArray[np.float64]
    lanes: Mapping[Modality, Lane]
    on: Flags
    """[n]: an incident of any kind is on …"""
    sure: Flags
    """… and whether that can be said."""

    def part(self, modality: Modality, window: int) -> Part | None:
        """What a window holds of a modality; None for nothing."""
        lane = self.lanes.get(modality)
        return lane.part(window, float(self.untils[window])) if lane is not None and len(lane.rows[window]) else None


def stream(truth: Timeline, items: Sequence[Item], settings: Config, kinds: Sequence[str]) -> Stream:
    """A perceived stream as windows."""
    final = [window for window in windows(items, settings) if window.final]
    untils = np.array([window.until for window in final])
    lanes = {modality: _lane(modality, truth, final, untils, kinds) for modality in Modality}
    return Stream(truth.name, untils, lanes, *labels(truth.incidents, untils, WINDOW_S))


def _lane(modality: Modality, truth: Timeline, final: Sequence[Window], untils: npt.NDArray[np.float64], kinds: Sequence[str]) -> Lane:
    held = [_items(window, modality) for window in final]
    every = list({id(item): item for row in held for item in row}.values())
    places = {id(item): at for at, item in enumerate(every)}
    return Lane(
        np.array([item.at for item in every], np.float32),
        np.stack([_value(item) for item in every]) if every else np.zeros((0, 1), np.float16),
        np.stack([_motion(item) for item in every]) if every and modality is Modality.PICTURE else None,
        tuple(np.array([places[id(item)] for item in row], np.intp) for row in held),
        overlap(truth.incidents, untils, modality, kinds),
        tuple(traits.of(item) for item in every) if any(item.things is not None for item in every) else None,
    )


def _items(window: Window, modality: Modality) -> list[Embedding]:
    rows = {Modality.PICTURE: window.pictures, Modality.SOUND: window.sounds, Modality.TEXT: window.texts}[modality]
    return [item for item in rows if item.at < window.until]


def _value(item: Embedding) -> npt.NDArray[np.float16]:
    """A token; a sound's with what its layers hear."""
    parts = [floats(item.vector)] if item.modality is not Modality.SOUND else [floats(item.vector), floats(item.grid)]
    return np.concatenate(parts).astype(np.float16)


def _motion(item: Embedding) -> npt.NDArray[np.float16]:
    numbers = np.full(MOTION + FLOW, np.nan, np.float16)
    given = floats(item.motion)
    numbers[: len(given)] = given
    return numbers


def overlap(events: Sequence[Event], untils: npt.NDArray[np.float64], modality: Modality, kinds: Sequence[str]) -> Numbers:
    """Seconds [windows, K] of the incidents that a modality carries, a short one's stretched so that half of it is SURE_S.

    Of the anomaly, which any incident is, as much as of the one that is there most.
    """
    found = np.zeros((len(untils), len(kinds)), np.float32)
    those = [event for event in events if modality in event.modalities]
    if those:
        shares = overlaps(those, untils, WINDOW_S)
        for event, share in zip(those, shares.T, strict=True):
            stretch = SURE_S / min(SURE_S, max((event.end - event.begin) / 2, 1e-3))
            seconds = (share * stretch).astype(np.float32)
            if KIND_OF.get(event.kind) in kinds:
                found[:, kinds.index(KIND_OF[event.kind])] += seconds
            if anomaly.KIND in kinds:
                most = found[:, kinds.index(anomaly.KIND)]
                np.maximum(most, seconds, out=most)
    return found


def heard_bank(found: Sources, count: int, seed: int, encoder: SoundEncoder, layers: VoiceEncoder, progress: Progress) -> Bank:
    """Sound by itself: dense streams that are only mixed and heard, which costs a quarter of a film."""
    names = sorted(row.name for row in found.sounds)
    key = [encoder.name, layers.name, HEARD_S, MICROPHONE, seed, found.split.value, names]

    def piece(number: int) -> Bank:
        """Kept by itself, so that what was interrupted goes on."""
        dry = number >= (1 - DRY) * count
        all_of = [*key, number, *(("dry",) if dry else ())]
        return cached("heard-streams", all_of, lambda: gather([_heard(found, number, seed, encoder, layers, dry=dry)]))

    return joined([piece(number) for number in progress(range(count), "sound by itself", count)])


def _heard(found: Sources, number: int, seed: int, encoder: SoundEncoder, layers: VoiceEncoder, *, dry: bool) -> tuple[Track, Tokens]:
    rng = np.random.default_rng([seed, 7, number])
    drawn = heard_only(found, HEARD_S, rng, load, speaking(), dry=dry)
    samples = mixed(drawn)
    if rng.random() < MICROPHONE:
        samples = microphone(samples, rng)
    incidents = [event for event in drawn.events if event.incident and Modality.SOUND in event.modalities]
    spans = tuple(Span(KIND_OF[event.kind], event.begin, event.end) for event in incidents)
    track = Track(name=f"heard-{number}", label="heard", group="", fold=0, duration=HEARD_S, spans=spans)
    return track, tokens_of(samples, encoder, layers)


def tokens_of(samples: Samples, encoder: SoundEncoder, layers: VoiceEncoder) -> Tokens:
    """Sound tokens with what the layers hear, s16 as on the bus."""
    pcm = np.clip(np.round(samples * 32768), -32768, 32767).astype(np.int16).astype(np.float32) / np.float32(32768)
    pieces = seconds(pcm)
    values = np.concatenate([encoder(pieces), layers(pieces)], axis=1)
    return Tokens((np.arange(len(values)) * PIECE / SOUND_HZ).astype(np.float32), values)


def heard_stream(bank: Bank, track: Track, kinds: Sequence[str]) -> Stream:
    """Sound by itself as windows."""
    tokens = slice(track.begin, track.end)
    times = bank.times[tokens]
    untils = np.arange(WINDOW_S, track.duration + 0.25, 0.5)
    events = [
        Event(begin=span.at, end=span.until, kind=_event(span.kind), incident=True, modalities=(Modality.SOUND,), sources=())
        for span in track.spans
    ]
    rows = tuple(np.flatnonzero((times < until) & (times > until - WINDOW_S - 0.25)) for until in untils)
    lane = Lane(times, bank.values[tokens], None, rows, overlap(events, untils, Modality.SOUND, kinds))
    return Stream(track.name, untils, {Modality.SOUND: lane}, *labels(events, untils, WINDOW_S))


def _event(kind: str) -> str:
    return next(event for event, name in KIND_OF.items() if name == kind)
