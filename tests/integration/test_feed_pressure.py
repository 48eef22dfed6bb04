"""What is taken under pressure: pictures and sound go into a camera's feed, and everything is counted."""

from __future__ import annotations

from collections import Counter

import av
import numpy as np
import pytest

from monitor.config import Camera, Capture
from monitor.feed import Feed, Item
from monitor.messages import SOUND_HZ, Frame, Mark, Modality, Sound, State
from monitor.pressure import Step, Valve


class Camera25:
    """A camera with 25 frames a second, a key frame every second, of which two frames a second are sampled."""

    def __init__(self, step: Step) -> None:
        self.valve = Valve(step)
        self.left_out: Counter[Modality] = Counter()
        self.items: list[Item] = []
        self.frame = 0
        self.feed = Feed("a", Camera(source="x", fps=2), Capture(), valve=self.valve, left_out=self._left_out)
        self.feed.begin(0, (Modality.PICTURE, Modality.SOUND), 1.0)

    def _left_out(self, modality: Modality, seconds: float) -> None:
        self.left_out[modality] += 1 if modality is Modality.PICTURE else seconds

    def play(self, frames: int) -> None:
        """As a player does: what is not decoded is told all the same."""
        for _ in range(frames):
            at, key = self.frame / 25, self.frame % 25 == 0
            if self.valve.step >= Step.NO_PICTURE or (self.valve.step is Step.KEY and not key):
                self.items += self.feed.undecoded(at - 0.08, at, at)  # told in decoding order, which is behind
            else:
                picture = av.VideoFrame.from_ndarray(np.full((36, 64, 3), self.frame % 200, np.uint8), format="rgb24").reformat(
                    format="yuv420p"
                )
                self.items += self.feed.picture(picture, at, at)
            self.items += self.feed.sound(np.ones(SOUND_HZ // 25, np.int16), at, at)
            self.frame += 1

    def end(self) -> float:
        """End the clip; where the next one will begin."""
        self.items += self.feed.close(self.frame / 25)
        return self.feed.end

    @property
    def frames(self) -> list[Frame]:
        return [item for item in self.items if isinstance(item, Frame)]

    @property
    def heard_s(self) -> float:
        return sum(item.until - item.at for item in self.items if isinstance(item, Sound))


def watched(step: Step, seconds: int = 16) -> Camera25:
    camera = Camera25(step)
    camera.play(seconds * 25)
    return camera


def test_without_pressure_everything_is_taken() -> None:
    camera = watched(Step.ALL)
    assert len(camera.frames) == 32
    assert camera.heard_s in {15.5, 16}
    assert not camera.left_out


def test_half_of_the_frames() -> None:
    camera = watched(Step.HALF)
    assert len(camera.frames) == 16
    assert camera.left_out == {Modality.PICTURE: 16}


def test_key_frames_only_are_a_quarter_at_most() -> None:
    camera = watched(Step.KEY)
    assert [frame.at for frame in camera.frames] == [2, 4, 6, 8, 10, 12, 14]
    assert len(camera.frames) + camera.left_out[Modality.PICTURE] in {31, 32}


def test_picture_off_leaves_sound_and_says_how_far_the_picture_is() -> None:
    camera = watched(Step.NO_PICTURE)
    assert not camera.frames
    assert camera.left_out[Modality.PICTURE] in {31, 32}
    assert camera.heard_s >= 15.5
    marks = [item.until for item in camera.items if isinstance(item, Mark) and item.modality is Modality.PICTURE]
    assert marks == sorted(marks)
    assert marks[-1] >= 15


def test_with_the_picture_off_its_time_passes_at_once() -> None:
    camera = Camera25(Step.NO_PICTURE)
    for _ in range(200):
        camera.play(1)
        at = camera.frame / 25 - 0.04
        passed = [item.until for item in camera.items if isinstance(item, Mark) and item.modality is Modality.PICTURE]
        assert max(passed, default=0.0) >= at - 0.1, "windows wait for a picture that nobody takes"


def test_nothing_at_all_is_counted_too() -> None:
    camera = watched(Step.NOTHING)
    assert not camera.frames
    assert camera.heard_s == 0
    assert camera.left_out[Modality.SOUND] >= 15.5


def test_time_never_falls_and_all_comes_back() -> None:
    camera = Camera25(Step.ALL)
    for step in (Step.HALF, Step.KEY, Step.NO_PICTURE, Step.NOTHING, Step.NO_PICTURE, Step.KEY, Step.HALF, Step.ALL):
        camera.valve.step = step
        camera.play(100)
    before = len(camera.frames)
    camera.play(100)
    assert len(camera.frames) == before + 8
    for modality, kind in ((Modality.PICTURE, Frame), (Modality.SOUND, Sound)):
        promised = 0.0
        for item in camera.items:
            if isinstance(item, kind) or (isinstance(item, Mark) and item.modality is modality):
                assert item.at >= promised - 1e-6
                promised = item.until
    assert len(camera.frames) + camera.left_out[Modality.PICTURE] == 72


@pytest.mark.parametrize("frames", range(51, 76, 3))
@pytest.mark.parametrize("step", [Step.HALF, Step.KEY, Step.NO_PICTURE])
def test_a_clip_ends_where_it_ends_however_little_of_it_was_taken(step: Step, frames: int) -> None:
    whole, pressed = Camera25(Step.ALL), Camera25(step)
    whole.play(frames)
    pressed.play(frames)
    assert pressed.end() == whole.end()
    assert len(pressed.frames) + pressed.left_out[Modality.PICTURE] == len(whole.frames)


@pytest.mark.parametrize("step", [Step.ALL, Step.KEY, Step.NO_PICTURE, Step.NOTHING])
def test_a_camera_that_comes_back_is_not_stalled_whatever_is_taken_of_it(step: Step) -> None:
    camera = watched(step, seconds=2)
    camera.feed.state(2.0, 2.0, State.STALLED)
    camera.feed.begin(2.0, (Modality.PICTURE, Modality.SOUND), 1.0)
    camera.play(50)
    assert State.STALLED not in camera.feed.states
