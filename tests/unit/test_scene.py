import math
from itertools import pairwise

import numpy as np
import pytest

from workers.scene import motion, room, story
from workers.scene.figures import ANKLE, LYING, SHIN, STANDING, THIGH, Stance, blend, dress, leg_angles, limbs, walking
from workers.scene.geometry import FAR, Box, Rays, Round, View, leave_box, meet_box, meet_round, normal_of_box
from workers.scene.render import covered
from workers.scene.sound import ALARM_HZ, alarm, ventilation
from workers.scene.voice import VOICE_HZ


def ray(origin, toward) -> Rays:
    return Rays(np.array(origin, np.float32)[:, None], np.array(toward, np.float32)[:, None])


def test_a_ray_meets_the_near_side_of_a_box_and_misses_what_is_behind_it():
    box = Box((-1, 4, 0), (1, 6, 2), 0)
    assert meet_box(ray((0, 0, 1), (0, 1, 0)), box)[0] == pytest.approx(4)
    assert meet_box(ray((0, 0, 1), (0, -1, 0)), box)[0] == FAR
    assert normal_of_box(np.array([[0.0], [4.0], [1.0]], np.float32), box)[:, 0].tolist() == [0, -1, 0]


def test_a_ray_inside_a_box_leaves_by_the_side_it_looks_at():
    distance, axis = leave_box(ray((0, 0, 1), (1, 0, 0)), Box((-1, -1, 0), (3, 1, 2), 0))
    assert (distance[0], axis[0]) == (pytest.approx(3), 0)


def test_an_upright_column_has_a_top_beyond_which_rays_pass():
    column = Round((0, 5, 1), (0.5, 0.5, 1), 0, upright=True)
    assert meet_round(ray((0, 0, 1), (0, 1, 0)), column)[0] == pytest.approx(4.5)
    assert meet_round(ray((0, 0, 2.5), (0, 1, 0)), column)[0] == FAR


def test_what_the_camera_projects_lies_on_the_ray_of_its_pixel():
    view = View((2.9, -0.6, 3.35), (-0.55, 7.0, 0.75), 64, 36, 43.0)
    place = view.rays((0, 0)).points(np.full(64 * 36, 7.0, np.float32))
    seen = view.project(place).reshape(3, 36, 64)
    assert seen[0, 10, 20] == pytest.approx(20.5, abs=0.01)
    assert seen[1, 10, 20] == pytest.approx(10.5, abs=0.01)


def test_the_empty_hall_has_bright_windows_and_a_floor():
    rng = np.random.default_rng(0)
    plate = room.photograph(room.build_room(rng), View((2.9, -0.6, 3.35), (-0.55, 7.0, 0.75), 64, 36, 43.0), rng, passes=1)
    light = plate.soft.mean(axis=-1)
    assert 0.3 < plate.floor.mean() < 0.8
    assert light[2:12, 1:8].max() > 3 * np.median(light)
    assert (plate.sun[plate.floor] > 0.1).any()


def test_a_foot_is_put_where_it_is_wanted():
    thigh, shin = leg_angles(0.53, 0.1, 0.0)
    forward = THIGH * math.sin(thigh) + SHIN * math.sin(shin)
    down = THIGH * math.cos(thigh) + SHIN * math.cos(shin)
    assert forward == pytest.approx(0.1, abs=1e-3)
    assert 0.53 - 0.01 - down == pytest.approx(ANKLE, abs=1e-3)


def test_half_a_stride_later_left_and_right_have_changed_places():
    one, other = walking(0.2, 0.7, 1.0), walking(0.7, 0.7, 1.0)
    assert one.thigh_left == pytest.approx(other.thigh_right)
    assert one.arm_right == pytest.approx(other.arm_left)


def test_a_posture_half_way_is_between_the_two():
    assert blend(STANDING, LYING, 0.5).lean == pytest.approx((STANDING.lean + LYING.lean) / 2)
    assert blend(STANDING, LYING, 2.0) == pytest.approx(LYING)


