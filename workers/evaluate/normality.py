"""`scenewatch eval normality`: what is unusual for a camera, found without labels, and how often ordinary footage is called so.

`--set vad/NAME` takes a folder of clips: what is normal is learned from those whose names begin with Train or train_, and every frame of
those that begin with Test or test_ is judged as it comes, by what came before it alone; `gt_frames.csv` (clip, frame_index0, abnormal)
says which are abnormal.
"""

from __future__ import annotations

import csv
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from time import perf_counter
from typing import Final

import av
import numpy as np
import numpy.typing as npt
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
from monitor.sightings import Sightings
from monitor.tails import probability
from monitor.vision import PictureEncoder, picture_encoder
from monitor.watchers import GAP_S
from workers.encode import sightings_of
from workers.evaluate import Task
from workers.evaluate.interval import with_interval
from workers.training.figures import area_under_roc

PED2: Final = "vad/ucsd_ped2"
SUFFIXES: Final = frozenset({".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm"})
"""Of clips; what else lies beside them is none."""
FASTEST: Final = 30.0
"""Pictures a second: of faster clips not every frame is looked at, and one that was not is as the one before it."""
PAUSE_S: Final = 8.0
"""Between two clips: averages begin anew."""

LEARN_SHARE: Final = 0.5
"""So much of a piece of footage is learned; the rest is judged."""
FOOTAGE: Final = ("vtest.avi", "intel_one_by_one.mp4", "traffic_video02.avi")


@dataclass(frozen=True, slots=True)
class Eyes:
    """What looks at pictures, as the encode stage does."""

    encoder: PictureEncoder
    sightings: Sightings | None

    def __call__(self, path: Path, camera: Camera, settings: Config) -> Iterator[Embedding | Mark]:
        """A file's pictures as the capture and encode stages would publish them, marks in their place."""
        capture = Capture("eval", camera.model_copy(update={"source": str(path), "sound": False}), settings.capture, Metrics(), fast=True)
        for offset, item in zip(count(), capture.items(), strict=False):
            if isinstance(item, Frame | Mark):
                record: Record[Message] = Record(message=item, ref=Ref(topic=Topic.VIDEO, partition=0, offset=offset))
                yield from pictures(self.encoder, [record], sightings=self.sightings).items


@dataclass(frozen=True, slots=True)
class Clip:
    """One clip of a set, and where it lies in the camera's life."""

    path: Path
    rate: float
    """Frames a second."""
    frames: int
    begin: float

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.frames / self.rate


@dataclass(frozen=True, slots=True)
class Judged:
    """The frames of a clip as they were judged, in their order."""

    clip: str
    rate: float
    ways: tuple[tuple[float, ...], ...]
    """The odds of each way to be unusual, as `monitor.watchers.PictureWatcher` has them."""
    abnormal: tuple[bool | None, ...]
    """None where the truth says nothing."""


def normality(task: Task) -> dict[str, float]:
    """Frame AUC of a set of clips; without `--set` of UCSD Ped2, and beside it false alarms an hour on ordinary footage.

    Raises SourceError where there is nothing to measure it on.
    """
    eyes = Eyes(picture_encoder(task.config.models), sightings_of(task.config.models))
    clips, footage = task.data / (task.of or PED2), task.data / "video"
    figures: dict[str, float] = {}
    if task.of or (clips / "gt_frames.csv").is_file():
        figures |= _clips(clips, task.config, eyes)
    else:
        print(f"{clips}: no gt_frames.csv, so frame AUC is left out", file=sys.stderr)  # noqa: T201
    if not task.of:
        figures |= _ordinary(footage, task.config, eyes)
    if not figures:
        raise SourceError(f"{task.data}: neither {PED2} nor video is there. Say where the data is with --data or SCENEWATCH_DATA")
    return figures


