"""`scenewatch eval normality`: what is unusual for a camera, found without labels, and how often ordinary footage is called so."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final

from rich.progress import track

from monitor import config
from monitor.align import Aligner, Window
from monitor.bus import Record
from monitor.capture import Capture
from monitor.config import Camera, Config
from monitor.decide import Decider
from monitor.embedding import pictures
from monitor.errors import SourceError
from monitor.messages import Embedding, Frame, Mark, Message, Modality, Phase, Ref, Topic
from monitor.metrics import Metrics
from monitor.normality import KINDS, Normality
from monitor.scoring import score
from monitor.vision import PictureEncoder, picture_encoder
from workers.evaluate import Task
from workers.training.figures import area_under_roc

CLIP_FPS: Final = 10.0
"""The rate of Ped2's clips: every frame is judged, because every frame has its truth."""
PAUSE_S: Final = 8.0
"""Between two clips: averages begin anew."""

LEARN_SHARE: Final = 0.5
"""So much of a piece of footage is learned; the rest is judged."""
FOOTAGE: Final = ("vtest.avi", "intel_one_by_one.mp4", "traffic_video02.avi")


@dataclass(frozen=True, slots=True)
class Clip:
    """One clip of Ped2: its name, its embeddings at their place in the camera's life, and which frames are abnormal."""

    name: str
    items: tuple[Embedding, ...]
    abnormal: tuple[bool, ...]


def normality(task: Task) -> dict[str, float]:
    """Frame AUC on Ped2 (learned on its normal clips), and false alarms an hour on ordinary footage."""
    data, settings = task.data, task.config
    encoder = picture_encoder(settings.models)
    return {**_ped2(data / "vad" / "ucsd_ped2", settings, encoder), **_ordinary(data / "video", settings, encoder)}


def perceive(path: Path, camera: Camera, settings: Config, encoder: PictureEncoder) -> Iterator[Embedding | Mark]:
    """A file's pictures as the capture and encode stages would publish them, marks in their place."""
    capture = Capture("eval", camera.model_copy(update={"source": str(path), "sound": False}), settings.capture, Metrics(), fast=True)
    batch: list[Record[Message]] = []
    for offset, item in zip(count(), capture.items(), strict=False):
        if isinstance(item, Frame | Mark):
            batch.append(Record(message=item, ref=Ref(topic=Topic.VIDEO, partition=0, offset=offset)))
        if len(batch) >= 64:
            yield from pictures(encoder, batch).items
            batch = []
    yield from pictures(encoder, batch).items


def _ped2(folder: Path, settings: Config, encoder: PictureEncoder) -> dict[str, float]:
    clips = tuple(_clips(folder, settings, encoder))
    learned = [clip for clip in clips if clip.name.startswith("Train")]
    warm_up_s = sum(len(clip.items) for clip in learned) / CLIP_FPS
    usual = Normality(config.Normality(warm_up_s=warm_up_s - 0.5 / CLIP_FPS))
    truth: list[bool] = []
    odds: list[float] = []
    for clip in clips:
        judged = [_chance(usual, item) for item in track(clip.items, f"judging {clip.name}", transient=True)]
        if clip.name.startswith("Test"):
            truth += clip.abnormal
            odds += judged
    return {"ped2_auc": area_under_roc(truth, odds), "ped2_frames": float(len(truth))}


def _clips(folder: Path, settings: Config, encoder: PictureEncoder) -> Iterator[Clip]:
    truth: dict[str, list[bool]] = {}
    if not (folder / "gt_frames.csv").is_file():
        raise SourceError(f"{folder}: no gt_frames.csv. Say where UCSD Ped2 is with --data or SCENEWATCH_DATA")
    with (folder / "gt_frames.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            truth.setdefault(row["clip"], []).append(row["abnormal"] == "1")
    begin = 0.0
    names = sorted(truth, key=lambda name: (name.startswith("Test"), name))
    for name in track(names, "reading Ped2"):
        camera = Camera(source=name, fps=CLIP_FPS, starts_at=begin, decode="all")
        items = tuple(item for item in perceive(folder / f"{name}.mp4", camera, settings, encoder) if isinstance(item, Embedding))
        if len(items) != len(truth[name]):
            raise SourceError(f"{folder / name}.mp4: {len(items)} frames came out of it, the truth has {len(truth[name])}")
        yield Clip(name, items, tuple(truth[name]))
        begin += len(items) / CLIP_FPS + PAUSE_S


def _chance(usual: Normality, item: Embedding) -> float:
    """The probability that one new picture leaves its camera at."""
    window = Window(
        camera=item.camera,
        at=item.until - 4,
        until=item.until,
        captured=0.0,
        modalities=(Modality.PICTURE,),
        revision=0,
        final=True,
        pictures=(item,),
    )
    judgements, _ = usual.judge(window)
    return max((judgement.probability for judgement in judgements), default=0.0)


def _ordinary(folder: Path, settings: Config, encoder: PictureEncoder) -> dict[str, float]:
    """Learn the first half of each recording, then count what its second half raises with the default rule."""
    alarms, hours = 0, 0.0
    for name in track(FOOTAGE, "judging ordinary footage"):
        items = list(perceive(folder / name, Camera(source=name, starts_at=0.0), settings, encoder))
        seconds = max(item.until for item in items)
        alarms += _alarms(items, settings, seconds * LEARN_SHARE)
        hours += seconds * (1 - LEARN_SHARE) / 3600
    return {"ordinary_hours": hours, "false_alarms": float(alarms), "false_alarms_per_hour": alarms / hours}


def _alarms(items: Sequence[Embedding | Mark], settings: Config, warm_up_s: float) -> int:
    aligner, decider = Aligner(settings.fusion, live=False), Decider(settings.alerts)
    usual = Normality(settings.normality.model_copy(update={"warm_up_s": max(warm_up_s, 10.0)}))
    told = []
    for item in items:
        for window in aligner.push(item):
            judgements, learning = usual.judge(window)
            told += decider.score(score(window, (), judgements, learning=learning))
    return sum(alert.phase is Phase.NEW and alert.kind in KINDS.values() for alert in told)
