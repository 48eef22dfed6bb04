import numpy as np
import pytest

from monitor.errors import ModelError
from workers.scene import sound, story
from workers.scene.figures import Stance, dress, walking
from workers.scene.geometry import View
from workers.scene.paint import make_studio, paint
from workers.scene.room import build_room, photograph
from workers.scene.voice import VOICE_HZ, Speaker, Voice

VIEW = View((2.9, -0.6, 3.35), (-0.55, 7.0, 0.75), 320, 180, 215.0)


@pytest.fixture(scope="module")
def studio():
    rng = np.random.default_rng(4)
    room = build_room(rng)
    return make_studio(room, VIEW, photograph(room, VIEW, rng, passes=1), rng)


def figure(x: float, y: float) -> Stance:
    return Stance(dress(np.random.default_rng(2)), x, y, -1.5, walking(0.2, 0.74, 1.0))


def test_a_figure_changes_the_picture_where_it_stands_and_the_same_seed_paints_the_same(studio):
    empty = paint(studio, [], np.random.default_rng(1)).astype(int)
    peopled = paint(studio, [figure(0.0, 7.0)], np.random.default_rng(1)).astype(int)
    again = paint(studio, [figure(0.0, 7.0)], np.random.default_rng(1)).astype(int)
    changed = np.abs(peopled - empty).max(axis=-1) > 25
    foot = VIEW.project(np.array([[0.0], [7.0], [0.9]], np.float32))[:2, 0].astype(int)
    assert np.array_equal(peopled, again)
    assert changed[foot[1], foot[0]]
    assert 0.002 < changed.mean() < 0.05


def test_a_wall_hides_who_is_behind_it(studio):
    empty = paint(studio, [], np.random.default_rng(1))
    assert np.array_equal(paint(studio, [figure(3.0, 16.0)], np.random.default_rng(1)), empty)


def test_a_covered_lens_sees_next_to_nothing(studio):
    dark = paint(studio, [], np.random.default_rng(1), covered=1.0)
    assert dark.mean() < 20


def test_a_voice_says_the_same_again_when_it_starts_afresh():
    first, again = (Speaker().say("Good morning.", Voice("en-us")) for _ in range(2))
    assert np.array_equal(first, again)
    assert 0.5 < len(first) / VOICE_HZ < 2
    assert 0.2 < np.abs(first).max() <= 1


@pytest.mark.parametrize("voice", [*story.VOICES, story.CALLER], ids=lambda voice: voice.name)
def test_every_voice_of_the_scene_speaks(voice):
    assert len(Speaker().say("The coffee here is good.", voice)) > VOICE_HZ


def test_a_voice_that_is_not_there_is_named():
    with pytest.raises(ModelError, match="tlh-x-nobody"):
        Speaker().say("Hello", Voice("tlh-x-nobody"))


def test_the_alarm_is_louder_than_what_is_ordinary_and_all_is_within_bounds():
    heard = sound.record(story.write_story(np.random.default_rng(6)), np.random.default_rng(6))
    assert len(heard) == int(story.DURATION_S * VOICE_HZ)
    assert np.abs(heard).max() < 1
    during = heard[int((story.ALARM_AT + 0.1) * VOICE_HZ) : int((story.ALARM_AT + 0.4) * VOICE_HZ)]
    assert during.std() > 10 * np.median(np.abs(heard))
