import cv2
import numpy as np
import pytest
from av.video.frame import VideoFrame

from monitor.errors import NotMediaError
from monitor.motion import COLUMNS, ROWS
from monitor.pictures import Shrinker, check_size, fit, jpeg, luma


def gradient(width: int, height: int) -> np.ndarray:
    """Gets brighter to the right and, less, downwards: uint8 [height, width, 3]."""
    grey = np.add.outer(np.linspace(0, 50, height), np.linspace(0, 200, width))
    return grey[..., None].repeat(3, axis=2).astype(np.uint8)


@pytest.mark.parametrize(
    "name", ["yuv420p", "yuvj420p", "nv12", "yuyv422", "rgb24", "bgra", "gray", "gray16le", "yuv420p10le", "yuv420p10be", "yuv444p"]
)
@pytest.mark.parametrize("size", [(640, 360), (318, 238), (33, 17), (1920, 1080)])
def test_luma_is_upright_and_right_in_every_pixel_format(name: str, size: tuple[int, int]) -> None:
    frame = VideoFrame.from_ndarray(gradient(*size), format="rgb24").reformat(format=name)
    grid = luma(frame)
    assert grid.shape == (ROWS, COLUMNS)
    assert grid.dtype == np.uint8
    middle = grid[:, COLUMNS // 2].astype(float)
    assert 80 < middle.mean() < 145
    assert np.ptp(grid[0].astype(float)) > 140
    assert 20 < np.ptp(middle) < 80


def test_pictures_are_never_enlarged_and_keep_their_proportions() -> None:
    assert fit(1920, 1080, 448, sideways=False) == (448, 252)
    assert fit(320, 240, 448, sideways=False) == (320, 240)
    assert fit(1080, 1920, 448, sideways=False) == (448, 796)
    assert fit(1920, 1080, 448, sideways=True) == (796, 448)
    assert fit(100, 8000, 448, sideways=False) == (11, 896)
    assert fit(8000, 1, 64, sideways=False) == (64, 2)


def test_pixels_become_square() -> None:
    frame = VideoFrame.from_ndarray(gradient(352, 576), format="rgb24")
    assert Shrinker(448)(frame, 2.18).shape == (336, 448, 3)


def test_a_sampled_picture_survives_as_jpeg_in_colour() -> None:
    image = np.zeros((90, 160, 3), np.uint8)
    image[..., 0] = 220
    frame = VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p")
    data = jpeg(Shrinker(448)(frame), 85)
    red = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[45, 80]
    assert red[2] > 190
    assert red[0] < 30


@pytest.mark.parametrize("size", [(10_000, 100), (100, 10_000), (8192, 8193)])
def test_huge_pictures_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(NotMediaError, match="let the camera send a smaller one"):
        check_size(*size)


def test_the_largest_allowed_picture_is_taken() -> None:
    check_size(8192, 8192)
