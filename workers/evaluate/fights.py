"""`scenewatch eval fights`: are two seconds of surveillance a fight, by a scene that taught nothing, by picture, by sound, by both.

Size, frame rate, compression and loudness are made alike first (`workers.training.clips`), for they differ by class.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from rich.progress import track

from monitor.errors import SourceError
from monitor.hearing import sound_encoder
from monitor.moving import pooled
from workers.evaluate import Task
from workers.evaluate.interval import with_interval
from workers.evaluate.nested import Candidate, Examples, HeldOut, Numbers, Rows, boosting, cross_validated, linear, reduced, trees
from workers.training.bank import Bank
from workers.training.clips import GROUPS, clip_bank, voice_bank
from workers.training.figures import area_under_roc, average_precision
from workers.training.rows import Row, labelled

FOLDER: Final = "violence/fight_surv"
FEWEST: Final = 4
"""Scenes of each label, below which nothing is said."""
SEEDS: Final = (0, 1, 2)

SEEN: Final = ("motion", "flow", "people")
PICTURE: Final = (
    *(Candidate(name=f"linear_flow_{c}", groups=("flow",), make=partial(linear, c)) for c in (0.02, 0.2, 1.0)),
    *(Candidate(name=f"linear_motion_flow_{c}", groups=("motion", "flow"), make=partial(linear, c)) for c in (0.02, 0.2)),
    *(Candidate(name=f"linear_all_{c}", groups=SEEN, make=partial(linear, c)) for c in (0.02, 0.2)),
)
"""What an inner cross-validation chooses from, anew for each fold.

The list itself was drawn up after a look at these clips (flow told most), so on them the figure is a development figure.
"""
BESIDE: Final = (
    *(Candidate(name=f"linear_{group}", groups=(group,), make=partial(linear, 0.2)) for group in (*SEEN, "closeup")),
    Candidate(name="linear_motion_closeup", groups=("motion", "closeup"), make=partial(linear, 0.2)),
    Candidate(name="reduced_place", groups=("place",), make=reduced),
    Candidate(name="trees_all", groups=SEEN, make=trees),
    Candidate(name="boosting_all", groups=SEEN, make=boosting),
)
"""Told beside it, for comparison: what each group of features is worth by itself (`place` is what the action looks like), and trees."""
SOUND: Final = (
    Candidate(name="reduced", groups=("sound",), make=reduced),
    Candidate(name="linear", groups=("sound",), make=partial(linear, 1e-4)),
)


def fights(task: Task) -> dict[str, float]:
    """Average precision by picture, by sound where there is some, and by both; bounds by the bootstrap over scenes."""
    folder = task.of or FOLDER
    rows = _labelled(task.data, folder)
    seen = _examples(rows, pooled_pictures(clip_bank(rows, task.config.models, track)))
    picture = cross_validated(seen, PICTURE, track, SEEDS)
    figures = {
        "clips": float(len(rows)),
        "scenes": float(len(set(seen.groups))),
        "fight_share": float(seen.truth.mean()),
        **_figures("picture", seen, picture.logits, np.arange(len(rows))),
        **{f"picture_chose_{name.replace('.', '_')}": float(count) for name, count in picture.chosen.items()},
        **_beside(seen),
    }
    voices = voice_bank(rows, sound_encoder(task.config.models), track)
    return figures if voices is None else {**figures, **_with_sound(folder, rows, seen, picture, voices)}


def _labelled(data: Path, folder: str) -> tuple[Row, ...]:
    """The set's clips. Raises SourceError where there are too few to say anything."""
    rows = labelled(data, folder)
    for label in (True, False):
        scenes = {row.group for row in rows if (row.label == "fight") == label}
        if len(scenes) < FEWEST:
            raise SourceError(f"{data / folder} has {len(scenes)} scenes {'with' if label else 'without'} a fight, {FEWEST} are needed.")
    return rows


def _examples(rows: Sequence[Row], features: dict[str, Numbers]) -> Examples:
    return Examples(features, np.array([row.label == "fight" for row in rows], np.intp), [row.group for row in rows])


def pooled_pictures(bank: Bank) -> dict[str, Numbers]:
    """Each clip's numbers over its pictures, by group: mean, deviation and quantiles; and the mean of its embeddings."""
    motion = [bank.tokens(item).motion for item in bank.tracks]
    values = [bank.tokens(item).values for item in bank.tracks]
    numbers = [np.zeros((1, 0)) if row is None else row for row in motion]
    return {
        **{name: np.stack([pooled(row[:, columns]) for row in numbers]) for name, columns in GROUPS.items()},
        "place": np.stack([np.asarray(row, np.float64).mean(axis=0) for row in values]),
    }


def pooled_sounds(bank: Bank) -> Numbers:
    """Mean, deviation and maximum of each clip's sound tokens."""
    tokens = [np.asarray(bank.tokens(item).values, np.float64) for item in bank.tracks]
    return np.stack([np.concatenate([row.mean(axis=0), row.std(axis=0), row.max(axis=0)]) for row in tokens])


def _beside(seen: Examples) -> dict[str, float]:
    """Average precision of each of BESIDE, by one cross-validation without any choice."""
    held = {item.name: cross_validated(seen, [item], track) for item in BESIDE}
    return {f"ap_{name}_alone": average_precision(seen.truth, item.logits) for name, item in held.items()}


def _with_sound(folder: str, rows: Sequence[Row], seen: Examples, picture: HeldOut, voices: Bank) -> dict[str, float]:
    """By sound, and by the sum of both log odds; where there is no sound, the picture's alone."""
    places = {row.name: number for number, row in enumerate(rows)}
    there: Rows = np.array([places[item.name] for item in voices.tracks], np.intp)
    heard = Examples({"sound": pooled_sounds(voices)}, seen.truth[there], [seen.groups[int(number)] for number in there])
    if any(len({heard.groups[n] for n in np.flatnonzero(heard.truth == label).tolist()}) < FEWEST for label in (0, 1)):
        sys.stderr.write(f"{folder}: fewer than {FEWEST} scenes of each label have sound: nothing is said of it\n")
        return {}
    sound = cross_validated(heard, SOUND, track, SEEDS)
    both = picture.logits.copy()
    both[there] += sound.logits
    return {
        "clips_heard": float(len(there)),
        "fight_share_heard": float(heard.truth.mean()),
        **_figures("sound", heard, sound.logits, np.arange(len(there))),
        **_figures("picture_heard", seen, picture.logits, there),
        **_figures("both_heard", seen, both, there),
        **_figures("both", seen, both, np.arange(len(rows))),
    }


def _figures(name: str, examples: Examples, logits: Numbers, rows: Rows) -> dict[str, float]:
    """Average precision with its bounds, area under the ROC curve, and accuracy at even odds, of some examples."""
    truth, said = examples.truth[rows], logits[rows]
    groups = [examples.groups[int(number)] for number in rows]
    return {
        **with_interval(f"ap_{name}", lambda drawn: average_precision(truth[drawn], said[drawn]), groups),
        f"auc_{name}": area_under_roc(truth, said),
        f"accuracy_{name}": float(((said > 0) == truth).mean()),
    }
