import numpy as np
import pytest

from monitor.errors import MessageError
from monitor.jpeg import decode_jpeg, encode_jpeg, jpeg_size
from monitor.vision import squeeze


def picture(width: int = 64, height: int = 48) -> np.ndarray:
    """Red on the left, blue on the right, brighter downwards."""
    image = np.zeros((height, width, 3), np.uint8)
    image[:, : width // 2, 0] = 200
    image[:, width // 2 :, 2] = 200
    return image


def with_size(jpeg: bytes, width: int, height: int) -> bytes:
    """The same file, whose header claims another size."""
    at = jpeg.index(b"\xff\xc0") + 5
    return jpeg[:at] + height.to_bytes(2) + width.to_bytes(2) + jpeg[at + 4 :]


def test_a_picture_comes_back_with_its_colours_in_order():
    image = decode_jpeg(encode_jpeg(picture(), 95))
    assert image.shape == (48, 64, 3)
    assert image.dtype == np.uint8
    assert image[20, 8, 0] > 180
    assert image[20, 8, 2] < 30
    assert image[20, 56, 2] > 180


def test_higher_quality_takes_more_bytes():
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    assert len(encode_jpeg(noise, 95)) > len(encode_jpeg(noise, 40))


def test_size_is_read_from_the_header():
    assert jpeg_size(encode_jpeg(picture(320, 200))) == (320, 200)


def test_a_picture_over_the_limit_is_refused_before_it_is_decoded():
    with pytest.raises(MessageError, match="10000x10000 pixels is over the limit of 40 million"):
        decode_jpeg(with_size(encode_jpeg(picture()), 10_000, 10_000))


def test_a_picture_ten_thousand_pixels_wide_is_read():
    assert decode_jpeg(encode_jpeg(np.zeros((100, 10_000, 3), np.uint8))).shape == (100, 10_000, 3)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "Not a JPEG"),
        (b"\x89PNG\r\n\x1a\n", "Not a JPEG"),
        (b"\xff\xd8\xff\xd9", "without a frame header"),
        (b"\xff\xd8" + b"\xff" * 50, "without a frame header"),
        (b"\xff\xd8\xff\xe0\x00\x00", "without a frame header"),
    ],
)
def test_what_is_no_jpeg_is_refused(data: bytes, says: str):
    with pytest.raises(MessageError, match=says):
        decode_jpeg(data)


def test_a_picture_that_is_cut_short_is_refused():
    jpeg = encode_jpeg(picture())
    with pytest.raises(MessageError, match="cut short"):
        decode_jpeg(jpeg[:-30])


def test_a_picture_without_pixels_is_refused():
    with pytest.raises(MessageError):
        decode_jpeg(with_size(encode_jpeg(picture()), 0, 0))


def test_bytes_behind_the_end_marker_do_no_harm():
    assert decode_jpeg(encode_jpeg(picture()) + b"\0" * 7).shape == (48, 64, 3)


def test_the_whole_picture_is_squeezed_not_cropped():
    square = squeeze(picture(800, 200))
    assert square.shape == (224, 224, 3)
    assert square[100, 2, 0] == 200
    assert square[100, 221, 2] == 200
