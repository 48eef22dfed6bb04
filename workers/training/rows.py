"""Which files may teach, and which of them belong together: no scene, speaker or recording is on both sides of a fold."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final

from monitor.errors import SourceError

FOLDS: Final = 4

ESC_KINDS: Final = {"sound:fire_crackling": "fire", "sound:baby_cry": "crying"}
FOOTAGE: Final = ("vtest", "intel_one_by_one", "traffic_video02", "furg_house6")
"""Long pictures in which nobody fights; of the burning house only the picture is read, and it teaches no fire: one scene can't."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A file of the data."""

    path: Path
    name: str
    """Relative to the data folder."""
    label: str
    group: str
    """Scene, speaker, reader or fold: what must not be split."""
    fold: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """A line of sentences.csv."""

    text: str
    distress: bool
    family: str
    language: str
    fold: int


def trainable(data: Path, folder: str) -> tuple[Row, ...]:
    """The files of a folder whose licence lets weights trained on them be shipped (`use` is train+eval), with their folds."""
    found = [
        row
        for row in _manifest(data)
        if row["path"].startswith(f"{folder}/") and row["use"] == "train+eval" and row["modality"] != "annotation"
    ]
    groups = {row["path"]: _group(row["path"]) for row in found}
    folds = _folds(folder, found, groups)
    return tuple(
        Row(path=data / row["path"], name=row["path"], label=row["label"], group=groups[row["path"]], fold=folds[groups[row["path"]]])
        for row in found
    )


def held_out(data: Path, folder: str) -> tuple[Row, ...]:
    """The files of a folder that must not teach (`use` is eval): what the shipped weights are judged on."""
    found = [row for row in _recorded(data, folder) if row["use"] == "eval"]
    return tuple(Row(path=data / row["path"], name=row["path"], label=row["label"], group=Path(row["path"]).stem, fold=-1) for row in found)


def labelled(data: Path, folder: str) -> tuple[Row, ...]:
    """All videos and sounds of a folder, whatever their licence: what an evaluation may cross-validate on. No folds are dealt."""
    found = _recorded(data, folder)
    return tuple(Row(path=data / row["path"], name=row["path"], label=row["label"], group=_group(row["path"]), fold=-1) for row in found)


def recordings(data: Path, folder: str) -> tuple[Row, ...]:
    """The files of a folder, whatever their use: for evaluations that cross-validate, whose heads are thrown away."""
    found = [*trainable(data, folder), *held_out(data, folder)]
    return tuple(sorted(found, key=lambda row: row.name))


def lines_of(name: str) -> list[dict[str, str]]:
    """The lines of a table that lies beside this file."""
    with files("workers.training").joinpath(name).open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def sentences() -> tuple[Sentence, ...]:
    """The project's own sentences; families of phrases are dealt to the folds in turn, each label by itself."""
    lines = lines_of("sentences.csv")
    dealt: Counter[str] = Counter()
    folds: dict[str, int] = {}
    for line in lines:
        if line["family"] not in folds:
            folds[line["family"]] = dealt[line["label"]] % FOLDS
            dealt[line["label"]] += 1
    return tuple(
        Sentence(
            text=line["text"],
            distress=line["label"] == "distress",
            family=line["family"],
            language=line["language"],
            fold=folds[line["family"]],
        )
        for line in lines
    )


def _recorded(data: Path, folder: str) -> list[dict[str, str]]:
    """The manifest's lines of a folder's videos, pictures and sounds: not of what is said about them."""
    return [row for row in _manifest(data) if row["path"].startswith(f"{folder}/") and row["modality"] not in ("annotation", "mask")]


def _manifest(data: Path) -> list[dict[str, str]]:
    path = data / "manifest.csv"
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))
    except OSError as error:
        raise SourceError(
            f"{path} can't be read: {error.strerror}. Name the folder of the real data: --data DIR or SCENEWATCH_DATA."
        ) from error


def _group(name: str) -> str:
    """What a file must stay together with."""
    folder, stem = name.rsplit("/", 1)[0], Path(name).stem
    if folder.startswith("violence/"):
        return _scenes().get(name, name)
    if folder == "sounds/esc10":
        return stem[0]
    if folder == "emotion/emodb":
        return stem[:2]
    if folder == "speech/wer":
        return stem.split("-")[0][:4]
    return stem


def _scenes() -> dict[str, str]:
    """Scene by clip, told apart by eye: clips of one scene show the same place, or carry the same channel's mark."""
    return {line["path"]: line["scene"] for line in lines_of("scenes.csv")}


def _folds(folder: str, found: Iterable[dict[str, str]], groups: dict[str, str]) -> dict[str, int]:
    """Fold by group: ESC-10's own; elsewhere the largest group first, to the fold that holds least of its labels."""
    if folder == "sounds/esc10":
        return {group: int(group) - 1 for group in groups.values()}
    labels: dict[str, Counter[str]] = defaultdict(Counter)
    for row in found:
        labels[groups[row["path"]]][row["label"]] += 1
    held: list[Counter[str]] = [Counter() for _ in range(FOLDS)]
    folds = {}
    for group in sorted(labels, key=lambda name: (-labels[name].total(), name)):
        share = labels[group]
        folds[group] = min(
            range(FOLDS), key=lambda fold: (sum(held[fold][label] * count for label, count in share.items()), held[fold].total())
        )
        held[folds[group]] += share
    return folds
