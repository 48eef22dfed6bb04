"""Rays against boxes, upright cylinders and ellipsoids, and the camera that looks at them, on whole images at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
Flags = npt.NDArray[np.bool_]

FAR: Final = np.float32(1e4)
"""Metres: what a ray that meets nothing is given."""


@dataclass(frozen=True, slots=True)
class Rays:
    """Half-lines: origins and unit directions, float32 [3, n], in metres; x right, y away, z up."""

    origin: Floats
    toward: Floats

    def points(self, distance: Floats) -> Floats:
        """Where they are after `distance` [n]: [3, n]."""
        return self.origin + self.toward * distance

    def only(self, chosen: Flags) -> Rays:
        """Those that are chosen."""
        return Rays(self.origin[:, chosen], self.toward[:, chosen])


@dataclass(frozen=True, slots=True)
class Box:
    """A block between two corners, of one material."""

    low: tuple[float, float, float]
    high: tuple[float, float, float]
    material: int


@dataclass(frozen=True, slots=True)
class Round:
    """An ellipsoid, or with `upright` a column as high as its radius says, of one material."""

    centre: tuple[float, float, float]
    radii: tuple[float, float, float]
    material: int
    upright: bool = False


@dataclass(frozen=True, slots=True)
class Thing:
    """Bodies that stand together, and a block round them all, so that rays that miss it need no more."""

    around: Box
    parts: tuple[Box | Round, ...]


def together(*parts: Box | Round) -> Thing:
    """Put the block round some bodies."""
    corners = [(part.low, part.high) if isinstance(part, Box) else _extent(part) for part in parts]
    low, high = np.min([c[0] for c in corners], axis=0), np.max([c[1] for c in corners], axis=0)
    return Thing(Box(tuple(low), tuple(high), 0), parts)


def _extent(body: Round) -> tuple[tuple[float, ...], tuple[float, ...]]:
    pairs = list(zip(body.centre, body.radii, strict=True))
    return tuple(c - r for c, r in pairs), tuple(c + r for c, r in pairs)


def meet(rays: Rays, body: Box | Round) -> Floats:
    """Distance [n] at which each ray enters the body, `FAR` if it does not."""
    return meet_box(rays, body) if isinstance(body, Box) else meet_round(rays, body)


def normal_of(points: Floats, body: Box | Round) -> Floats:
    """Outward normals [3, n] at points on the body."""
    return normal_of_box(points, body) if isinstance(body, Box) else normal_of_round(points, body)


def touches(rays: Rays, box: Box) -> Flags:
    """Whether each ray meets the block, or begins in it."""
    near, far = _slabs(rays, box)
    return (near < far) & (far > 0)


def meet_box(rays: Rays, box: Box) -> Floats:
    """Distance [n] at which each ray enters the block, `FAR` if it does not (slab method)."""
    near, far = _slabs(rays, box)
    return np.where((near < far) & (near > 1e-3), near, FAR).astype(np.float32)


def leave_box(rays: Rays, box: Box) -> tuple[Floats, npt.NDArray[np.intp]]:
    """Distance at which each ray that begins inside leaves the block, and the axis of the side it leaves by."""
    sides = [np.maximum(*_side(rays, box, axis)) for axis in range(3)]
    far = np.minimum(np.minimum(sides[0], sides[1]), sides[2])
    return far, np.where(far == sides[0], 0, np.where(far == sides[1], 1, 2))


def meet_round(rays: Rays, body: Round) -> Floats:
    """Distance [n] at which each ray enters the body, `FAR` if it does not."""
    a, b, c = np.float32(0), np.float32(0), np.float32(-1)
    for axis in range(2 if body.upright else 3):
        scale = np.float32(1 / body.radii[axis])
        origin, toward = (rays.origin[axis] - np.float32(body.centre[axis])) * scale, rays.toward[axis] * scale
        a, b, c = a + toward * toward, b + origin * toward, c + origin * origin
    root = b * b - a * c
    distance = (-b - np.sqrt(np.maximum(root, 0))) / np.maximum(a, np.float32(1e-9))
    hit = (root > 0) & (distance > 1e-3)
    if body.upright:
        hit &= np.abs(rays.origin[2] + rays.toward[2] * distance - body.centre[2]) < body.radii[2]
    return np.where(hit, distance, FAR).astype(np.float32)


def normal_of_box(points: Floats, box: Box) -> Floats:
    """Outward normals [3, n] at points on the block's sides."""
    low, high = np.array(box.low, np.float32)[:, None], np.array(box.high, np.float32)[:, None]
    offset = (points - (low + high) / 2) / np.maximum((high - low) / 2, 1e-6)
    axis = np.abs(offset).argmax(axis=0)
    columns = np.arange(points.shape[1])
    normals = np.zeros_like(points)
    normals[axis, columns] = np.sign(offset[axis, columns])
    return normals


