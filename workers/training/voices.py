"""Teaching the head that tells a tense voice, another voice, and none: windows of licensed recordings, by speaker.

As they are, and as a camera's microphone hears them: over an ambience, through some microphone, and for a part of the window only.
Synthetic voices are among the calm ones: they have no feelings, whatever they say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from monitor.heads import Head
from monitor.layers import VoiceEncoder
from monitor.messages import SOUND_HZ
from monitor.prosody import POOLED
from monitor.tone import CALM, CLASSES, NONE, TENSE, kind_of, of_kinds, pooled
from workers.training.bank import Bank, Tokens, Track, cached, gather
from workers.training.figures import area_under_roc, average_precision, calibration_error
from workers.training.layered import Features, layer_bank, layers_of
from workers.training.linear import Block, added, fit_head, logistic, spread
from workers.training.rows import ESC_KINDS, FOLDS, Row, sentences, trainable
from workers.training.sounds import Progress, Recording, made, of_any_species, samples_of, scene
from workers.training.spoken import TAUGHT, Said, speak

FOLDERS: Final = ("emotion/emodb", "speech/wer", "speech/diarization", "sounds/esc10")
FELT: Final = frozenset({"emotion:anger", "emotion:angry", "emotion:fear", "emotion:fearful", "emotion:anxiety"})
"""Labels of anger and fear in EmoDB and RAVDESS."""
SCENES: Final = 120
"""Of each fold."""
SPOKEN: Final = 20
"""Synthetic sentences of each fold."""
DRAWN: Final[Mapping[str, float]] = {TENSE: 0.3, CALM: 0.4, "": 0.3}
"""How often an event of a scene is what."""
ENOUGH_S: Final = 1.0
"""A window holds a voice from so much of it on; with less it teaches nothing."""
WINDOW: Final = 4
"""Tokens of a window, a second each."""
LAYERS: Final = Block(slice(0, -POOLED), decay=0.03)
"""What Whisper's layers hear."""
PROSODY: Final = Block(slice(-POOLED, None), decay=0.05, weight=0.7)
"""It carries over to other corpora."""
MOST: Final = 0.02
"""Share of the windows of other voices that may raise an alarm."""
THRESHOLDS: Final = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.97, 0.99)

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows to learn from [n]."""

    features: Features
    """[n, d]."""
    labels: tuple[str, ...]
    folds: npt.NDArray[np.int64]


def speaker_of(name: str) -> str:
    """Who speaks in a recording: in EmoDB the first two letters of its name, in RAVDESS the last field."""
    stem = Path(name).stem
    return stem.split("-")[-1] if "-" in stem else stem[:2]


def voice_banks(data: Path, encoder: VoiceEncoder, progress: Progress) -> dict[str, Bank]:
    """By folder: the licensed recordings."""
    rows = {folder: trainable(data, folder) for folder in FOLDERS}
    return {folder: layer_bank(folder, found, encoder, progress) for folder, found in rows.items() if found}


def known(data: Path, encoder: VoiceEncoder, seed: int, progress: Progress) -> Windows:
    """All windows that teach, out of the cache where they are there."""
    return windows([*voice_banks(data, encoder, progress).values(), scene_bank(data, encoder, seed, progress)])


def scene_bank(data: Path, encoder: VoiceEncoder, seed: int, progress: Progress) -> Bank:
    """The same recordings in scenes: when somebody speaks, and how, is in the tracks' spans."""
    rows = [row for folder in FOLDERS for row in trainable(data, folder)]
    key = [encoder.name, SCENES, SPOKEN, seed, [(row.name, row.path.stat().st_size) for row in rows]]
    return cached("voices-in-scenes", key, lambda: gather(_scenes(rows, encoder, seed, progress)))