@pytest.mark.parametrize("pose", [STANDING, LYING, walking(0.3, 0.74, 1.0)])
def test_no_limb_is_under_the_floor_and_nobody_is_taller_than_he_is(pose):
    look = dress(np.random.default_rng(3))
    heights = [end[2] for limb in limbs(Stance(look, 0.0, 5.0, 1.0, pose)) for end in (limb.begin, limb.end)]
    assert min(heights) > -0.03
    assert max(heights) < look.height * 1.02


def walk(**fields) -> motion.Walk:
    track = motion.smooth_track([(0.0, 0.0), (0.0, 5.0), (3.0, 9.0)])
    return motion.Walk(dress(np.random.default_rng(1)), 10.0, track, 1.2, **fields)


def test_a_figure_is_there_while_it_walks_and_moves_on_without_a_jump():
    figure = walk(stop_at=4.0, stop_s=3.0)
    assert motion.stance(figure, 9.9) is None
    assert motion.stance(figure, figure.ends + 0.1) is None
    metres = [motion.travelled(figure, time)[0] for time in np.arange(10, figure.ends, 0.04)]
    assert min(np.diff(metres)) >= 0
    assert max(np.diff(metres)) <= 1.2 * 0.04 + 1e-6


def test_who_falls_lies_for_a_while_and_gets_up():
    figure = walk(stop_at=4.0, stop_s=10.0, falls=True)
    lean = [
        motion.stance(figure, figure.stops + after).pose.lean for after in (-1.0, motion.FALL_S + 5, motion.FALL_S + 10 + motion.RISE_S)
    ]
    assert lean[0] < 0.2
    assert lean[1] > 1.4
    assert lean[2] < 0.2


def test_feet_come_down_about_twice_a_second():
    steps = motion.footfalls(walk())
    assert 1.4 < (len(steps) - 1) / (steps[-1][0] - steps[0][0]) < 2.4


@pytest.mark.parametrize("seed", [11, 12])
def test_a_story_keeps_its_incidents_apart_and_nobody_walks_by_while_one_lies_there(seed):
    told = story.write_story(np.random.default_rng(seed))
    ordered = sorted(told.incidents, key=lambda incident: incident.at)
    assert all(later.at - earlier.until >= 8 for earlier, later in pairwise(ordered))
    fallen = next(incident for incident in ordered if incident.kinds == ("unusual_picture",))
    there = [sum(motion.stance(one, time) is not None for one in told.walks) for time in np.arange(fallen.at + 3, fallen.until - 3, 0.5)]
    assert set(there) == {1}
    assert max(sum(motion.stance(one, t) is not None for one in told.walks) for t in np.arange(0, story.DURATION_S, 1.0)) <= 5


def test_only_the_call_for_help_says_help():
    told = story.write_story(np.random.default_rng(5))
    assert ["help" in saying.text.lower() for saying in sorted(told.sayings, key=lambda s: s.at == story.HELP_AT)][-1]
    assert sum("help" in saying.text.lower() for saying in told.sayings) == 1


def test_the_alarm_sounds_at_its_pitch_in_threes():
    sound = alarm()
    spectrum = np.abs(np.fft.rfft(sound[:VOICE_HZ]))
    assert np.fft.rfftfreq(VOICE_HZ, 1 / VOICE_HZ)[spectrum.argmax()] == pytest.approx(ALARM_HZ, abs=5)
    loud = [np.abs(sound[int(t * VOICE_HZ) : int((t + 0.1) * VOICE_HZ)]).max() > 0.5 for t in (0.2, 0.7, 1.2, 1.7, 2.2, 2.7, 3.5)]
    assert loud == [True, False, True, False, True, False, False]


def test_the_hall_is_never_quite_silent():
    sound = ventilation(VOICE_HZ * 2, np.random.default_rng(0))
    assert 0.002 < sound.std() < 0.02


def test_the_lens_is_covered_only_when_it_should_be():
    assert covered(story.COVER_AT - 0.1) == 0
    assert covered(story.COVER_AT + 4) == 1
    assert covered(story.COVER_AT + story.COVER_S + 0.1) == 0
