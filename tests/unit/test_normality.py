import time

import pytest
from moments import PICTURE, SETTINGS, picture, sound, window

from monitor.align import Window
from monitor.config import Normality as Settings
from monitor.messages import Sighting
from monitor.normality import LATER_S, Normality, covered


def run(pictures, sounds, settings: Settings = SETTINGS):
    """Each window's probabilities by kind, and whether it was learning."""
    normality = Normality(settings)
    told = []
    for index in range(max(len(pictures), len(sounds))):
        judgements, learning = normality.judge(window(index, pictures, sounds))
        told.append(({one.kind: one.probability for one in judgements}, learning))
    return told


def test_nothing_is_judged_until_enough_was_seen_and_heard():
    told = run([picture(i) for i in range(140)], [sound(i) for i in range(140)])
    assert all(learning and not judged for judged, learning in told[:119])
    assert all(not learning and set(judged) == {"unusual_picture", "unusual_sound"} for judged, learning in told[120:])


def test_what_goes_on_as_before_is_ordinary():
    told = run([picture(i) for i in range(240)], [sound(i) for i in range(240)])
    assert max(judged[kind] for judged, _ in told[120:] for kind in judged) < 0.5


def test_something_new_that_stays_is_unusual_in_the_picture_and_not_in_the_sound():
    pictures = [picture(i, 20.0 if i >= 160 else 0.0) for i in range(180)]
    judged, _ = run(pictures, [sound(i) for i in range(180)])[-1]
    assert judged["unusual_picture"] > 0.95
    assert judged["unusual_sound"] < 0.5


def test_an_unheard_sound_is_unusual_in_the_sound_and_not_in_the_picture():
    sounds = [sound(i, 3.0 if i >= 160 else 0.0) for i in range(175)]
    judged, _ = run([picture(i) for i in range(175)], sounds)[-1]
    assert judged["unusual_sound"] > 0.95
    assert judged["unusual_picture"] < 0.5


def test_an_incident_does_not_teach_that_it_is_usual_while_it_lasts():
    pictures = [picture(i, 20.0 if i >= 160 else 0.0) for i in range(700)]
    told = run(pictures, [])
    assert min(judged["unusual_picture"] for judged, _ in told[175:]) > 0.9


def test_what_has_come_to_stay_is_usual_after_a_while():
    last = 160 + int(LATER_S * 2) + 60
    told = run([picture(i, 20.0 if i >= 160 else 0.0) for i in range(last)], [])
    assert told[-1][0]["unusual_picture"] < 0.5


def test_a_camera_without_sound_learns_its_picture_alone():
    normality = Normality(SETTINGS)
    pictures = [picture(i) for i in range(130)]
    for index in range(130):
        seen = window(index, pictures, [])
        seen = Window(**{name: getattr(seen, name) for name in Window.__slots__} | {"modalities": (PICTURE,)})
        judgements, learning = normality.judge(seen)
    assert not learning
    assert [one.kind for one in judgements] == ["unusual_picture"]
    assert set(judgements[0].parts) == {PICTURE}


def test_the_same_windows_are_judged_the_same():
    pictures, sounds = [picture(i) for i in range(150)], [sound(i) for i in range(150)]
    assert run(pictures, sounds) == run(pictures, sounds)


def test_an_embedding_counts_once_however_many_windows_hold_it():
    pictures, sounds = [picture(i) for i in range(140)], [sound(i) for i in range(140)]
    normality = Normality(SETTINGS)
    for index in range(139):
        normality.judge(window(index, pictures, sounds))
    assert normality.judge(window(138, pictures, sounds)) == normality.judge(window(138, pictures, sounds))


def test_after_a_hole_in_the_stream_averages_begin_anew():
    pictures = [picture(i) for i in range(130)] + [picture(i, 20.0) for i in range(1000, 1002)]
    normality = Normality(SETTINGS)
    for index, one in enumerate(pictures):
        judgements, _ = normality.judge(window(index, pictures, []) if one.at < 100 else window(int(one.at * 2), [one], []))
    assert judgements == () or judgements[0].probability < 0.5


@pytest.mark.timeout(60)
def test_a_window_costs_a_few_milliseconds_at_most():
    normality = Normality(Settings(warm_up_s=60))
    pictures, sounds = [picture(i) for i in range(200)], [sound(i) for i in range(200)]
    for index in range(150):
        normality.judge(window(index, pictures, sounds))
    begun = time.process_time()
    for index in range(150, 200):
        normality.judge(window(index, pictures, sounds))
    assert (time.process_time() - begun) / 50 < 0.02


def someone(confidence: float, track: int) -> Sighting:
    return Sighting(label="person", confidence=confidence, box=(0.0, 0.0, 0.3, 0.2), track=track)


def test_only_who_is_followed_and_sure_to_be_there_answers_for_a_place():
    assert covered([someone(0.9, 1)]).reshape(7, 7)[:2, :3].all()
    assert covered([someone(0.9, 1)]).sum() == 6
    assert not covered([someone(0.9, 0), someone(0.2, 1)]).any()
