"""Reasons of the real networks, on real pictures, sounds and words."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from monitor import config
from monitor.align import Window
from monitor.explain import Explainer, Spoken
from monitor.fusion import Fusion
from monitor.heard import Heard
from monitor.hearing import sound_encoder
from monitor.intent import KINDS, Intent
from monitor.language import text_encoder
from monitor.messages import Embedding, Judgement, Modality, Reasons, Score, Transcript, Word, pack
from monitor.tone import Tone
from workers.evaluate.fusion import windows_of
from workers.reasons import Beside, Listening, Reasoned
from workers.training.bank import Track
from workers.training.rows import trainable
from workers.training.sounds import heard, samples_of

DATA = Path(os.environ.get("SCENEWATCH_DATA", "../shared/data"))
MODELS = config.Models(threads=1)
SAID = "I was in the kitchen please help me somebody please call the police"


@pytest.fixture(scope="module")
def fusion() -> Fusion:
    return Fusion.load(MODELS)


@pytest.fixture(scope="module")
def judges(fusion: Fusion) -> Reasoned:
    listening, meaning = Listening(fusion, Heard.load()), Intent.load(Tone.load())
    spoken = Spoken(meaning.probabilities, tuple(KINDS))
    explain = Explainer(listening.probabilities, listening.kinds, text_encoder(MODELS), spoken)
    return Reasoned(Beside([listening, meaning]), lambda: None, explain=explain)


def window(**holds: tuple[Embedding, ...]) -> Window:
    return Window(
        camera="hall", at=0, until=4, captured=4, modalities=tuple(Modality), revision=1 if "texts" in holds else 0, final=True, **holds
    )


def said(text: str) -> Embedding:
    words = tuple(Word(text=f" {word}", at=n * 0.3, until=n * 0.3 + 0.3, probability=0.9) for n, word in enumerate(text.split()))
    times = {"camera": "hall", "at": 0.0, "until": 3.9, "captured": 4.0, "modalities": tuple(Modality)}
    transcript = Transcript(**times, text=text, language="en", confidence=1, no_speech=0, words=words)
    read = text_encoder(MODELS).features([text])
    vector, layers = pack(read.vectors[0]), pack(read.layers[0])
    return Embedding(**times, modality=Modality.TEXT, vector=vector, grid=layers, transcript=transcript)


def explained(judges: Reasoned, each: Window, kind: str) -> tuple[Judgement, Reasons]:
    judges.forget(each.camera)  # what was just explained is not explained again
    (made,) = judges([each])
    assert isinstance(made, Score)
    found = next(judgement for judgement in made.judgements if judgement.kind == kind)
    assert found.reasons is not None, found
    return found, found.reasons


def test_the_words_that_call_for_help_are_those_that_matter(judges: Reasoned) -> None:
    _, reasons = explained(judges, window(texts=(said(SAID),)), "distress")
    shares = {word.text.strip(): word.share for word in reasons.words}
    assert max(shares, key=lambda word: shares[word]) in {"help", "please", "somebody", "police"}
    assert reasons.text.startswith("Said, most of all “")
    assert (reasons.heat, reasons.sounds) == ((), ())


@pytest.mark.parametrize(
    ("text", "kind", "matter"),
    [
        ("the shop is closed now open the till or I will shoot you", "threat", {"shoot", "or", "will", "you", "I"}),
        (SAID, "call_for_help", {"help", "please", "somebody", "police", "call"}),
    ],
)
def test_the_words_that_are_meant_are_those_that_matter(judges: Reasoned, text: str, kind: str, matter: set[str]) -> None:
    found, reasons = explained(judges, window(texts=(said(text),)), kind)
    shares = {word.text.strip(): word.share for word in reasons.words}
    assert max(shares, key=lambda word: shares[word]) in matter
    assert reasons.text.startswith("Said, most of all “")
    assert found.probability > 0.3


def test_the_same_window_has_the_same_reasons(judges: Reasoned) -> None:
    each = window(texts=(said(SAID),))
    assert explained(judges, each, "distress") == explained(judges, each, "distress")


def test_what_is_ordinary_has_no_reasons(judges: Reasoned) -> None:
    (made,) = judges([window(texts=(said("the meeting begins at ten in the large room"),))])
    assert isinstance(made, Score)
    assert all(judgement.reasons is None for judgement in made.judgements)


@pytest.mark.data
@pytest.mark.skipif(not (DATA / "sounds/esc10").is_dir(), reason=f"no sounds at {DATA} (SCENEWATCH_DATA)")
def test_the_moment_of_a_sound_is_found(judges: Reasoned, fusion: Fusion) -> None:
    for row in trainable(DATA, "sounds/esc10"):
        if row.label == "sound:baby_cry":
            each = heard_late(row.path)
            if Listening(fusion, Heard.load())([each])[0][fusion.kinds.index("crying")].probability > 0.8:
                break
    else:
        pytest.skip("no recording of this set is surely heard as crying")
    found, reasons = explained(judges, each, "crying")
    assert found.parts.keys() == {Modality.SOUND}
    assert reasons.sounds
    assert min(share.at for share in reasons.sounds if share.share > 0) >= 1.0
    assert reasons.text.startswith("Heard, most of all")


def heard_late(path: Path) -> Window:
    """Two seconds of silence, then two of a recording."""
    samples = np.concatenate([np.zeros(32_000, np.float32), samples_of(path)[:32_000]])
    tokens, track = heard(samples, sound_encoder(MODELS)), Track(name="hall", label="", group="", fold=0, duration=4.0)
    return list(windows_of(track, tokens, Modality.SOUND))[-1]