def _clips(folder: Path, settings: Config, eyes: Eyes) -> dict[str, float]:
    truth = _truth(folder)
    clips = _found(folder)
    learned = [clip for clip in clips if _is(clip, "train")]
    tested = [clip for clip in clips if _is(clip, "test") and clip.path.stem in truth]
    if not tested:
        raise SourceError(f"{folder / 'gt_frames.csv'}: it names none of the clips that begin with Test or test_")
    usual = Normality(config.Normality(warm_up_s=max(_warm_up_s(learned), 10.0)))
    for clip in track(learned, f"learning {folder.name}"):
        _judge(usual, clip, eyes, settings, {})
    begun = perf_counter()
    judged = [_judge(usual, clip, eyes, settings, truth[clip.path.stem]) for clip in track(tested, f"judging {folder.name}")]
    seconds = perf_counter() - begun
    raise_at = settings.alerts.rule(KINDS[Modality.PICTURE]).raise_at
    return {
        **_areas(judged),
        "fps": sum(len(one.ways) for one in judged) / seconds,
        **_delays(judged, raise_at),
    }


def _areas(judged: Sequence[Judged]) -> dict[str, float]:
    """Pooled frame AUC of all ways together, with its interval over clips, of the grid alone and of people and things alone."""
    known = [
        (one.clip, bool(abnormal), ways)
        for one in judged
        for abnormal, ways in zip(one.abnormal, one.ways, strict=True)
        if abnormal is not None
    ]
    names, truth = [clip for clip, _, _ in known], np.array([abnormal for _, abnormal, _ in known])
    ways = np.array([each for _, _, each in known])
    fused = ways.sum(axis=1)
    figures = with_interval("auc", lambda rows: _area(truth[rows], fused[rows]), names)
    figures["auc_grid"] = area_under_roc(truth, ways[:, :2].sum(axis=1))
    figures["auc_objects"] = area_under_roc(truth, ways[:, 2])
    figures["frames"] = float(len(truth))
    return figures


def _area(truth: npt.NDArray[np.bool_], odds: npt.NDArray[np.float64]) -> float:
    """Area under the ROC curve; NaN for a draw of clips that are all normal or all abnormal."""
    return area_under_roc(truth, odds) if truth.any() and not truth.all() else math.nan


def _delays(judged: Sequence[Judged], raise_at: float) -> dict[str, float]:
    """How long after its begin an abnormal stretch is as probable as an alert has to be, and how often what is normal is."""
    delays: list[float] = []
    alarmed: list[bool] = []
    for one in judged:
        over = [probability(sum(ways)) >= raise_at for ways in one.ways]
        alarmed += [is_over for is_over, abnormal in zip(over, one.abnormal, strict=True) if abnormal is False]
        for first, last in _stretches(one.abnormal):
            delays.append(next((frame - first for frame in range(first, last) if over[frame]), math.inf) / one.rate)
    found = [delay for delay in delays if math.isfinite(delay)]
    return {
        **({"delay_s": float(np.median(found))} if found else {}),
        "stretches": float(len(delays)),
        "stretches_missed": float(len(delays) - len(found)),
        **({"normal_frames_over": float(np.mean(alarmed))} if alarmed else {}),
    }


def _stretches(abnormal: Sequence[bool | None]) -> Iterator[tuple[int, int]]:
    """Begin and end of the frames in a row that are abnormal."""
    begin = None
    for frame, is_abnormal in enumerate([*abnormal, False]):
        if is_abnormal and begin is None:
            begin = frame
        elif not is_abnormal and begin is not None:
            yield begin, frame
            begin = None


