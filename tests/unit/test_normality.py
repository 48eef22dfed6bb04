import time
from collections.abc import Iterable, Iterator
from dataclasses import replace as with_

import numpy as np
import pytest
from moments import PICTURE, SETTINGS, picture, sound, window
from msgspec.structs import replace

from monitor.align import Window
from monitor.config import Normality as Settings
from monitor.drift import ACCEPTED_S, TOLD_S
from monitor.messages import Embedding, Modality, Sighting, floats, pack
from monitor.normality import DRIFT, LATER_S, Lane, Normality
from monitor.novelty import CHANNELS, PLACES, Heard
from monitor.watchers import Moment, covered


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


def moved(index: int) -> Embedding:
    """The same camera looks elsewhere."""
    return replace(picture(index), grid=pack(floats(picture(index).grid).reshape(PLACES, CHANNELS)[::-1]))


def lived(pictures: Iterable[Embedding], normality: Normality | None = None) -> list[tuple[bool, bool]]:
    """After each picture, whether drift is told, and whether it is learning."""
    normality = normality or Normality(SETTINGS)
    said = []
    for item in pictures:
        judgements, learning = normality.judge(seen(item))
        said.append((any(one.kind == DRIFT for one in judgements), learning))
    return said


def seen(item: Embedding) -> Window:
    return with_(window(0, [item], []), at=item.until - 4, until=item.until, modalities=(PICTURE,))


def looks(*stretches: tuple[int, bool]) -> Iterator[Embedding]:
    """Stretches of so many pictures, two a second, as the camera looked at first or as it was moved."""
    index = 0
    for count, elsewhere in stretches:
        for index in range(index, index + count):  # noqa: B020 - it goes on from stretch to stretch
            yield moved(index) if elsewhere else picture(index)
        index += 1


def test_a_camera_that_was_moved_is_told_and_learned_anew():
    said = lived(looks((600, False), (2600, True)))
    told = [index for index, (drifted, _) in enumerate(said) if drifted]
    assert 600 + 2 * TOLD_S <= told[0] < 600 + 2 * TOLD_S + 60
    learning = [index for index, (_, learns) in enumerate(said) if learns and index > 600]
    assert 600 + 2 * ACCEPTED_S <= learning[0] < 600 + 2 * ACCEPTED_S + 60
    assert told == list(range(told[0], learning[-1] + 1))  # told until it is known anew
    assert len(learning) <= 2 * SETTINGS.warm_up_s + 2


def test_what_happens_in_a_few_places_is_no_drift_however_long():
    assert not any(drifted for drifted, _ in lived(picture(i, 20.0 if i >= 600 else 0.0) for i in range(2400)))


def test_a_covered_lens_is_no_drift():
    blank = pack(np.zeros((PLACES, CHANNELS)))
    said = lived(replace(picture(i), grid=blank) if i >= 600 else picture(i) for i in range(2400))
    assert not any(drifted for drifted, _ in said)


def test_a_crowd_that_fills_the_picture_is_no_drift():
    stirred = pack(np.full(32, 1.0))
    said = lived(replace(moved(i), motion=stirred) if i >= 600 else picture(i) for i in range(2400))
    assert not any(drifted for drifted, _ in said)


def test_a_view_that_was_known_is_gone_back_to_without_a_word():
    normality = Normality(SETTINGS)
    lived(looks((600, False), (2600, True)), normality)
    said = lived((picture(index) for index in range(3300, 3900)), normality)
    assert not any(drifted or learns for drifted, learns in said)
    judgements, _ = normality.judge(seen(picture(3900)))
    assert {one.kind: one.probability for one in judgements}["unusual_picture"] < 0.5


def test_days_teach_at_what_hours_a_score_is_rare():
    class Scored:
        """A watcher of given scores, high at noon alone."""

        def judge(self, item: Embedding) -> Moment:
            noon = 11 <= item.at % 86_400 / 3600 < 13
            return Moment(item.at, (1e-3,), (float(noon),), (noon,), Heard(np.zeros(1, np.float32), 1.0, item.at))

        def measure(self, moment: Moment) -> None: ...
        def learn(self, moment: Moment) -> None: ...
        def restart(self) -> None: ...

    lane, item = Lane(Modality.SOUND, 10, 50, seconds=10, watcher=Scored()), sound(0)
    for second in np.arange(86_400, 2 * 86_400 + 1800, 5.0).tolist():
        lane.take([replace(item, at=second, until=second + 5)])
        if second < 2 * 86_400:
            assert lane.ways == (1e-3,)  # as long as no day is over
    assert lane.ways == (pytest.approx(2e-3),)  # after midnight
