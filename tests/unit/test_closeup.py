"""The liveliest part of the picture."""

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from monitor.closeup import CLOSEUP, COLUMNS, NOISE, ROWS, WHOLE, Closeup, changes, liveliest
from monitor.config import Camera, Capture
from monitor.feed import Feed
from monitor.messages import Frame, Modality, floats

HZ = 12


def scene(at: float, size: int = 8, place: tuple[int, int] = (30, 100)) -> np.ndarray:
    """A grey place in which a square of that many points shakes from side to side."""
    luma = np.full((ROWS, COLUMNS), 100, np.uint8)
    top, left = place[0], place[1] + round(3 * np.sin(20 * at))
    luma[top : top + size, left : left + size] = 220
    return luma


def seen(lumas: list[np.ndarray], hz: float = HZ, sampled: int | None = None) -> np.ndarray:
    """The numbers at the end of frames, with a sample before at that frame."""
    closeup = Closeup()
    for number, luma in enumerate(lumas):
        closeup.push(number / hz, luma)
        if number == sampled:
            closeup.take()
    return floats(closeup.take())


def test_what_moves_is_looked_at_closely_wherever_it_is():
    for place in ((10, 10), (30, 100), (100, 140)):
        numbers = seen([scene(n / HZ, place=place) for n in range(HZ + 1)])
        assert numbers[16] == 0.25  # the smallest square holds it
        assert numbers[19:] == pytest.approx([(place[1] + 4) / COLUMNS, (place[0] + 4) / ROWS], abs=0.1)
    small, large = (seen([scene(n / HZ, size) for n in range(HZ + 1)]) for size in (6, 12))
    assert large[0] > small[0] > 0
    assert seen([scene(n / HZ, 100, (5, 20)) for n in range(HZ + 1)])[16] > 0.25


def test_where_nothing_moves_there_is_no_movement():
    noise = np.random.default_rng(0).integers(0, NOISE, (HZ, ROWS, COLUMNS)).astype(np.uint8)
    numbers = seen([100 + each for each in noise])
    assert numbers[16] == pytest.approx(WHOLE, abs=1e-3)
    assert numbers[17:19].tolist() == [0, 0]


def test_a_cut_is_no_movement():
    before, after = [scene(n / HZ) for n in range(HZ // 2)], [scene(n / HZ) // 2 for n in range(HZ // 2)]
    assert seen([*before, *after])[16] == 0.25


def test_what_is_not_measured_is_zero():
    assert not seen([]).any()
    assert not seen([scene(0)]).any()
    assert not seen([scene(0), scene(1)], hz=0.1).any()  # ten seconds apart
    closeup = Closeup()
    closeup.push(5.0, scene(0))
    closeup.push(4.0, scene(1))
    assert not floats(closeup.take()).any()  # the clock went back


def test_no_more_than_a_second_is_kept_while_nobody_takes_anything():
    closeup = Closeup()
    for number in range(60 * HZ):
        closeup.push(number / HZ, scene(number / HZ))
    assert len(closeup._frames) <= HZ + 1


def test_only_what_came_since_the_last_sample_counts():
    still, moving = [scene(0)] * HZ, [scene(n / HZ) for n in range(HZ)]
    assert seen([*moving[:6], *still[:6]], sampled=6)[0] < seen([*still[:6], *moving[:6]], sampled=6)[0]


@given(arrays(np.uint8, (3, ROWS, COLUMNS), elements=st.integers(0, 255)))
def test_the_square_lies_in_the_picture(lumas: np.ndarray):
    where = liveliest(changes(lumas))
    assert 0 <= where.top <= where.top + where.rows <= ROWS
    assert 0 <= where.left <= where.left + where.columns <= COLUMNS
    assert 0 <= where.held <= 1.001


def test_a_camera_gives_it_with_each_sample():
    feed = Feed("hall", Camera(source="hall.mp4", fps=2), Capture())
    feed.begin(0, (Modality.PICTURE,), 1.0)
    frames = []
    for number in range(3 * HZ):
        picture = np.repeat(np.repeat(scene(number / HZ), 2, 0), 2, 1)
        frame = av.VideoFrame.from_ndarray(np.repeat(picture[..., None], 3, 2), "bgr24").reformat(format="yuv420p")
        frames += [item for item in feed.picture(frame, number / HZ, 0.0) if isinstance(item, Frame)]
    numbers = floats(frames[-1].closeup)
    assert numbers.shape == (CLOSEUP,)
    assert numbers[16] == 0.25
    assert not floats(frames[0].closeup).any()
