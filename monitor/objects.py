"""People and things: where they are in a picture, and how a person stands.

CenterNet ("Objects as Points", Zhou et al. 2019, arXiv 1904.07850) on MobileNetV3, whose boxes are distances to four sides, as in
TTFNet (arXiv 1909.00700); MoveNet Lightning 4 (its model card, Google 2021). Both are converted from TensorFlow.js once
(`monitor.tfjs`), and cut where the networks end: what is after that, peaks, boxes and key points, is done here. Neither knows who
somebody is.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from monitor import config, inference, tfjs
from monitor.jpeg import Image
from monitor.messages import pack
from monitor.models import Located, locate

Floats: TypeAlias = npt.NDArray[np.float32]
Integers: TypeAlias = npt.NDArray[np.int64]
Box: TypeAlias = tuple[float, float, float, float]
"""Left, top, right, bottom, as shares of the picture, 0 to 1."""
Size: TypeAlias = tuple[int, int]
"""Height and width in pixels."""

DETECTOR: Final = "centernet-mobilenetv3"
POSER: Final = "movenet-lightning"
"""In the registry of models."""
WHOLE: Final[Box] = (0.0, 0.0, 1.0, 1.0)
# fmt: off
LABELS: Final = (
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light", "fire hydrant",
    "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe",
    "backpack", "umbrella", "handbag", "tie", "suitcase", "frisbee", "skis", "snowboard", "sports ball", "kite", "baseball bat",
    "baseball glove", "skateboard", "surfboard", "tennis racket", "bottle", "wine glass", "cup", "fork", "knife", "spoon", "bowl",
    "banana", "apple", "sandwich", "orange", "broccoli", "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch",
    "potted plant", "bed", "dining table", "toilet", "tv", "laptop", "mouse", "remote", "keyboard", "cell phone", "microwave", "oven",
    "toaster", "sink", "refrigerator", "book", "clock", "vase", "scissors", "teddy bear", "hair drier", "toothbrush",
)
# fmt: on
"""COCO's 80 kinds, in the order of the network's channels."""
KINDS: Final = ("person", "bicycle", "car", "motorcycle", "bus", "train", "truck", "boat", "cat", "dog", "horse")
"""What moves by itself, or is driven: all that is looked for. Among the others there is more that isn't there than that is."""
CHANNELS: Final = tuple(LABELS.index(kind) for kind in KINDS)
"""Of the heat map that the network would make; the others are not computed, which saves a seventh of it."""
DETECTOR_SIDE: Final = 512
"""The square that the network was trained on."""
SHAPES: Final = ((352, 640), (384, 576), (416, 544), (480, 480), (544, 416), (576, 384), (640, 352))
"""Height and width of what the network is given: it is convolutional, and each costs the same; the one most like the picture is taken."""
STRIDE: Final = 4
"""A cell of the heat map is so many pixels wide."""
THRESHOLD: Final = 0.3
OVERLAP: Final = 0.6
"""Of two boxes of a kind whose intersection over union is larger, the surer one stays."""
MOST: Final = 100
"""So many peaks become boxes, the surest ones."""

KEY_POINTS: Final = (
    "nose",
    "left eye",
    "right eye",
    "left ear",
    "right ear",
    "left shoulder",
    "right shoulder",
    "left elbow",
    "right elbow",
    "left wrist",
    "right wrist",
    "left hip",
    "right hip",
    "left knee",
    "right knee",
    "left ankle",
    "right ankle",
)
"""COCO's, in the network's order; left and right are the person's own."""
LOOK_BANDS: Final = 3
"""What a thing looks like is averaged over so many bands of its box, from its top to its bottom."""
LOOK: Final = 128 * LOOK_BANDS
"""Numbers of a look."""

POSER_SIDE: Final = 192
CELLS: Final = 48
"""The heat maps' sides."""
NEARNESS: Final = 1.8
"""Cells; added to a cell's distance from where a point is expected, which its heat is divided by."""
MARGIN: Final = 1.25
"""A person's square is so much wider than the longer side of his box: boxes cut off hands and feet."""

_HEAD: Final = "StatefulPartitionedCall"
CODE: Final = (Path(__file__), Path(tfjs.__file__))
"""What decides how the converted networks look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """Something that was found in a picture."""

    label: str
    """One of LABELS."""
    confidence: float
    box: Box
    look: bytes = b""
    """float16 [LOOK]: the network's last features, of which it made label and box, averaged over the box in bands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPoint:
    """A point of a person's body."""

    name: str
    """One of KEY_POINTS."""
    x: float
    y: float
    """Shares of the picture; a point that it doesn't show may lie outside, below 0 or over 1."""
    confidence: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Square:
    """A part of a picture in pixels; it may reach beyond it."""

    left: int
    top: int
    side: int


