"""Which class a window of a scene teaches, and that the head for tone reads both of what is heard."""

from __future__ import annotations

import numpy as np

from monitor.layers import WIDTH
from monitor.prosody import NUMBERS, POOLED
from monitor.tone import CALM, CLASSES, NONE, TENSE, of_kinds
from workers.training.bank import Span, Tokens, Track, gather
from workers.training.voices import felt, fit_voices, recipe, windows

SECONDS = 8
HEARD = 2 * WIDTH + NUMBERS


def labels(*spans: Span) -> list[str]:
    """Of a scene's windows: they begin after 0, 2 and 4 seconds, and last four."""
    track = Track(name="scene", label="scene", group="", fold=1, variant=1, spans=spans)
    tokens = Tokens(np.arange(SECONDS, dtype=np.float32), np.zeros((SECONDS, HEARD), np.float32))
    found = windows([gather([(track, tokens)])])
    assert found.features.shape[1] == WIDTH + POOLED
    assert (found.folds == 1).all()
    return list(found.labels)


def test_without_a_voice_there_is_none():
    assert labels() == [NONE] * 3


def test_a_voice_is_heard_in_the_windows_that_hold_enough_of_it():
    assert labels(Span(CALM, 0.0, 3.5)) == [CALM, CALM, NONE]


def test_tension_goes_before_calm():
    assert labels(Span(CALM, 0.0, 8.0), Span(TENSE, 6.5, 8.0)) == [CALM, CALM, TENSE]
    assert labels(Span(CALM, 0.0, 8.0), Span(TENSE, 5.5, 7.0)) == [CALM, TENSE]  # half a second of it teaches neither


def test_too_little_of_a_voice_teaches_nothing():
    assert labels(Span(TENSE, 0.0, 0.5)) == [NONE, NONE]
    assert labels(Span(CALM, 7.5, 8.0)) == [NONE, NONE]


def test_a_recording_teaches_what_it_is():
    track = Track(name="emotion/emodb/03a01Wa.opus", label="emotion:anger", group="03", fold=2)
    tokens = Tokens(np.arange(3, dtype=np.float32), np.zeros((3, HEARD), np.float32))
    assert windows([gather([(track, tokens)])]).labels == ("tense anger",)


def test_a_scene_tells_a_feeling_where_there_is_but_one_of_the_kind():
    assert felt(["tense anger", "calm joy", "calm grief", TENSE, CALM, NONE]) == (
        *("tense anger", "calm joy", "calm grief", "tense anger"),
        *(CALM, NONE),
    )


def test_one_feeling_may_lie_between_two_others():
    """The layers' numbers tell anger, which lies between joy and grief: one border, around both, can't. Prosody's tell nothing."""
    rng = np.random.default_rng(0)
    centres = {"tense anger": 0.0, "calm joy": 6.0, "calm grief": -6.0}
    names = [name for name in centres for _ in range(40)]
    places = np.array([centres[name] for name in names])
    values = np.column_stack([places + rng.normal(size=120), rng.normal(size=(120, POOLED))]).astype(np.float32)
    said = of_kinds(fit_voices(values, names), values)
    tense = [CLASSES[int(kind)] == TENSE for kind in said.argmax(1)]
    assert np.mean([found == name.startswith(TENSE) for found, name in zip(tense, names, strict=True)]) > 0.85
    np.testing.assert_allclose(np.exp(said).sum(1), 1, rtol=1e-6)


def test_the_card_tells_how_both_are_weighed():
    assert recipe().keys() == {"decay_layers", "decay_prosody", "weight_prosody"}
