"""`scenewatch eval fusion`: the shipped weights on recordings that taught nothing, window by window as they are judged live."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from rich.progress import track

from monitor.align import Window
from monitor.config import Config, Rule
from monitor.heard import KINDS
from monitor.hearing import SoundEncoder, sound_encoder
from monitor.language import text_encoder
from monitor.layers import VoiceEncoder, voice_encoder
from monitor.messages import Embedding, Modality, pack
from monitor.models import locate
from monitor.vision import PictureEncoder, picture_encoder
from workers import build
from workers.evaluate import Task
from workers.reasons import Listening
from workers.training.bank import Bank, Tokens, Track, cached, gather
from workers.training.card import load
from workers.training.compose import HOP_S, WINDOW_S
from workers.training.crossing import alarms
from workers.training.figures import area_under_roc, average_precision
from workers.training.pictures import seen
from workers.training.render import as_it_is, frames_of
from workers.training.rows import Row, held_out, trainable
from workers.training.sounds import samples_of
from workers.training.streams import tokens_of

HEARD: Final = ("fire", "aggression", "crying")
CHUNK: Final = 256


@dataclass(frozen=True, slots=True)
class Judged:
    """A recording, and the probability of each kind in each of its windows [n, K]."""

    track: Track
    kinds: tuple[str, ...]
    probabilities: np.ndarray[tuple[int, int], np.dtype[np.float64]]

    def of(self, kind: str) -> list[float]:
        """One kind's probabilities, in order of time."""
        return [float(value) for value in self.probabilities[:, self.kinds.index(kind)]]


def fusion(task: Task) -> dict[str, float]:
    """False alarms on ordinary sounds, pictures and words, as judged live; an angry voice in another language; the card's figures."""
    data, config = task.data, task.config
    net = build.listening(config)
    sounds, pictures = Ears(sound_encoder(config.models), voice_encoder(config.models.threads)), picture_encoder(config.models)
    return {
        **_urban(net, heard_bank("urbansound8k", held_out(data, "sounds/urbansound8k"), sounds), config),
        **_anger(judge(net, heard_bank("ravdess", held_out(data, "emotion/ravdess"), sounds), Modality.SOUND)),
        **_footage(net, _seen("ped2", held_out(data, "vad/ucsd_ped2"), pictures), config),
        **_burning(net, data, sounds),
        **_words(net, data, config),
        **load(locate(config.models.fusion).weights.with_suffix(".json")).figures,
    }


@dataclass(frozen=True, slots=True)
class Ears:
    """What hears live: the sound encoder, and all layers of Whisper's."""

    sounds: SoundEncoder
    layers: VoiceEncoder


