from __future__ import annotations

import numpy as np
import pytest
from av.video.frame import VideoFrame

from monitor.config import Camera, Capture
from monitor.feed import Feed
from monitor.flowfield import FLOW
from monitor.flowing import Flowing
from monitor.messages import Frame, Modality, floats
from monitor.motion import MOTION


def frame(shift: int, size: tuple[int, int] = (320, 240)) -> VideoFrame:
    """A texture that has moved so many points to the right."""
    rng = np.random.default_rng(0)
    width, height = size
    texture = np.kron(rng.integers(0, 255, (height // 16, width // 16)), np.ones((16, 16))).astype(np.uint8)
    return VideoFrame.from_ndarray(np.repeat(np.roll(texture, shift, axis=1)[..., None], 3, axis=2), format="rgb24").reformat(
        format="yuv420p"
    )


def numbers(*times: float, shift: int = 0) -> np.ndarray | None:
    flowing = Flowing()
    for number, at in enumerate(times):
        flowing.push(at, frame(number * shift))
    return flowing.take()


def test_three_frames_are_needed():
    assert numbers(0.0, 0.1) is None
    found = numbers(0.0, 0.1, 0.2)
    assert found is not None
    assert found.shape == (FLOW,)
    assert not found[:6].any()


def test_a_picture_that_moves_has_the_speed_of_its_frames():
    found = numbers(0.0, 0.1, 0.2, 0.3, shift=8)
    assert found is not None
    assert found[20] == pytest.approx(8 / 320 / 0.1, rel=0.15)


@pytest.mark.parametrize("times", [(0.0, 0.1, 0.6), (0.0, 0.1, 0.1), (5.0, 5.1, 0.0)])
def test_frames_that_do_not_follow_each_other_closely_are_not_compared(times: tuple[float, ...]):
    assert numbers(*times) is None


def test_a_high_picture_is_measured_too():
    flowing = Flowing()
    for number in range(3):
        flowing.push(number / 10, frame(0, (32, 640)))
    assert flowing.take() is not None


@pytest.mark.parametrize("flow", [True, False])
def test_a_camera_gives_its_flow_behind_its_motion_where_that_is_wanted(flow: bool):
    feed = Feed("c", Camera(source="-"), Capture(flow=flow))
    feed.begin(0.0, [Modality.PICTURE], 1.0)
    sampled = [item for number in range(20) for item in feed.picture(frame(number * 4), number / 12, 0.0) if isinstance(item, Frame)]
    assert len(floats(sampled[0].motion)) == MOTION  # nothing was before it
    later = floats(sampled[-1].motion)
    assert len(later) == MOTION + FLOW * flow
    if flow:
        assert later[MOTION + 20] == pytest.approx(4 * 12 / 320, rel=0.2)
