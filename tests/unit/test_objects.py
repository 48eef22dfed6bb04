import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from monitor.objects import (
    CELLS,
    CHANNELS,
    KEY_POINTS,
    KINDS,
    LABELS,
    MOST,
    SHAPES,
    WHOLE,
    Square,
    boxes_at,
    crop,
    decode,
    distinct,
    key_points,
    overlaps,
    peaks,
    shape_for,
    square_around,
    things,
)

PERSON, CAR = LABELS.index("person"), LABELS.index("car")


def heat(**cells: float) -> np.ndarray:
    """A heat map [80, 16, 32] with values at `kind_row_column`."""
    made = np.zeros((len(LABELS), 16, 32), np.float32)
    for place, value in cells.items():
        kind, row, column = place.split("_")
        made[LABELS.index(kind), int(row), int(column)] = value
    return made


def sides(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    return np.broadcast_to(np.array([left, top, right, bottom], np.float32)[:, None, None], (4, 16, 32)).copy()


def test_there_are_the_names_that_coco_has():
    assert len(LABELS) == len(set(LABELS)) == 80
    assert (LABELS[0], LABELS[2], LABELS[-1]) == ("person", "car", "toothbrush")
    assert len(KEY_POINTS) == 17


def test_what_is_looked_for_has_its_channels():
    assert [LABELS[channel] for channel in CHANNELS] == list(KINDS)
    found = things(heat(person_3_4=0.9, car_8_9=0.5)[list(CHANNELS)], sides(8, 8, 8, 8), 0.3, KINDS)
    assert [thing.label for thing in found] == ["person", "car"]


def test_the_shape_most_like_a_picture_is_taken_whatever_its_size():
    assert shape_for(np.zeros((360, 640, 3), np.uint8)) == (352, 640)
    assert shape_for(np.zeros((1080, 1920, 3), np.uint8)) == (352, 640)
    assert shape_for(np.zeros((240, 360, 3), np.uint8)) == shape_for(np.zeros((720, 1080, 3), np.uint8))
    assert all(side % 32 == 0 for shape in SHAPES for side in shape)


def test_a_peak_is_a_cell_that_no_neighbour_is_over():
    kinds, rows, columns = peaks(heat(person_3_4=0.9, person_4_5=0.8, person_3_6=0.5, car_4_5=0.4), 0.3)
    assert list(zip(kinds, rows, columns, strict=True)) == [(PERSON, 3, 4), (CAR, 4, 5)]


def test_peaks_at_the_edges_count():
    _, rows, columns = peaks(heat(person_0_0=0.5, person_15_31=0.9), 0.3)
    assert list(zip(rows, columns, strict=True)) == [(15, 31), (0, 0)]


def test_what_is_not_over_the_threshold_is_no_peak():
    assert [len(found) for found in peaks(heat(person_3_4=0.25), 0.25)] == [0, 0, 0]
    assert things(heat(), sides(8, 8, 8, 8), 0.3) == []


def test_no_more_peaks_than_a_hundred_and_the_highest_of_them():
    made = np.zeros((80, 16, 32), np.float32)
    made[:, 8, 8] = np.arange(80) / 100 + 0.1
    made[:, 2, 2] = np.arange(80) / 100 + 0.105
    kinds, _, _ = peaks(made, 0)
    assert len(kinds) == MOST
    assert min(kinds) == 30


@settings(deadline=None)
@given(arrays.arrays(np.float32, (2, 5, 7), elements=st.integers(0, 8).map(lambda n: n / 8)))
def test_peaks_are_those_of_a_plain_loop(made: np.ndarray):
    padded = np.pad(made, ((0, 0), (1, 1), (1, 1)))
    expected = {place for place, value in np.ndenumerate(made) if value > 0.3 and value == window(padded, place).max()}
    assert set(zip(*(found.tolist() for found in peaks(made, 0.3)), strict=True)) == expected


def window(padded: np.ndarray, place: tuple[int, ...]) -> np.ndarray:
    kind, row, column = place
    return padded[kind, row : row + 3, column : column + 3]


def test_a_box_reaches_from_its_cell_to_its_four_sides():
    [box] = boxes_at(np.array([4]), np.array([8]), sides(8, 4, 16, 32))
    assert box == pytest.approx([24 / 128, 12 / 64, 48 / 128, 48 / 64])


def test_a_box_ends_where_the_picture_ends():
    [box] = boxes_at(np.array([0]), np.array([31]), sides(500, 500, 500, 500))
    assert box.tolist() == [0, 0, 1, 1]


def test_a_box_inside_out_is_no_thing():
    assert things(heat(person_3_4=0.9), sides(-8, 8, -8, 8), 0.3) == []


def test_overlaps_are_shares_of_the_union():
    boxes = np.array([[0, 0, 0.5, 1], [0.25, 0, 0.75, 1], [0.8, 0, 1, 1], [0.1, 0.1, 0.1, 0.1]], np.float32)
    found = overlaps(boxes)
    assert found[0].tolist() == pytest.approx([1, 1 / 3, 0, 0])
    assert found[3, 3] == 0


def test_of_two_boxes_on_the_same_thing_the_surer_one_stays():
    boxes = np.array([[0, 0, 0.5, 1], [0, 0, 0.45, 1], [0, 0, 0.45, 1], [0.5, 0, 1, 1]], np.float32)
    assert distinct(boxes, np.array([PERSON, PERSON, CAR, PERSON])) == [0, 2, 3]
    assert distinct(boxes[:0], np.empty(0, np.int64)) == []


def test_a_box_that_was_dropped_drops_no_other():
    boxes = np.array([[0, 0, 0.5, 1], [0.1, 0, 0.6, 1], [0.2, 0, 0.7, 1]], np.float32)
    assert distinct(boxes, np.zeros(3, np.int64)) == [0, 2]


def test_a_heat_map_becomes_things_the_surest_first():
    found = things(heat(car_4_8=0.5, person_10_20=0.75), sides(8, 4, 8, 4), 0.3)
    assert [(thing.label, thing.confidence) for thing in found] == [("person", 0.75), ("car", 0.5)]
    assert found[1].box == pytest.approx((24 / 128, 12 / 64, 40 / 128, 20 / 64))


def test_a_person_is_in_the_middle_of_a_square_with_a_margin():
    assert square_around((0.25, 0.25, 0.5, 0.75), 400, 200) == Square(left=88, top=38, side=125)
    assert square_around((0.5, 0.5, 0.5, 0.5), 400, 200).side == 1


def test_beyond_the_picture_a_crop_is_black():
    image = np.full((100, 200, 3), 255, np.uint8)
    made = crop(image, Square(left=-96, top=-96, side=192))
    assert made.shape == (192, 192, 3)
    assert made[96:, 96:].min() == 255
    assert made[:96].max() == made[:, :96].max() == 0
    assert crop(image, Square(left=500, top=0, side=50)).max() == 0


@settings(deadline=None)
@given(
    st.tuples(*[st.floats(0, 1)] * 4).map(lambda b: (min(b[0], b[2]), min(b[1], b[3]), max(b[0], b[2]), max(b[1], b[3]))),
    st.integers(1, 300),
    st.integers(1, 300),
)
def test_every_box_has_a_crop(box: tuple[float, float, float, float], width: int, height: int):
    square = square_around(box, width, height)
    assert crop(np.zeros((height, width, 3), np.uint8), square).shape == (192, 192, 3)
    assert square.left <= box[0] * width + 1
    assert square.top + square.side >= box[3] * height - 1


def maps() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Heat, centres, expected places and offsets without anything in them."""
    return (
        np.zeros((17, CELLS, CELLS), np.float32),
        np.zeros((CELLS, CELLS), np.float32),
        np.zeros((34, CELLS, CELLS), np.float32),
        np.zeros((34, CELLS, CELLS), np.float32),
    )


def test_the_centre_says_where_a_point_is_expected_and_the_heat_where_it_is():
    heat, centres, expected, offsets = maps()
    centres[20, 30] = 0.9
    expected[2 * 9 : 2 * 9 + 2, 20, 30] = (6, -10)  # the left wrist: 6 cells down, 10 to the left
    heat[9, 27, 21] = 0.5
    offsets[2 * 9 : 2 * 9 + 2, 27, 21] = (0.25, -0.5)
    points = decode(heat, centres, expected, offsets)
    assert points.shape == (17, 3)
    assert points[9] == pytest.approx([20.5 / 48, 27.25 / 48, 0.5])


def test_of_two_hot_cells_the_one_nearer_to_where_it_is_expected_counts():
    heat, centres, expected, offsets = maps()
    centres[24, 24] = 1
    heat[0, 24, 26], heat[0, 4, 4] = 0.4, 0.9
    assert decode(heat, centres, expected, offsets)[0] == pytest.approx([26 / 48, 24 / 48, 0.4])


def test_points_of_a_square_are_shares_of_the_picture():
    points = np.tile(np.array([0.5, 0.25, 0.875], np.float32), (17, 1))
    nose, *_ = key_points(points, Square(left=-20, top=40, side=80), 100, 200)
    assert (nose.name, nose.x, nose.y, nose.confidence) == ("nose", 0.2, 0.3, 0.875)


def test_a_whole_picture_is_a_box():
    assert square_around(WHOLE, 192, 192).side == 240