def normal_of_round(points: Floats, body: Round) -> Floats:
    """Outward normals [3, n] at points on the body."""
    normals = (points - np.array(body.centre, np.float32)[:, None]) / np.array(body.radii, np.float32)[:, None] ** 2
    if body.upright:
        normals[2] = 0
    return unit(normals)


def dot(left: Floats, right: Floats) -> Floats:
    """Scalar product of [3, n] and [3, n] (or [3, 1])."""
    product: Floats = left[0] * right[0] + left[1] * right[1] + left[2] * right[2]
    return product


def unit(vectors: Floats) -> Floats:
    """The same directions [3, n], of length 1."""
    return (vectors / np.maximum(np.sqrt(dot(vectors, vectors)), np.float32(1e-9))).astype(np.float32)


def _side(rays: Rays, box: Box, axis: int) -> tuple[Floats, Floats]:
    toward = rays.toward[axis]
    slope = 1 / np.where(np.abs(toward) < 1e-7, np.float32(1e-7), toward)
    return (np.float32(box.low[axis]) - rays.origin[axis]) * slope, (np.float32(box.high[axis]) - rays.origin[axis]) * slope


def _slabs(rays: Rays, box: Box) -> tuple[Floats, Floats]:
    low, high = _side(rays, box, 0)
    near, far = np.minimum(low, high), np.maximum(low, high)
    for axis in (1, 2):
        low, high = _side(rays, box, axis)
        near, far = np.maximum(near, np.minimum(low, high)), np.minimum(far, np.maximum(low, high))
    return near, far


@dataclass(frozen=True, slots=True)
class View:
    """A pinhole camera: where it hangs, what it looks at, and its picture's size in pixels."""

    eye: tuple[float, float, float]
    target: tuple[float, float, float]
    width: int
    height: int
    focal_px: float

    def axes(self) -> Floats:
        """Rows: right, down, forward [3, 3]."""
        return _axes(self.eye, self.target)

    def project(self, points: Floats) -> Floats:
        """World [3, n] to pixel x, pixel y and depth [3, n]; depth is kept above 0.05 m."""
        seen = self.axes() @ (points - np.array(self.eye, np.float32)[:, None])
        seen[2] = np.maximum(seen[2], 0.05)
        seen[0] = seen[0] / seen[2] * self.focal_px + self.width / 2
        seen[1] = seen[1] / seen[2] * self.focal_px + self.height / 2
        return seen

    def rays(self, shift: tuple[float, float]) -> Rays:
        """One ray a pixel, row by row, through its centre moved by `shift` pixels."""
        x = (np.arange(self.width, dtype=np.float32) + 0.5 + shift[0] - self.width / 2) / self.focal_px
        y = (np.arange(self.height, dtype=np.float32) + 0.5 + shift[1] - self.height / 2) / self.focal_px
        grid = np.stack([*np.meshgrid(x, y), np.ones((self.height, self.width), np.float32)]).reshape(3, -1)
        toward = unit((self.axes().T @ grid).astype(np.float32))
        return Rays(np.broadcast_to(np.array(self.eye, np.float32)[:, None], toward.shape), toward)


@cache
def _axes(eye: tuple[float, float, float], target: tuple[float, float, float]) -> Floats:
    forward = np.array(target, np.float64) - np.array(eye, np.float64)
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(forward, right), forward]).astype(np.float32)