def _scenes(rows: Sequence[Row], encoder: VoiceEncoder, seed: int, progress: Progress) -> Iterator[tuple[Track, Tokens]]:
    rng = np.random.default_rng([seed, 3])
    recordings = [*map(_recording, rows), *_synthetic(rng), *made(rng)]
    for number in progress(range(FOLDS * SCENES), "voices in scenes", FOLDS * SCENES):
        fold = number % FOLDS
        samples, spans = scene([item for item in recordings if item.row.fold == fold], rng, _pick)
        yield Track(name=f"voices-{number}", label="scene", group="", fold=fold, variant=1, spans=spans), layers_of(samples, encoder)


def _recording(row: Row) -> Recording:
    kind = kind_of(label_of(row.name, row.label))
    species = row.label if row.label.startswith(("sound:", "emotion:")) else "speech"
    background = kind == NONE and row.label not in ESC_KINDS
    return Recording(row, "" if kind == NONE else kind, species, background, samples_of(row.path)[: 30 * SOUND_HZ])


def _synthetic(rng: np.random.Generator) -> Iterator[Recording]:
    """Ordinary sentences that a synthesiser says."""
    ordinary = [line for line in sentences() if line.language == "en" and not line.distress]
    for fold in range(FOLDS):
        those = [line for line in ordinary if line.fold == fold][:SPOKEN]
        said = [Said(text=line.text, language=line.language) for line in those]
        for line, samples in zip(those, speak(said, TAUGHT, rng), strict=True):
            row = Row(path=Path(), name=f"spoken/{line.text}", label="spoken", group=line.family, fold=fold)
            yield Recording(row, CALM, "spoken", background=False, samples=samples)


def _pick(recordings: Sequence[Recording], rng: np.random.Generator) -> Recording:
    """An event: as often as is stated, and each species of these alike."""
    kind = str(rng.choice(list(DRAWN), p=list(DRAWN.values())))
    return of_any_species([item for item in recordings if item.kind == kind], rng)


def windows(banks: Sequence[Bank]) -> Windows:
    """Every other window of each recording; a short recording is one."""
    found = list(_windows(banks))
    labels = felt([label for _, label, _ in found])
    return Windows(np.stack([row for row, _, _ in found]), labels, np.array([fold for _, _, fold in found]))


def felt(labels: Sequence[str]) -> tuple[str, ...]:
    """Classes, of scenes too, which tell the kind alone: where only one feeling of a kind is known, it is that one."""
    feelings = {kind: sorted({label for label in labels if label != kind and kind_of(label) == kind}) for kind in CLASSES}
    return tuple(feelings[label][0] if len(feelings.get(label, ())) == 1 else label for label in labels)