class Detector:
    """CenterNet in OpenVINO, on the CPU; one thread at a time."""

    def __init__(self, located: Located, threads: int) -> None:
        self.name = located.version
        self._load = partial(inference.load, inference.kept(located, _centernet, *CODE), threads)
        self._requests: dict[Size, Any] = {}

    def __call__(self, image: Image, threshold: float = THRESHOLD, kinds: Collection[str] = KINDS) -> list[Thing]:
        """What an RGB picture of any size shows, the surest first; at most 100 things, and of them those of some kinds."""
        size = shape_for(image)
        result = self._request(size).infer(resized(image, size)[np.newaxis], share_inputs=True, share_outputs=True)
        heat, sides, features = (result[number][0] for number in range(3))
        wanted = (thing for thing in things(heat, sides, threshold, KINDS) if thing.label in kinds)
        return [replace(thing, look=pack(look(features, thing.box))) for thing in wanted]

    def _request(self, size: Size) -> Any:
        """The network for pictures of this shape, made when the first one comes."""
        if size not in self._requests:
            self._requests[size] = self._load(shape=(1, *size, 3))
        return self._requests[size]


class Poser:
    """MoveNet Lightning in OpenVINO, on the CPU; one thread at a time."""

    def __init__(self, located: Located, threads: int) -> None:
        self.name = located.version
        self._request = inference.load(inference.kept(located, _movenet, *CODE), threads)

    def __call__(self, image: Image, box: Box = WHOLE) -> tuple[KeyPoint, ...]:
        """The 17 points of the person in a box of an RGB picture."""
        height, width = image.shape[:2]
        square = square_around(box, width, height)
        result = self._request.infer(crop(image, square)[np.newaxis], share_inputs=True, share_outputs=True)
        points = decode(result[0][0], result[1][0, 0], result[2][0], result[3][0])
        return key_points(points, square, width, height)


def detector(models: config.Models) -> Detector:
    """The detector. Raises ModelError saying what to fetch."""
    return Detector(locate(DETECTOR), models.threads)


def poser(models: config.Models) -> Poser:
    """The network for poses. Raises ModelError saying what to fetch."""
    return Poser(locate(POSER), models.threads)


def shape_for(image: Image) -> Size:
    """The one of SHAPES that distorts a picture least."""
    height, width = image.shape[:2]
    return min(SHAPES, key=lambda shape: abs(math.log(shape[1] / shape[0] * height / width)))


def resized(image: Image, size: Size) -> Image:
    """The whole picture as [height, width, 3]; by area where it shrinks, so that nothing aliases."""
    if image.shape[:2] == size:
        return image
    method = cv2.INTER_AREA if image.shape[0] > size[0] or image.shape[1] > size[1] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, size[::-1], interpolation=method), np.uint8)


def look(features: Floats, box: Box) -> Floats:
    """Features [h, w, 128] of a picture, averaged over a box in bands: [LOOK], the top band first."""
    height, width = features.shape[:2]
    left, right = _cells(box[0] * width, box[2] * width, width)
    bands = [_cells(top, bottom, height) for top, bottom in pairwise(np.linspace(box[1], box[3], LOOK_BANDS + 1) * height)]
    return np.concatenate([features[top:bottom, left:right].mean((0, 1)) for top, bottom in bands])


def _cells(low: float, high: float, cells: int) -> tuple[int, int]:
    """The cells that a span covers, at least one."""
    first = min(int(low), cells - 1)
    return first, max(first + 1, min(math.ceil(high), cells))


def things(heat: Floats, sides: Floats, threshold: float, labels: Sequence[str] = LABELS) -> list[Thing]:
    """Heat map [labels, h, w] and distances of the box's sides [4, h, w], in pixels, as things; the surest first."""
    kinds, rows, columns = peaks(heat, threshold)
    confidences = heat[kinds, rows, columns]
    boxes = boxes_at(rows, columns, sides)
    kept = distinct(boxes, kinds)
    return [
        Thing(label=labels[kinds[at]], confidence=float(confidences[at]), box=(left, top, right, bottom))
        for at, (left, top, right, bottom) in zip(kept, boxes[kept].tolist(), strict=True)
        if left < right and top < bottom
    ]


def peaks(heat: Floats, threshold: float) -> tuple[Integers, Integers, Integers]:
    """Cells of [kinds, h, w] over the threshold and under none of the eight around: kinds, rows and columns; the highest 100 first."""
    kinds, rows, columns = np.unravel_index(np.flatnonzero(heat > threshold), heat.shape)
    height, width = heat.shape[1:]
    here = heat[kinds, rows, columns]
    steps = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)]
    around = [heat[kinds, np.clip(rows + down, 0, height - 1), np.clip(columns + right, 0, width - 1)] for down, right in steps]
    found = np.flatnonzero(here == np.max(around, axis=0))
    order = found[np.argsort(-here[found], kind="stable")][:MOST]
    return kinds[order], rows[order], columns[order]


def boxes_at(rows: Integers, columns: Integers, sides: Floats) -> Floats:
    """Boxes [n, 4] as shares of the picture, of cells and the distances [4, h, w] of their left, top, right and bottom sides in pixels."""
    height, width = sides.shape[1:]
    left, top, right, bottom = sides[:, rows, columns]
    x, y = STRIDE * columns, STRIDE * rows
    boxes = np.stack([x - left, y - top, x + right, y + bottom], axis=1) / (STRIDE * np.array([width, height, width, height]))
    return np.asarray(boxes.clip(0, 1), np.float32)


