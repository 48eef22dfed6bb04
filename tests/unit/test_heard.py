import numpy as np
import pytest
from moments import sound, window

from monitor.heads import Head
from monitor.heard import CLASSES, SOUNDS, Heard
from monitor.messages import Embedding, Modality, floats, pack
from monitor.yamnet import BANDS, FFT, HIGHEST_HZ, LOWEST_HZ, bands

KINDS = tuple(SOUNDS)


def heard(kinds: tuple[str, ...] = KINDS) -> Heard:
    """Each class is told by a number of its own."""
    return Heard(
        Head(CLASSES, np.eye(len(CLASSES), 1024, dtype=np.float32), np.zeros(len(CLASSES), np.float32)), kinds, (1.0, -2.0), "test"
    )


def like(number: int, *classes: str) -> Embedding:
    vector = np.full(1024, -9.0, np.float32)
    vector[[CLASSES.index(name) for name in classes]] = 4.0
    return Embedding(**{name: getattr(sound(number), name) for name in Embedding.__struct_fields__} | {"vector": pack(vector)})


def test_a_kind_is_as_probable_as_its_most_probable_sound():
    (said,) = heard()([window(7, [], [like(5), like(6, "Siren", "Cap gun"), like(7)])])
    probable = {judgement.kind: judgement.probability for judgement in said}
    assert probable["siren"] == probable["gun_shot"] == pytest.approx(1 / (1 + np.exp(-2)), rel=1e-3)
    assert max(probable[kind] for kind in KINDS if kind not in ("siren", "gun_shot")) < 0.001
    assert all(judgement.parts == {Modality.SOUND: judgement.probability} for judgement in said)


def test_where_nothing_is_heard_nothing_is_probable():
    (said,) = heard()([window(7, [], [])])
    assert {(judgement.probability, len(judgement.parts)) for judgement in said} == {(0.0, 0)}


def test_a_sound_that_begins_after_the_window_is_not_heard():
    (said,) = heard(("siren",))([window(7, [], [like(8, "Siren")])])
    assert [judgement.probability for judgement in said] == [0.0]


def test_kinds_that_are_judged_elsewhere_are_left_out():
    assert Heard.load(("crying", "fire")).kinds == ("gun_shot", "siren", "scream", "glass_break")


def test_the_bands_are_triangles_between_their_limits():
    made = bands()
    hertz = np.linspace(0, 8000, FFT // 2 + 1)
    assert made.shape == (FFT // 2 + 1, BANDS)
    assert not made[(hertz <= LOWEST_HZ) | (hertz >= HIGHEST_HZ)].any()
    assert made.max() <= 1
    assert (np.diff(made.argmax(0)) >= 0).all()


def test_what_a_vector_holds_survives_the_bus():
    assert floats(like(1, "Siren").vector)[CLASSES.index("Siren")] == 4.0