def _windows(banks: Sequence[Bank]) -> Iterator[tuple[npt.NDArray[np.float32], str, int]]:
    for bank in banks:
        for track in bank.tracks:
            values = bank.tokens(track).values
            for at in range(0, max(1, len(values) - WINDOW + 1), WINDOW // 2):
                label = _heard_in(track, at) if track.variant else label_of(track.name, track.label)
                if label:
                    yield pooled(values[at : at + WINDOW]), label, track.fold


def _heard_in(track: Track, at: int) -> str:
    """The class of a scene's window of WINDOW seconds; empty where there is too little of a voice to say."""
    shares = [(span.kind, max(0.0, min(span.until, at + WINDOW) - max(span.at, at))) for span in track.spans]
    tense, calm = (sum(seconds for kind, seconds in shares if kind == name) for name in (TENSE, CALM))
    if tense >= ENOUGH_S:
        return TENSE
    if calm >= ENOUGH_S and not tense:
        return CALM
    return "" if tense or calm else NONE


def label_of(name: str, label: str) -> str:
    """The class of a recording: its kind, and what is felt where that is told."""
    if name.startswith("sounds/"):
        return NONE
    kind = TENSE if label in FELT else CALM
    _, _, feeling = label.partition("emotion:")
    return f"{kind} {feeling}" if feeling else kind


def teach(known: Windows, folds: frozenset[int]) -> Head:
    """A head from the windows of some folds."""
    rows = np.flatnonzero(np.isin(known.folds, sorted(folds)))
    return fit_voices(known.features[rows], [known.labels[n] for n in rows])


def fit_voices(values: Features, labels: Sequence[str], *, prosody: Block = PROSODY) -> Head:
    """Teach features [n, d] of voices: of what Whisper's layers hear every feeling, of prosody only the three CLASSES.

    Joy is nearer to anger than grief is: one border around all that is calm has to cut between, one for each feeling has not. Prosody is
    too few numbers for that. A class' log-odds are the sum of both, prosody's brought to the layers' spread among what taught them.
    """
    kinds = [kind_of(label) for label in labels]
    layers = fit_head(values[:, LAYERS.columns], labels, LAYERS.decay)
    melody = fit_head(values[:, prosody.columns], kinds, prosody.decay)
    of_kind = [kind_of(name) for name in layers.classes]
    even = np.log([of_kind.count(kind) for kind in of_kind])  # a kind is as heavy as another, of however many feelings
    layers = replace(layers, bias=(layers.bias - even).astype(np.float32))
    told = of_kinds(layers, values[:, LAYERS.columns])[:, [CLASSES.index(kind) for kind in melody.classes]]
    spreads = (spread(told), spread(melody.logits(values[:, prosody.columns])))
    rows = [melody.classes.index(kind) for kind in of_kind]
    of_each = Head(layers.classes, melody.weight[rows], melody.bias[rows])
    return added((layers, of_each), (LAYERS, prosody), spreads, values.shape[1])


def recipe() -> dict[str, float]:
    """How the head is taught, for its card."""
    return {"decay_layers": LAYERS.decay, "decay_prosody": PROSODY.decay, "weight_prosody": PROSODY.weight}


def held_out(known: Windows) -> Numbers:
    """Log-probabilities [n, 3] of CLASSES, each window's by a head that was not taught its fold."""
    said = np.zeros((len(known.labels), len(CLASSES)))
    for fold in range(FOLDS):
        rows = known.folds == fold
        if rows.any():
            said[rows] = of_kinds(teach(known, frozenset(range(FOLDS)) - {fold}), known.features[rows])
    return said


def calibrate(known: Windows, said: Numbers) -> tuple[float, ...]:
    """Slope and offset of tense against calm where somebody speaks, and how often a voice was tense there."""
    speech = _is(known, TENSE) | _is(known, CALM)
    truth = _is(known, TENSE)[speech]
    slope, offset = logistic(truth, (said[speech, :1] - said[speech, 1:2]))
    return slope, offset, float(truth.mean())


def figures(known: Windows, said: Numbers, calibration: tuple[float, ...]) -> dict[str, float]:
    """Of unseen speakers and recordings: ranking, calibration error, and where a rule could begin."""
    slope, offset, _ = calibration
    voices = np.exp(said[:, 2]) <= 0.5
    probable = np.where(voices, 1 / (1 + np.exp(-slope * (said[:, 0] - said[:, 1]) - offset)), 0.0)
    tense, calm, none = (_is(known, name) for name in CLASSES)
    speech = tense | calm
    raised = {at: float(np.mean(probable[~tense] >= at)) for at in THRESHOLDS}
    raise_at = next((at for at in THRESHOLDS if raised[at] <= MOST), THRESHOLDS[-1])
    return {
        "cv_tense_auc": area_under_roc(tense[speech], probable[speech]),
        "cv_tense_ap": average_precision(tense, probable),
        "cv_tense_recall": float((probable[tense] >= 0.5).mean() + (probable[calm] < 0.5).mean()) / 2,
        "cv_tense_calibration_error": calibration_error(tense[speech], probable[speech]),
        "cv_voice_found": float(voices[speech].mean()),
        "cv_voice_false": float(voices[none].mean()) if none.any() else 0.0,
        "cv_tense_voice_raise_at": raise_at,
        "cv_tense_voice_false": raised[raise_at],
        "cv_tense_voice_found": float(np.mean(probable[tense] >= raise_at)),
    }


def _is(known: Windows, name: str) -> npt.NDArray[np.bool_]:
    return np.array([kind_of(label) == name for label in known.labels])
