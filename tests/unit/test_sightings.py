"""People and things from picture to picture, with a detector that finds what it was told to."""

from collections.abc import Collection, Sequence

import cv2
import numpy as np
import pytest

from monitor.jpeg import Image
from monitor.messages import Frame, Mark, Modality, Pose
from monitor.objects import KEY_POINTS, LOOK, Box, KeyPoint, Thing, look
from monitor.sightings import GAP_S, Sightings, by_points, by_shape, median_length

HEIGHT, WIDTH = 240, 360
NOISE = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 255, (HEIGHT, 2 * WIDTH), np.uint8), (0, 0), 3)
PERSON: Box = (0.4, 0.3, 0.5, 0.7)


class Told:
    """Finds the same things in every picture."""

    name = "told@1"

    def __init__(self, *things: Thing) -> None:
        self.things = list(things)

    def __call__(self, image: Image, threshold: float, kinds: Collection[str]) -> list[Thing]:
        return [thing for thing in self.things if thing.confidence > threshold and thing.label in kinds]


class Body:
    """A person whose body points in a direction."""

    def __init__(self, right: float, down: float) -> None:
        self.right, self.down = right, down
        self.asked = 0

    def __call__(self, image: Image, box: Box) -> tuple[KeyPoint, ...]:
        self.asked += 1
        reach = {"shoulder": -0.1, "hip": 0.1}
        ends = [reach.get(name.split()[-1], 0.0) for name in KEY_POINTS]
        return tuple(
            KeyPoint(name=name, x=0.5 + end * self.right * HEIGHT / WIDTH, y=0.5 + end * self.down, confidence=0.9)
            for name, end in zip(KEY_POINTS, ends, strict=True)
        )


def thing(label: str = "person", box: Box = PERSON, confidence: float = 0.9) -> Thing:
    return Thing(label=label, confidence=confidence, box=box)


def frame(at: float, camera: str = "hall") -> Frame:
    return Frame(
        camera=camera, at=at, until=at + 0.1, captured=at, modalities=(Modality.PICTURE,), seq=0, jpeg=b"", width=WIDTH, height=HEIGHT
    )


def shifted(pixels: int) -> Image:
    """A texture that has moved to the left."""
    return np.repeat(NOISE[:, pixels : pixels + WIDTH, None], 3, axis=2)


def speeds(sightings: Sightings, times: Sequence[float], step: int = 3) -> list[float | None]:
    return [sightings(frame(at), shifted(step * index))[0].speed for index, at in enumerate(times)]


def sightings(*things: Thing, body: Body | None = None) -> Sightings:
    return Sightings(Told(*things), body or Body(0.0, 1.0))


def test_speed_is_in_heights_of_the_picture_per_second_of_event_time():
    first, second, third = speeds(sightings(thing()), [0.0, 0.1, 0.3])
    assert first is None
    assert second == pytest.approx(3 / HEIGHT / 0.1, rel=0.1)
    assert third == pytest.approx(3 / HEIGHT / 0.2, rel=0.1)


def test_only_the_flow_within_a_box_counts_as_its_own():
    flow = np.full((10, 20, 2), 50, np.float32)
    flow[2:6, 4:8] = (3, 4)
    assert median_length(flow, (0.2, 0.2, 0.4, 0.6)) == 5
    assert median_length(flow, (1.0, 1.0, 1.0, 1.0)) == pytest.approx(50 * 2**0.5)


def test_after_a_gap_or_a_clock_that_was_set_back_no_speed_is_known():
    assert speeds(sightings(thing()), [0.0, GAP_S + 1]) == [None, None]
    assert speeds(sightings(thing()), [9.0, 1.0]) == [None, None]


def test_cameras_do_not_mix_and_an_ended_one_is_forgotten():
    seen = sightings(thing())
    seen(frame(0.0, "hall"), shifted(0))
    assert seen(frame(0.1, "door"), shifted(3))[0].speed is None
    assert seen(frame(0.1, "hall"), shifted(3))[0].speed is not None
    seen.passed(Mark(camera="hall", at=0.2, until=0.2, captured=0, modalities=(Modality.PICTURE,), modality=Modality.PICTURE, last=True))
    assert seen(frame(0.2, "hall"), shifted(6))[0].speed is None


def test_a_picture_that_is_only_remembered_is_what_speed_is_measured_from():
    seen = sightings(thing())
    seen.remember(frame(0.0), shifted(0))
    assert seen.needed("hall") == 0.0
    assert seen(frame(0.1), shifted(3))[0].speed == pytest.approx(3 / HEIGHT / 0.1, rel=0.1)
    assert seen.needed("hall") == 0.1


def test_the_last_picture_is_not_needed_for_ever():
    seen = sightings(thing())
    seen(frame(0.0), shifted(0))
    seen.passed(Mark(camera="hall", at=60, until=60, captured=0, modalities=(Modality.PICTURE,), modality=Modality.PICTURE))
    assert seen.needed("hall") == seen.needed("another") == float("inf")


def test_only_kinds_that_move_by_themselves_are_kept():
    found = sightings(thing(), thing("bench"), thing("car", confidence=0.25))(frame(0.0), shifted(0))
    assert [(each.label, each.track) for each in found] == [("person", 1), ("car", 0)]


def test_tracks_go_on_from_picture_to_picture():
    seen = sightings(thing())
    assert [seen(frame(at), shifted(0))[0].dwell_s for at in (0.0, 0.5, 1.0)] == [0.0, 0.5, 1.0]


@pytest.mark.parametrize(("width", "height", "pose"), [(20, 60, Pose.STANDING), (60, 20, Pose.LYING), (40, 40, None)])
def test_a_long_box_shows_how_its_person_is_held(width: float, height: float, pose: Pose | None):
    assert by_shape(width, height) is pose


@pytest.mark.parametrize(("body", "pose"), [(Body(0, 1), Pose.STANDING), (Body(1, 0), Pose.LYING), (Body(-1, -0.2), Pose.LYING)])
def test_shoulders_beside_the_hips_are_lying(body: Body, pose: Pose):
    assert by_points(body(shifted(0), PERSON), WIDTH / HEIGHT) is pose


def test_key_points_are_asked_for_only_where_the_box_does_not_show_it():
    body = Body(1, 0)
    square, small, upright = (0.2, 0.3, 0.5, 0.7), (0.2, 0.3, 0.25, 0.37), (0.1, 0.1, 0.2, 0.9)
    found = sightings(thing(box=square), thing(box=small), thing(box=upright), thing("car", square), body=body)(frame(0.0), shifted(0))
    assert [each.pose for each in found] == [Pose.LYING, None, Pose.STANDING, None]
    assert body.asked == 1


def test_a_look_is_the_mean_of_each_band_of_the_box():
    features = np.zeros((12, 10, 128), np.float32)
    features[:4], features[4:8], features[8:] = 1, 2, 3
    made = look(features, (0.0, 0.0, 1.0, 1.0)).reshape(-1, 128)
    assert made.shape == (LOOK // 128, 128)
    assert np.allclose(made, [[1], [2], [3]])
    assert look(features, (0.999, 0.999, 1.0, 1.0)).shape == (LOOK,)
