"""A figure as the camera sees it: all its capsules drawn at once, with depth between them, then lit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from workers.scene.figures import Limb
from workers.scene.geometry import FAR, Floats, View
from workers.scene.room import HALL, WINDOWS, Room, in_window

NEAREST: Final = 0.6
"""Figures that come nearer to the camera than this (metres) are not drawn."""


@dataclass(frozen=True, slots=True)
class Lamps:
    """What lights figures, in the camera's axes."""

    room: Room
    towards: Floats
    """Rows: where the sun, the windows and the ceiling are [3, 3]."""
    weave: Floats
    """The texture of cloth [256, 256], tileable."""


@dataclass(frozen=True, slots=True)
class Sprite:
    """A painted figure: linear RGB [h, w, 3], how much of each pixel it covers, its depth, and where it lies in the picture."""

    colour: Floats
    cover: Floats
    depth: Floats
    top: int
    left: int


@dataclass(frozen=True, slots=True)
class Capsules:
    """A figure's limbs in pixels; all [limbs]."""

    x0: Floats
    y0: Floats
    dx: Floats
    dy: Floats
    r0: Floats
    dr: Floats
    z0: Floats
    dz: Floats


@dataclass(frozen=True, slots=True)
class Surface:
    """What of a figure is seen at each pixel of its region; all [h, w]."""

    cover: Floats
    depth: Floats
    limb: npt.NDArray[np.int16]
    nx: Floats
    ny: Floats
    along: Floats
    across: Floats


def lamps_of(room: Room, view: View) -> Lamps:
    """Turn the room's lights into the camera's axes."""
    towards = np.stack([room.light.sun[:, 0], np.array([-0.93, -0.05, 0.36], np.float32), np.array([0, 0, 1], np.float32)])
    return Lamps(room, (towards @ view.axes().T).astype(np.float32), room.noise[:256, :256])


def draw(view: View, lamps: Lamps, parts: list[Limb]) -> Sprite | None:
    """Paint a figure; None if it is out of the picture."""
    ends = view.project(np.stack([p for limb in parts for p in (limb.begin, limb.end)], axis=1).astype(np.float32))
    if ends[2].min() < NEAREST:
        return None
    radii = np.array([r for limb in parts for r in (limb.radius_begin, limb.radius_end)], np.float32) * view.focal_px / ends[2]
    left, top = int(np.floor((ends[0] - radii).min())) - 2, int(np.floor((ends[1] - radii).min())) - 2
    right, bottom = int((ends[0] + radii).max()) + 3, int((ends[1] + radii).max()) + 3
    if right <= 0 or bottom <= 0 or left >= view.width or top >= view.height:
        return None
    ends[0] -= left
    ends[1] -= top
    surface = _rasterise(_capsules(ends, radii), (bottom - top, right - left), view.focal_px)
    return _crop(view, surface, _light(lamps, surface, parts), top, left)


def _capsules(ends: Floats, radii: Floats) -> Capsules:
    x, y, z = ends[:, ::2]
    dx, dy, dz = ends[:, 1::2] - ends[:, ::2]
    return Capsules(x, y, dx, dy, radii[::2], radii[1::2] - radii[::2], z, dz)


def _rasterise(c: Capsules, shape: tuple[int, int], focal_px: float) -> Surface:
    """Which limb is in front at each pixel, and where on it (distance to a tapered segment, anti-aliased)."""
    bx = np.floor(np.minimum(c.x0 - c.r0, c.x0 + c.dx - c.r0 - c.dr)).astype(int) - 1
    by = np.floor(np.minimum(c.y0 - c.r0, c.y0 + c.dy - c.r0 - c.dr)).astype(int) - 1
    width = int((np.maximum(c.x0 + c.r0, c.x0 + c.dx + c.r0 + c.dr) - bx).max()) + 2
    height = int((np.maximum(c.y0 + c.r0, c.y0 + c.dy + c.r0 + c.dr) - by).max()) + 2
    px = (bx - c.x0 + 0.5).astype(np.float32)[:, None, None] + np.arange(width, dtype=np.float32)
    py = (by - c.y0 + 0.5).astype(np.float32)[:, None, None] + np.arange(height, dtype=np.float32)[:, None]
    dx, dy, r0, dr, z0, dz = (v[:, None, None] for v in (c.dx, c.dy, c.r0, c.dr, c.z0, c.dz))
    square = np.maximum(dx * dx + dy * dy, np.float32(1e-3))
    along = np.clip((px * dx + py * dy) / square, 0, 1)
    radius = r0 + dr * along
    nx, ny = (px - along * dx) / radius, (py - along * dy) / radius
    far = nx * nx + ny * ny
    cover = np.clip((1 - np.sqrt(far)) * radius + np.float32(0.5), 0, 1)
    depth = z0 + dz * along - np.sqrt(np.maximum(1 - far, 0)) * radius * (z0 / np.float32(focal_px))
    across = (nx * dy - ny * dx) / np.sqrt(square)
    return _merge((bx, by), shape, (cover, depth, nx, ny, along, across))


