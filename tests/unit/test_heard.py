from dataclasses import dataclass

import msgspec
import numpy as np
import pytest
from moments import picture, sound, window

from monitor.align import Window
from monitor.heads import Head
from monitor.heard import CLASSES, KINDS, KNOWN, Heard
from monitor.messages import Embedding, Modality, pack
from monitor.yamnet import BANDS, FFT, HIGHEST_HZ, LOWEST_HZ, bands
from workers.reasons import Listening


def heard() -> Heard:
    """Each class is told by a number of its own."""
    head = Head(CLASSES, np.eye(len(CLASSES), 1024, dtype=np.float32), np.zeros(len(CLASSES), np.float32))
    return Heard(head, (1.0, -2.0), "ears")


def like(number: int, *classes: str) -> Embedding:
    vector = np.full(1024, -9.0, np.float32)
    vector[[CLASSES.index(name) for name in classes]] = 4.0
    return Embedding(**{name: getattr(sound(number), name) for name in Embedding.__struct_fields__} | {"vector": pack(vector)})


def said(*sounds: Embedding) -> dict[str, float]:
    return dict(zip(KINDS, heard().probabilities([window(7, [], list(sounds))])[0].tolist(), strict=True))


def test_a_kind_is_as_probable_as_its_most_probable_sound():
    probable = said(like(5), like(6, "Siren", "Cap gun"), like(7))
    assert probable["siren"] == probable["gun_shot"] == pytest.approx(1 / (1 + np.exp(-2)), rel=1e-3)
    assert max(probable[kind] for kind in KINDS if kind not in ("siren", "gun_shot")) < 0.001


def test_where_nothing_is_heard_nothing_is_probable():
    assert set(said().values()) == {0.0}


def test_singing_crowds_and_playing_children_are_no_speech():
    assert heard().speaks(window(7, [], [like(7, "Speech")]))
    assert heard().speaks(window(7, [], [like(7, "Siren"), like(7, "Yell")]))
    assert not heard().speaks(window(7, [], [like(7, "Screaming")]))
    assert not heard().speaks(window(7, [], []))


def test_a_sound_that_begins_after_the_window_is_not_heard():
    assert said(like(8, "Siren"))["siren"] == 0


def test_what_a_sound_was_told_by_is_remembered_and_not_for_ever():
    ears = heard()
    vectors = np.zeros((KNOWN + 3, 1024), np.float32)
    vectors[:, -2:] = np.stack(divmod(np.arange(KNOWN + 3), 100), axis=1)  # every sound is another one
    vectors[:, : len(CLASSES)] = np.random.default_rng(0).normal(0, 4, (KNOWN + 3, len(CLASSES)))
    windows = [window(7, [], [msgspec.structs.replace(sound(7), vector=pack(vector))]) for vector in vectors]
    first = ears.probabilities(windows)
    assert len(ears._known) == KNOWN
    np.testing.assert_array_equal(ears.probabilities(windows), first)
    np.testing.assert_array_equal(ears.probabilities(windows[::-1])[::-1], first)


@dataclass
class Network:
    """Stands in for the fusion network: someone cries, and someone fights."""

    kinds = ("fight", "crying", "aggression")
    name = "network"
    crying: float = 0.8

    def probabilities(self, windows: list[Window]) -> np.ndarray:
        return np.array([[0.3 * bool(each.pictures), *(p * bool(each.sounds) for p in (self.crying, 0.9))] for each in windows])

    at_once = probabilities


@pytest.mark.parametrize("network", [0.8, 0.98])
def test_what_both_know_is_the_mean_of_their_log_odds_yamnet_s_three_times(network):
    listening = Listening(Network(crying=network), heard())
    (judged,) = listening([window(7, [picture(7)], [like(6, "Siren"), like(7, "Whimper")])])
    assert tuple(one.kind for one in judged) == listening.kinds
    assert listening.kinds == ("fight", "crying", "aggression", "gun_shot", "siren", "scream", "glass_break", "fire")
    found = {one.kind: one for one in judged}
    assert found["fight"].probability == 0.3
    assert found["crying"].probability == pytest.approx(1 / (1 + np.exp(-(np.log(network / (1 - network)) + 3 * 2) / 4)), rel=1e-3)
    assert found["crying"].parts[Modality.SOUND] == pytest.approx(found["crying"].probability)
    assert found["siren"].parts == {Modality.SOUND: pytest.approx(found["siren"].probability)}


def test_music_that_the_network_takes_for_crying_is_none():
    (judged,) = Listening(Network(crying=0.99), heard())([window(7, [], [like(7)])])
    assert judged[1].probability < 0.01


def test_where_nobody_speaks_nobody_is_angry():
    listening = Listening(Network(), heard())
    silent, spoken = listening([window(7, [], [like(7, "Siren")]), window(7, [], [like(7, "Shout")])])
    assert silent[2].probability == pytest.approx(1e-4)
    assert spoken[2].probability == 0.9


def test_that_the_network_is_certain_does_not_outweigh_what_yamnet_hears():
    certain, sure = (Listening(Network(crying=p), heard())([window(7, [], [like(7)])])[0][1].probability for p in (0.9999, 0.99))
    assert certain == sure


def test_what_the_network_can_not_know_is_not_made_probable():
    (judged,) = Listening(Network(crying=0.0), heard())([window(7, [], [like(7, "Whimper")])])
    assert judged[1].probability == 0


def test_each_modality_s_part_is_its_shapley_value_of_what_counts_in_the_end():
    listening = Listening(Network(crying=0.6), heard())
    (judged,) = listening([window(7, [picture(7)], [like(7, "Whimper", "Speech")])])
    assert {one.kind: [*one.parts] for one in judged} == {
        "fight": [Modality.PICTURE],
        **{kind: [Modality.SOUND] for kind in listening.kinds[1:]},
    }
    assert all(sum(one.parts.values()) == pytest.approx(one.probability) for one in judged)


def test_a_window_in_which_nothing_is_probable_is_not_taken_apart():
    (judged,) = Listening(Network(), None)([window(7, [], [])])
    assert not any(one.parts for one in judged)


def test_without_ears_the_network_judges_alone():
    listening = Listening(Network(), None)
    assert listening.kinds == ("fight", "crying", "aggression")
    assert [one.kind for one in listening([window(7, [], [])])[0]] == ["fight", "crying", "aggression"]


def test_the_bands_are_triangles_between_their_limits():
    made = bands()
    hertz = np.linspace(0, 8000, FFT // 2 + 1)
    assert made.shape == (FFT // 2 + 1, BANDS)
    assert not made[(hertz <= LOWEST_HZ) | (hertz >= HIGHEST_HZ)].any()
    assert made.max() <= 1
    assert (np.diff(made.argmax(0)) >= 0).all()
