"""Painting figures into the empty hall: shaded limbs with depth, shadows on the floor, their mirror image, the camera's own noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from workers.scene.body import Lamps, Sprite, draw, lamps_of
from workers.scene.figures import Limb, Stance, limbs
from workers.scene.geometry import FAR, Floats, View
from workers.scene.room import HALL, Plate, Room

Image = npt.NDArray[np.uint8]
Region = tuple[slice, slice]

SHADE_SCALE: Final = 2
"""Shadows are drawn at this fraction of the picture's size."""
LOW: Final = 0.35
"""What is lower than this (metres) darkens the floor right under it."""


@dataclass(frozen=True, slots=True)
class Studio:
    """What every frame of a scene shares."""

    room: Room
    view: View
    plate: Plate
    empty: Floats
    """The empty hall as shown, 0 to 255 [h, w, 3]."""
    film: tuple[npt.NDArray[np.int16], ...]
    """Sheets of noise, larger than the picture, of which each frame shows a part."""
    lamps: Lamps


def tone(linear: Floats) -> Floats:
    """Linear light to what is shown, 0 to 255 (ACES filmic curve fitted by K. Narkowicz, then gamma 2.2)."""
    light = np.maximum(linear, 0)
    shown = np.clip(light * (2.51 * light + 0.03) / (light * (2.43 * light + 0.59) + 0.14), 0, 1)
    return (cv2.pow(shown.astype(np.float32), 1 / 2.2) * 255).astype(np.float32)


def make_studio(room: Room, view: View, plate: Plate, rng: np.random.Generator) -> Studio:
    """Develop the plate and cut the film."""
    sheets = []
    for _ in range(3):
        luma = cv2.GaussianBlur(rng.standard_normal((view.height + 128, view.width + 128, 1)).astype(np.float32), (0, 0), 0.55)
        chroma = cv2.GaussianBlur(rng.standard_normal((view.height + 128, view.width + 128, 3)).astype(np.float32), (0, 0), 1.1)
        sheets.append(np.rint(luma[..., None] * 3.0 + chroma * 1.9).astype(np.int16))
    return Studio(room, view, plate, tone(plate.soft + plate.sun), tuple(sheets), lamps_of(room, view))


def paint(studio: Studio, stances: list[Stance], rng: np.random.Generator, covered: float = 0.0) -> Image:
    """One frame: RGB uint8 [h, w, 3]. `covered` is how far something dark has been pushed before the lens, 0 to 1."""
    canvas = studio.empty.copy()
    bodies = [limbs(stance) for stance in stances]
    if bodies and covered < 1:
        for body in bodies:
            _cast_shadow(studio, canvas, body)
        order = sorted(range(len(bodies)), key=lambda index: -_distance(studio, stances[index]))
        for index in order:
            sprite = draw(studio.view, studio.lamps, bodies[index])
            if sprite is not None:
                _mirror(canvas, studio, sprite, stances[index])
                _place(canvas, studio, sprite)
    if covered > 0:
        canvas = cover(canvas, covered)
    return _expose(studio, canvas, rng)


def _distance(studio: Studio, stance: Stance) -> float:
    return float(np.hypot(stance.x - studio.view.eye[0], stance.y - studio.view.eye[1]))


def cover(canvas: Floats, covered: float) -> Floats:
    """Push a dark cloth, out of focus, down before the lens."""
    height = canvas.shape[0]
    rows = np.arange(height, dtype=np.float32)[:, None, None] / height
    edge = np.clip((covered * 1.5 - rows) / 0.25, 0, 1)
    cloth = np.array([13, 9, 8], np.float32)
    return (canvas * (1 - edge) + cloth * edge).astype(np.float32)


def _expose(studio: Studio, canvas: Floats, rng: np.random.Generator) -> Image:
    sheet = studio.film[int(rng.integers(len(studio.film)))]
    top, left = (int(v) for v in rng.integers(0, 128, 2))
    part = sheet[top : top + canvas.shape[0], left : left + canvas.shape[1]]
    return cv2.add(canvas, part, dtype=cv2.CV_8U).astype(np.uint8)


def _cast_shadow(studio: Studio, canvas: Floats, parts: list[Limb]) -> None:
    """Darken the floor where a body keeps off the sun (sharp) and the windows' light (soft)."""
    shapes = [
        _fallen(studio, parts, studio.room.light.sun[:, 0]),
        _fallen(studio, parts, np.array([-1.0, 0.12, 0.9], np.float32)),
        _fallen(studio, [p for p in parts if min(p.begin[2], p.end[2]) < LOW], np.array([0, 0, 1], np.float32)),
    ]
    area = _around(studio, shapes)
    if area is None:
        return
    sun, sky, contact = (_mask(shape, area) for shape in shapes)
    soft = cv2.GaussianBlur(sky, (0, 0), 5) * 0.42 + cv2.GaussianBlur(contact, (0, 0), 1.8) * 0.6
    sharp = cv2.GaussianBlur(sun, (0, 0), 0.9) * 1.15
    rows, columns = (slice(side.start * SHADE_SCALE, side.stop * SHADE_SCALE) for side in area)
    size = (columns.stop - columns.start, rows.stop - rows.start)
    keep = [1 - np.minimum(cv2.resize(mask, size), limit)[..., None] for mask, limit in ((soft, 0.85), (sharp, 1.0))]
    shaded = tone(studio.plate.soft[rows, columns] * keep[0] + studio.plate.sun[rows, columns] * keep[1])
    shaded[~studio.plate.floor[rows, columns]] = 255
    np.minimum(canvas[rows, columns], shaded, out=canvas[rows, columns])