def _truth(folder: Path) -> dict[str, dict[int, bool]]:
    """By clip and frame, whether it is abnormal."""
    if not (folder / "gt_frames.csv").is_file():
        raise SourceError(f"{folder}: no gt_frames.csv. Say where the set is with --data or SCENEWATCH_DATA, and its name with --set")
    truth: dict[str, dict[int, bool]] = {}
    with (folder / "gt_frames.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            truth.setdefault(row["clip"], {})[int(row["frame_index0"])] = row["abnormal"] == "1"
    return truth


def _found(folder: Path) -> list[Clip]:
    """The clips of a folder, those to learn from first, at their places in the life of one camera."""
    paths = [path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES]
    clips: list[Clip] = []
    begin = 0.0
    for part in ("train", "test"):
        named = sorted(path for path in paths if path.name.lower().startswith(part))
        if not named:
            raise SourceError(f"{folder}: no clip's name begins with {part.capitalize()}, nor with {part}_")
        for path in named:
            clips.append(_clip(path, begin))
            begin += clips[-1].seconds + PAUSE_S
    return clips


def _clip(path: Path, begin: float) -> Clip:
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            frames = stream.frames or sum(1 for _ in container.decode(stream))
            return Clip(path, float(stream.average_rate or 25), frames, begin)
    except (av.FFmpegError, IndexError) as error:
        raise SourceError(f"{path}: this is no video: {error}") from error


def _is(clip: Clip, part: str) -> bool:
    return clip.path.name.lower().startswith(part)


def _warm_up_s(clips: Sequence[Clip]) -> float:
    """What normality takes clips to last: a pause counts as GAP_S, with the frame after it; half a frame less, so that it suffices."""
    return sum(clip.seconds for clip in clips) + sum(GAP_S - 1 / clip.rate for clip in clips[1:]) - 0.5 / clips[0].rate


def _judge(usual: Normality, clip: Clip, eyes: Eyes, settings: Config, truth: dict[int, bool]) -> Judged:
    """Show one clip to what has seen those before it; a frame is as unusual as the newest that was looked at by then."""
    camera = Camera(source=clip.path.name, fps=min(clip.rate, FASTEST), starts_at=clip.begin, decode="all")
    seen: dict[int, tuple[float, ...]] = {}
    for item in eyes(clip.path, camera, settings):
        if isinstance(item, Embedding):
            seen[round((item.at - clip.begin) * clip.rate)] = _ways(usual, item)
    last = max(truth, default=0)
    if not seen or max(seen) < last - 1:
        raise SourceError(f"{clip.path}: only {len(seen)} frames came out of it, the truth knows frame {last}")
    ways: list[tuple[float, ...]] = []
    for frame in range(max(last, *seen) + 1):
        ways.append(seen.get(frame, ways[-1] if ways else seen[min(seen)]))
    return Judged(clip.path.stem, clip.rate, tuple(ways), tuple(truth.get(frame) for frame in range(len(ways))))


def _ways(usual: Normality, item: Embedding) -> tuple[float, ...]:
    """The odds that one new picture leaves its camera at, by the ways to be unusual."""
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
    usual.judge(window)
    return usual.lanes[Modality.PICTURE].ways


def _ordinary(folder: Path, settings: Config, eyes: Eyes) -> dict[str, float]:
    """Learn the first half of each recording, then count what its second half raises with the default rule."""
    there = [folder / name for name in FOOTAGE if (folder / name).is_file()]
    for name in sorted(set(FOOTAGE) - {path.name for path in there}):
        print(f"{folder / name}: absent, so its false alarms are left out", file=sys.stderr)  # noqa: T201
    alarms, hours = 0, 0.0
    for path in track(there, "judging ordinary footage"):
        items = list(eyes(path, Camera(source=path.name, starts_at=0.0), settings))
        seconds = max(item.until for item in items)
        alarms += _alarms(items, settings, seconds * LEARN_SHARE)
        hours += seconds * (1 - LEARN_SHARE) / 3600
    return {"ordinary_hours": hours, "false_alarms": float(alarms), "false_alarms_per_hour": alarms / hours} if there else {}


def _alarms(items: Sequence[Embedding | Mark], settings: Config, warm_up_s: float) -> int:
    aligner, decider = Aligner(settings.fusion, live=False), Decider(settings.alerts)
    usual = Normality(settings.normality.model_copy(update={"warm_up_s": max(warm_up_s, 10.0)}))
    told = []
    for item in items:
        for window in aligner.push(item):
            judgements, learning = usual.judge(window)
            told += decider.score(score(window, (), judgements, learning=learning))
    return sum(alert.phase is Phase.NEW and alert.kind in KINDS.values() for alert in told)
