"""People and things in the pictures of each camera: what, where, how fast, how held, and since when.

The detector says what and where (`monitor.objects`). How fast is the median length of dense optical flow within the box (DIS, Kroeger
et al. 2016, arXiv 1603.03590) from the picture before: of two boxes it would be the noise of both. Whom the box itself does not show
upright MoveNet is asked about, if he is large enough for it. Nobody is known or compared with anybody of another camera.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from monitor.jpeg import Image
from monitor.messages import Frame, Mark, Pose, Sighting
from monitor.objects import KEY_POINTS, KINDS, Box, KeyPoint, Thing, shape_for
from monitor.tracks import Track, Tracker

Floats = npt.NDArray[np.float32]
Grey = npt.NDArray[np.uint8]

THRESHOLD: Final = 0.2
MOST: Final = 32
"""So many things of a picture are kept, the surest ones."""
GAP_S: Final = 2.0
"""From a picture that is older than this no speed is known."""
UPRIGHT: Final = 1.6
"""A person whose box is so many times as high as wide is standing, as he is lying if it is so many times as wide as high."""
LARGE: Final = 64
"""Pixels: in people whose box has no longer side MoveNet sees nothing."""
POSED: Final = 4
"""So many people of a picture are asked about."""
POINT: Final = 0.3
"""Key points with less confidence are not believed."""
TILTED: Final = 45.0
"""Degrees from upright: who leans further is lying."""


class Detects(Protocol):
    """Finds things in an RGB picture, the surest first."""

    @property
    def name(self) -> str:
        """Model and version."""

    def __call__(self, image: Image, threshold: float, kinds: Collection[str], /) -> list[Thing]:
        """Those over a threshold and of some kinds."""


class Poses(Protocol):
    """Finds the 17 key points of the person in a box."""

    def __call__(self, image: Image, box: Box) -> tuple[KeyPoint, ...]:
        """In the order of KEY_POINTS."""


@dataclass(slots=True)
class _Camera:
    """What is remembered of one camera."""

    at: float = -math.inf
    grey: Grey | None = None
    tracker: Tracker = field(default_factory=Tracker)


@dataclass(slots=True)
class Sightings:
    """Looks for people and things, and remembers of each camera its last picture and its tracks.

    After a restart, or a gap, the first picture has no speeds and its tracks begin anew. One thread at a time.
    """

    detector: Detects
    poser: Poses
    _flow: cv2.DISOpticalFlow = field(default_factory=lambda: cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST))
    _cameras: dict[str, _Camera] = field(default_factory=dict)

    def __call__(self, frame: Frame, image: Image) -> tuple[Sighting, ...]:
        """What a camera's next picture, as RGB, shows: at most 32 people and things, the surest first."""
        things = self.detector(image, THRESHOLD, KINDS)[:MOST]
        camera = self._known(frame)
        seconds = frame.at - camera.at
        grey = _grey(image)
        speeds = self._speeds(camera.grey, grey, things, seconds)
        tracks = camera.tracker(things, frame.at)
        poses = self._poses(image, things)
        camera.at, camera.grey = frame.at, grey
        return tuple(map(_sighting, things, speeds, poses, tracks))

    def remember(self, frame: Frame, image: Image) -> None:
        """Take in a picture that was looked at before: the speeds in the next are measured from it."""
        camera = self._known(frame)
        camera.at, camera.grey = frame.at, _grey(image)

    def passed(self, mark: Mark) -> None:
        """Take in that no picture comes before a time: after a while the last one is of no use."""
        camera = self._cameras.get(mark.camera)
        if mark.last:
            self.forget(mark.camera)
        elif camera is not None and mark.until > camera.at + GAP_S:
            camera.grey = None

    def needed(self, camera: str) -> float:
        """From what event time on a camera's pictures are needed to look at what follows; infinity if none is."""
        known = self._cameras.get(camera)
        return math.inf if known is None or known.grey is None else known.at

    def forget(self, camera: str) -> None:
        """Let go of a camera, as if it had never been seen."""
        self._cameras.pop(camera, None)

    def _known(self, frame: Frame) -> _Camera:
        """What is remembered of a camera; nothing where its clock was set back, or the picture comes again."""
        camera = self._cameras.get(frame.camera)
        if camera is None or frame.at <= camera.at:
            camera = self._cameras[frame.camera] = _Camera()
        return camera

    def _speeds(self, before: Grey | None, grey: Grey, things: Sequence[Thing], seconds: float) -> list[float | None]:
        """Heights of the picture per second, one a thing."""
        if before is None or before.shape != grey.shape or seconds > GAP_S or not things:
            return [None] * len(things)
        flow = np.asarray(self._flow.calc(before, grey, None), np.float32)  # type: ignore[call-overload] # None is "make one"
        return [median_length(flow, thing.box) / (len(flow) * seconds) for thing in things]

    def _poses(self, image: Image, things: Sequence[Thing]) -> list[Pose | None]:
        height, width = image.shape[:2]
        asked, poses = 0, []
        for thing in things:
            pose = None
            if thing.label == "person":
                wide, high = (thing.box[2] - thing.box[0]) * width, (thing.box[3] - thing.box[1]) * height
                pose = by_shape(wide, high)
                if pose is not Pose.STANDING and max(wide, high) >= LARGE and asked < POSED:
                    asked += 1
                    pose = by_points(self.poser(image, thing.box), width / height) or pose
            poses.append(pose)
        return poses


def by_shape(width: float, height: float) -> Pose | None:
    """How the person in a box of so many pixels holds himself; None if that does not show."""
    if height >= UPRIGHT * width:
        return Pose.STANDING
    return Pose.LYING if width >= UPRIGHT * height else None


def by_points(points: Sequence[KeyPoint], aspect: float) -> Pose | None:
    """How a person holds himself by the line from his hips to his shoulders; None if these are not seen well. aspect: width by height."""
    middles = [_middle(points, part, aspect) for part in ("shoulder", "hip")]
    if None in middles:
        return None
    (x, y), (hip_x, hip_y) = (middle for middle in middles if middle is not None)
    tilt = abs(math.degrees(math.atan2(x - hip_x, hip_y - y)))
    return Pose.LYING if tilt > TILTED else Pose.STANDING


def _middle(points: Sequence[KeyPoint], part: str, aspect: float) -> tuple[float, float] | None:
    """Between the left and the right one, in heights of the picture."""
    found = [points[KEY_POINTS.index(f"{side} {part}")] for side in ("left", "right")]
    believed = [point for point in found if point.confidence >= POINT]
    if not believed:
        return None
    return sum(point.x for point in believed) * aspect / len(believed), sum(point.y for point in believed) / len(believed)


def median_length(flow: Floats, box: Box) -> float:
    """The median length of a flow [h, w, 2] within a box."""
    height, width = flow.shape[:2]
    left, top = min(int(box[0] * width), width - 1), min(int(box[1] * height), height - 1)
    part = flow[top : max(top + 1, math.ceil(box[3] * height)), left : max(left + 1, math.ceil(box[2] * width))]
    return float(np.median(np.hypot(part[..., 0], part[..., 1])))


def _grey(image: Image) -> Grey:
    height, width = shape_for(image)
    return np.asarray(cv2.resize(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def _sighting(thing: Thing, speed: float | None, pose: Pose | None, track: Track | None) -> Sighting:
    return Sighting(
        label=thing.label,
        confidence=thing.confidence,
        box=thing.box,
        speed=speed,
        pose=pose,
        track=0 if track is None else track.number,
        dwell_s=0.0 if track is None else track.dwell_s,
        look=thing.look,
    )