def _merge(corners: tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]], shape: tuple[int, int], drawn: tuple[Floats, ...]) -> Surface:
    """Put the limbs' own little pictures [limbs, h, w] into one, the nearest in front."""
    cover, depth, *rest = drawn
    size = shape[0] + cover.shape[1], shape[1] + cover.shape[2]
    covered, deep, limb = np.zeros(size, np.float32), np.full(size, FAR, np.float32), np.zeros(size, np.int16)
    maps = [np.zeros(size, np.float32) for _ in rest]
    for index, (x, y) in enumerate(zip(corners[0].tolist(), corners[1].tolist(), strict=True)):
        area = (slice(y, y + cover.shape[1]), slice(x, x + cover.shape[2]))
        solid = cover[index] > np.float32(0.5)
        nearer = solid & (depth[index] < deep[area])
        painted = nearer | (~solid & (cover[index] > covered[area]))
        np.copyto(deep[area], depth[index], where=nearer)
        np.maximum(covered[area], cover[index], out=covered[area], where=painted)
        limb[area][painted] = index
        for target, source in zip(maps, rest, strict=True):
            np.copyto(target[area], source[index], where=painted)
    inside = (slice(0, shape[0]), slice(0, shape[1]))
    return Surface(covered[inside], deep[inside], limb[inside], *(m[inside] for m in maps))


def _light(lamps: Lamps, surface: Surface, parts: list[Limb]) -> Floats:
    """Light and colour of what is seen: linear RGB [h, w, 3]."""
    seen = surface.cover > 0
    limb = surface.limb[seen]
    nx, ny = surface.nx[seen], surface.ny[seen]
    normal = np.stack([nx, ny, -np.sqrt(np.maximum(1 - nx * nx - ny * ny, 0))])
    sun, window, up = lamps.towards @ normal
    lit, form, low = (v[limb] for v in _reach(lamps.room, parts))
    light = lamps.room.light
    total = (np.maximum(0.25 + 0.75 * window, 0) * form * np.float32(0.41))[:, None] * light.sky_colour
    total += ((0.72 + 0.28 * up) * low * np.float32(1.15))[:, None] * light.fill_colour
    total += (np.maximum(sun, 0) * lit)[:, None] * light.sun_colour + (np.float32(0.05) * lit)[:, None]
    own = np.array([part.colour for part in parts], np.float32)[limb]
    colour = np.zeros((*surface.cover.shape, 3), np.float32)
    colour[seen] = total * own * _weave(lamps, surface, seen, parts)[:, None]
    return colour


def _reach(room: Room, parts: list[Limb]) -> tuple[Floats, Floats, Floats]:
    """How much sun, window light and bounced light reaches each limb: three of [limbs]."""
    middles = np.stack([(limb.begin + limb.end) / 2 for limb in parts], axis=1)
    there = middles + room.light.sun * ((HALL.low[0] - middles[0]) / room.light.sun[0, 0])
    inside = (middles[1] < HALL.high[1]) & (middles[0] < HALL.high[0])
    form = np.zeros(middles.shape[1], np.float32)
    for begin, end in WINDOWS:
        distance = (middles[0] - HALL.low[0]) ** 2 + (middles[1] - (begin + end) / 2) ** 2 + 0.8
        form += (6.2 / np.pi * (middles[0] - HALL.low[0]) / distance**1.5).astype(np.float32)
    lit = (in_window(there[1], there[2]) & inside).astype(np.float32)
    low = 0.8 + 0.2 * np.minimum(np.array([min(limb.begin[2], limb.end[2]) for limb in parts]) / 0.8, 1)
    return lit, np.where(inside, form, 0.1).astype(np.float32), low.astype(np.float32)


def _weave(lamps: Lamps, surface: Surface, seen: npt.NDArray[np.bool_], parts: list[Limb]) -> Floats:
    """Folds and threads that stay with each limb: a factor about 1 [n]."""
    limb = surface.limb[seen]
    offset = np.array([part.radius_begin * 3000 for part in parts], np.float32)[limb]
    cloth = np.array([part.cloth for part in parts], np.float32)[limb]
    u = (surface.along[seen] * 40 + offset).astype(np.int64) % 256
    v = (surface.across[seen] * 18 + 128).astype(np.int64) % 256
    return (1 + np.float32(0.13) * cloth * lamps.weave[v, u]).astype(np.float32)


def _crop(view: View, surface: Surface, colour: Floats, top: int, left: int) -> Sprite:
    height, width = surface.cover.shape
    rows = slice(max(-top, 0), min(view.height - top, height))
    columns = slice(max(-left, 0), min(view.width - left, width))
    return Sprite(colour[rows, columns], surface.cover[rows, columns], surface.depth[rows, columns], max(top, 0), max(left, 0))