def overlaps(boxes: Floats) -> Floats:
    """Intersection over union of each two of the boxes [n, 4]: [n, n]; 0 where both are empty."""
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    shared = (high - low).clip(0).prod(axis=2)
    area = (boxes[:, 2:] - boxes[:, :2]).clip(0).prod(axis=1)
    union = area[:, None] + area[None] - shared
    return np.asarray(shared / np.maximum(union, np.finfo(np.float32).tiny), np.float32)


def distinct(boxes: Floats, kinds: Integers) -> list[int]:
    """Which of the boxes [n, 4], the surest first, overlap no surer one of their kind by more than OVERLAP (non-maximum suppression)."""
    same = (overlaps(boxes) > OVERLAP) & (kinds[:, None] == kinds[None])
    kept: list[int] = []
    for at in range(len(boxes)):
        if not same[at, kept].any():
            kept.append(at)
    return kept


def square_around(box: Box, width: int, height: int) -> Square:
    """A box of a picture of this size in pixels, widened to a square with a margin about its middle."""
    left, top, right, bottom = box
    side = max(1, math.ceil(MARGIN * max((right - left) * width, (bottom - top) * height)))
    return Square(left=round((left + right) * width / 2 - side / 2), top=round((top + bottom) * height / 2 - side / 2), side=side)


def crop(image: Image, square: Square) -> Image:
    """A square of a picture as [192, 192, 3], black beyond the picture."""
    height, width = image.shape[:2]
    left, top = max(0, square.left), max(0, square.top)
    right, bottom = min(width, square.left + square.side), min(height, square.top + square.side)
    canvas = np.zeros((square.side, square.side, 3), np.uint8)
    if left < right and top < bottom:
        canvas[top - square.top : bottom - square.top, left - square.left : right - square.left] = image[top:bottom, left:right]
    return resized(canvas, (POSER_SIDE, POSER_SIDE))


def decode(heat: Floats, centres: Floats, expected: Floats, offsets: Floats) -> Floats:
    """Heat maps [17, 48, 48], centres [48, 48], expected places and offsets [34, 48, 48] (y and x by turns) as [17, 3]: x, y, confidence.

    As the network's own tail does it: the person nearest to the middle says where each point is to be expected, the heat there is
    weighted by nearness, and the highest cell gives the place to a fraction of a cell. x and y are shares of the square.
    """
    centre = np.array(np.unravel_index(centres.argmax(), centres.shape))
    places = centre + expected[:, centre[0], centre[1]].reshape(-1, 2)  # [17, 2] y, x
    cells = np.indices((CELLS, CELLS)).transpose(1, 2, 0)  # [48, 48, 2]
    distances = np.linalg.norm(cells - places[:, None, None], axis=-1)  # [17, 48, 48]
    best = (heat / (distances + NEARNESS)).reshape(len(heat), -1).argmax(axis=1)
    rows, columns = np.divmod(best, CELLS)
    points = np.arange(len(heat))
    down, right = offsets.reshape(-1, 2, CELLS, CELLS)[points, :, rows, columns].T
    return np.stack([(columns + right) / CELLS, (rows + down) / CELLS, heat[points, rows, columns]], axis=1).astype(np.float32)


def key_points(points: Floats, square: Square, width: int, height: int) -> tuple[KeyPoint, ...]:
    """Points [17, 3] of a square as shares of the picture of this size."""
    return tuple(
        KeyPoint(name=name, x=(square.left + x * square.side) / width, y=(square.top + y * square.side) / height, confidence=confidence)
        for name, (x, y, confidence) in zip(KEY_POINTS, points.tolist(), strict=True)
    )


def _centernet(located: Located) -> inference.Graph:
    """Up to the heat map of KINDS, the distances and the features of both, channels last.

    OpenVINO's TopK, which comes next, would take most of the time.
    """
    weights, model = located.paths
    ends = ("tower_0/Sigmoid", "tower_0/wh", "tower_0/CenternetHead/mul")
    head = "CenternetHead/centernet_cls_output"
    only = {f"{head}/pointwise_weights": CHANNELS, f"{head}/biases": CHANNELS}
    graph = tfjs.read(model.read_bytes(), weights.read_bytes(), "tower_0/images", (DETECTOR_SIDE, DETECTOR_SIDE), ends, only)
    heat, sides, features = (output.get_node().input_value(0) for output in graph.outputs)
    last = inference.operations.transpose(features, [0, 2, 3, 1])
    return inference.Graph([inference.operations.result(end) for end in (heat, sides, last)], graph.get_parameters(), "centernet")


def _movenet(located: Located) -> inference.Graph:
    """Up to the heat maps, the centres' weighted by nearness to the middle, the expected places and the offsets."""
    weights, model = located.paths
    ends = ("Sigmoid", "truediv_2", "kpt_regress_0/conv2d_6/BiasAdd", "kpt_offset_0/conv2d_7/BiasAdd")
    names = [f"{_HEAD}/{end}" for end in ends]
    return tfjs.read(model.read_bytes(), weights.read_bytes(), f"{_HEAD}/stack", (POSER_SIDE, POSER_SIDE), names)