def _fallen(studio: Studio, parts: list[Limb], toward: Floats) -> Floats:
    """Limbs moved to the floor along a light that lies `toward`: rows of x, y, x, y, thickness in pixels of a mask; [n, 5]."""
    if not parts:
        return np.zeros((0, 5), np.float32)
    ends = np.stack([p for limb in parts for p in (limb.begin, limb.end)], axis=1)
    ground = ends - toward[:, None] * (ends[2] / toward[2])
    seen = studio.view.project(ground)
    thick = np.array([limb.radius_begin + limb.radius_end for limb in parts], np.float32) * studio.view.focal_px / seen[2, ::2]
    lines = np.stack([seen[0, ::2], seen[1, ::2], seen[0, 1::2], seen[1, 1::2], thick], axis=1) / SHADE_SCALE
    return lines[(np.minimum(seen[2, ::2], seen[2, 1::2]) > 0.5) & (ground[1, ::2] < HALL.high[1])].astype(np.float32)


def _around(studio: Studio, shapes: list[Floats]) -> Region | None:
    """The part of the mask that shadows may reach; None if it is empty."""
    lines = np.concatenate(shapes)
    if len(lines) == 0:
        return None
    pad = 14 + lines[:, 4].max()
    limits = studio.view.width // SHADE_SCALE, studio.view.height // SHADE_SCALE
    left, right = max(int(lines[:, :4:2].min() - pad), 0), min(int(lines[:, :4:2].max() + pad), limits[0])
    top, bottom = max(int(lines[:, 1:4:2].min() - pad), 0), min(int(lines[:, 1:4:2].max() + pad), limits[1])
    return (slice(top, bottom), slice(left, right)) if right > left and bottom > top else None


def _mask(lines: Floats, area: Region) -> Floats:
    """Draw lines into a part of the mask: 0 to 1, float32 [h, w]."""
    mask = np.zeros((area[0].stop - area[0].start, area[1].stop - area[1].start), np.uint8)
    corner = np.array([area[1].start, area[0].start] * 2, np.float32)
    for (x0, y0, x1, y1), thick in zip(np.rint((lines[:, :4] - corner) * 8).astype(int).tolist(), lines[:, 4].tolist(), strict=True):
        cv2.line(mask, (x0, y0), (x1, y1), 255, max(1, round(thick)), cv2.LINE_AA, 3)
    return mask.astype(np.float32) / 255


def _visible(studio: Studio, sprite: Sprite, area: Region) -> Floats:
    covered = sprite.cover * (sprite.depth < studio.plate.depth[area] + 0.02)
    edge = (sprite.cover > 0) & (sprite.depth >= FAR)
    if edge.any():
        near = cv2.erode(sprite.depth, np.ones((3, 3), np.uint8))
        covered = np.where(edge, sprite.cover * (near < studio.plate.depth[area]), covered)
    return covered.astype(np.float32)


def _place(canvas: Floats, studio: Studio, sprite: Sprite) -> None:
    height, width = sprite.cover.shape
    area = (slice(sprite.top, sprite.top + height), slice(sprite.left, sprite.left + width))
    share = _visible(studio, sprite, area)[..., None]
    canvas[area] = canvas[area] * (1 - share) + tone(sprite.colour) * share


def _mirror(canvas: Floats, studio: Studio, sprite: Sprite, stance: Stance) -> None:
    """A faint, blurred image of the figure upside down in the polished floor beneath it."""
    foot = studio.view.project(np.array([[stance.x], [stance.y], [0.0]], np.float32))
    line = int(foot[1, 0])
    height, width = sprite.cover.shape
    below = min(studio.view.height - line, line - sprite.top, int(height * 0.7))
    start = line - sprite.top
    if below < 4 or start > height or stance.x > HALL.high[0] or stance.y > HALL.high[1]:
        return
    flipped = slice(max(start - below, 0), start)
    share = sprite.cover[flipped][::-1]
    fade = np.linspace(0.2, 0.03, len(share), dtype=np.float32)[:, None]
    area = (slice(line, line + len(share)), slice(sprite.left, sprite.left + width))
    share = np.asarray(cv2.GaussianBlur(share * fade, (0, 0), 1.6) * studio.plate.floor[area], np.float32)
    colour = tone(cv2.GaussianBlur(sprite.colour[flipped][::-1], (0, 0), 1.6) * 0.9)
    canvas[area] = canvas[area] * (1 - share[..., None]) + colour * share[..., None]