def judge(net: Listening, bank: Bank, modality: Modality) -> list[Judged]:
    """Every window of every track."""
    windows = [(item, window) for item in bank.tracks for window in windows_of(item, bank.tokens(item), modality, net.fusion.cfg.sound)]
    said: dict[str, list[list[float]]] = {item.name: [] for item in bank.tracks}
    for at in track(range(0, len(windows), CHUNK), f"judging {modality}", -(-len(windows) // CHUNK)):
        chunk = windows[at : at + CHUNK]
        for (item, _), judgements in zip(chunk, net([window for _, window in chunk]), strict=True):
            said[item.name].append([judgement.probability for judgement in judgements])
    return [Judged(item, net.kinds, np.array(said[item.name])) for item in bank.tracks]


def windows_of(item: Track, tokens: Tokens, modality: Modality, sound: int | None = None) -> Iterator[Window]:
    """A recording's windows, a hop apart; of a sound, what its layers hear stands behind its first numbers (all of them if left out)."""
    embeddings = [_embedding(tokens, row, modality, sound if modality is Modality.SOUND else None) for row in range(len(tokens.times))]
    for end in np.arange(HOP_S, item.duration + HOP_S, HOP_S):
        inside = tuple(embedding for embedding in embeddings if embedding.at < end and embedding.until > end - WINDOW_S)
        if inside:
            yield Window(
                camera=item.name,
                at=float(end - WINDOW_S),
                until=float(end),
                captured=0.0,
                modalities=(modality,),
                revision=0,
                final=True,
                pictures=inside if modality is Modality.PICTURE else (),
                sounds=inside if modality is Modality.SOUND else (),
                texts=inside if modality is Modality.TEXT else (),
            )


def _embedding(tokens: Tokens, row: int, modality: Modality, width: int | None) -> Embedding:
    at = float(tokens.times[row])
    motion = pack(tokens.motion[row]) if tokens.motion is not None and tokens.motion.shape[1] else b""
    return Embedding(
        camera="",
        at=at,
        until=at + HOP_S,
        captured=0.0,
        modalities=(modality,),
        modality=modality,
        vector=pack(tokens.values[row, :width]),
        grid=pack(tokens.values[row, width:]) if width else b"",
        motion=motion,
    )


def heard_bank(name: str, rows: Sequence[Row], ears: Ears) -> Bank:
    """What is heard in recordings; kept for the next time."""

    def pairs() -> Iterator[tuple[Track, Tokens]]:
        for row in track(rows, name):
            if len(samples := samples_of(row.path)):
                yield _track(row, len(samples) / 16_000), tokens_of(samples, ears.sounds, ears.layers)

    return cached(f"eval-{name}", [ears.sounds.name, ears.layers.name, [row.name for row in rows]], lambda: gather(pairs()))


def _seen(name: str, rows: Sequence[Row], encoder: PictureEncoder) -> Bank:
    pairs = (
        (_track(row, (frames[-1].time or 0.0) - (frames[0].time or 0.0)), seen(as_it_is(frames), encoder))
        for row in track(rows, name)
        for frames in [frames_of(row.path)]
    )
    return cached(f"eval-{name}", [encoder.name, [row.name for row in rows]], lambda: gather(pairs))


def _track(row: Row, duration: float) -> Track:
    return Track(name=row.name, label=row.label, group=row.group, fold=-1, duration=duration)


def _urban(net: Listening, bank: Bank, config: Config) -> dict[str, float]:
    """Sounds of a city, and an alarm for each kind that is heard in them is false; sirens and shots but for their own."""
    judged = judge(net, bank, Modality.SOUND)
    figures: dict[str, float] = {}
    for kind in (*HEARD, *(kind for kind in KINDS if kind not in HEARD)):
        figures |= false_alarms("urbansound", [item for item in judged if item.track.label != f"sound:{kind}"], (kind,), config)
    sirens = [item for item in judged if item.track.label == "sound:siren"]
    for kind in ("fire", "crying"):
        figures[f"siren_{kind}_alarm_share"] = sum(_alarms([item], kind, config) > 0 for item in sirens) / max(1, len(sirens))
    return figures


def _anger(judged: Sequence[Judged]) -> dict[str, float]:
    """Angry speech against all other feelings, and against calm and neutral speech, of actors in a language that was not taught."""
    scores = {item.track.name: max(item.of("aggression")) for item in judged}
    calm = [item for item in judged if item.track.label in ("emotion:angry", "emotion:calm", "emotion:neutral")]
    figures = {}
    for name, those in (("ravdess_angry", judged), ("ravdess_angry_or_calm", calm)):
        truth, said = [item.track.label == "emotion:angry" for item in those], [scores[item.track.name] for item in those]
        figures[f"aggression_{name}_auc"] = area_under_roc(truth, said)
        figures[f"aggression_{name}_ap"] = average_precision(truth, said)
    return figures


def _footage(net: Listening, bank: Bank, config: Config) -> dict[str, float]:
    """A walkway with pedestrians (and, in the test clips, bicycles and carts): nobody fights."""
    return false_alarms("ped2", judge(net, bank, Modality.PICTURE), ("fight",), config)


def _burning(net: Listening, data: Path, ears: Ears) -> dict[str, float]:
    """A house on fire, by its sound, which taught nothing."""
    rows = [row for row in trainable(data, "video") if row.label == "fire"]
    judged = judge(net, heard_bank("house6", rows, ears), Modality.SOUND)
    said = [value for item in judged for value in item.of("fire")]
    return {"house6_fire_median": float(np.median(said)), "house6_fire_highest": max(said)}


def _words(net: Listening, data: Path, config: Config) -> dict[str, float]:
    """Ordinary sentences, read aloud in nine languages: none is a call for help."""
    encoder = text_encoder(config.models)
    with (data / "speech/references.csv").open(encoding="utf-8", newline="") as file:
        texts = [line["reference"] for line in csv.DictReader(file)]
    zero = np.zeros(1, np.float32)
    vectors = encoder(texts)
    bank = gather(
        (Track(name=f"text-{n}", label="ordinary", group="", fold=-1, duration=HOP_S), Tokens(zero, vectors[n : n + 1]))
        for n in range(len(texts))
    )
    said = [max(item.of("distress")) for item in judge(net, bank, Modality.TEXT)]
    threshold = _rule("distress", config).raise_at
    return {"references_distress_alarm_share": float(np.mean(np.array(said) >= threshold)), "references_distress_highest": max(said)}


def false_alarms(name: str, judged: Sequence[Judged], kinds: Iterable[str], config: Config) -> dict[str, float]:
    """Alarms an hour of recordings in which nothing happens, at the rule of each kind."""
    hours = sum(item.track.duration for item in judged) / 3600
    figures = {f"{name}_hours": hours}
    for kind in kinds:
        figures[f"{name}_{kind}_alarms_per_hour"] = _alarms(judged, kind, config) / hours
        figures[f"{name}_{kind}_p99"] = float(np.quantile([value for item in judged for value in item.of(kind)], 0.99))
    return figures


def _alarms(judged: Sequence[Judged], kind: str, config: Config) -> int:
    rule = _rule(kind, config)
    return sum(alarms(item.of(kind), rule.raise_at, rule.raise_after) for item in judged)


def _rule(kind: str, config: Config) -> Rule:
    return config.alerts.rule(kind)
