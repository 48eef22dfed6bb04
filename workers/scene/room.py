"""The demo's hall: what stands in it, what it is made of, and its picture by ray casting, lit by a sun and a sky behind windows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from workers.scene.geometry import Box, Flags, Floats, Rays, Round, Thing, View, dot, leave_box, meet, normal_of, together, touches, unit

FLOOR, WALL, CEILING, WOOD, METAL, POT, LEAF, STONE, PASSAGE, SKY, POSTER, SKIRT, DOOR = range(13)
Ids = npt.NDArray[np.intp]

HALL: Final = Box((-5.0, -3.0, 0.0), (5.0, 14.0, 4.2), WALL)
"""The hall's inside, metres."""
DOORWAY: Final = Box((-1.1, 13.9, 0.0), (1.3, 20.0, 2.5), PASSAGE)
"""The passage that leads away in the middle of the back wall."""
OPENING: Final = Box((4.9, 8.3, 0.0), (10.0, 10.3, 2.5), PASSAGE)
"""The passage that leads away to the right."""
WINDOWS: Final = ((0.6, 2.7), (4.0, 6.1), (7.4, 9.5), (10.8, 12.9))
"""Where they begin and end along the left wall."""
SILL: Final = 0.75
LINTEL: Final = 3.75


@dataclass(frozen=True, slots=True)
class Light:
    """The day's light."""

    sun: Floats
    """Unit direction towards the sun."""
    sun_colour: Floats
    """What it gives a surface that faces it, linear RGB."""
    sky_colour: Floats
    """How bright the windows are, linear RGB."""
    fill_colour: Floats
    """What has bounced about so often that it comes from everywhere."""


@dataclass(frozen=True, slots=True)
class Room:
    """Everything that stands still, and the light that falls on it."""

    light: Light
    things: tuple[Thing, ...]
    """What stands free in the hall and casts shadows."""
    trim: Thing
    """What is flat on the walls."""
    noise: Floats
    """[1024, 1024], tileable, mean 0, deviation 1."""
    tint: Floats
    """The walls' colour, linear RGB."""


@dataclass(frozen=True, slots=True)
class Hit:
    """What rays met: distance [n], material [n], outward normal [3, n], place [3, n]."""

    distance: Floats
    material: Ids
    normal: Floats
    place: Floats


@dataclass(frozen=True, slots=True)
class Plate:
    """The empty hall as the camera sees it, in layers of linear RGB float32 [h, w, 3]."""

    soft: Floats
    """What the sky and the walls give."""
    sun: Floats
    """What the sun adds."""
    depth: Floats
    """Metres along the camera's axis [h, w]."""
    floor: npt.NDArray[np.bool_]
    """Where the floor is seen [h, w]."""


def build_room(rng: np.random.Generator) -> Room:
    """Furnish the hall; the hour, the weather and the plants differ by `rng`."""
    height, swing, warmth = rng.uniform(0.62, 0.85), rng.uniform(-0.05, 0.3), rng.uniform(0.0, 1.0)
    light = Light(
        sun=unit(np.array([[-1.0], [swing], [height]], np.float32)),
        sun_colour=np.array([1.5, 1.22 + 0.1 * warmth, 0.76 + 0.24 * warmth], np.float32),
        sky_colour=np.array([0.86, 0.96, 1.12], np.float32) * 2.6,
        fill_colour=np.array([0.25, 0.243, 0.235], np.float32),
    )
    tints = np.array([[0.68, 0.62, 0.52], [0.6, 0.63, 0.58], [0.66, 0.6, 0.57], [0.6, 0.62, 0.66]], np.float32)
    plants = [_plant(rng, x, y, size) for x, y, size in ((-4.35, 13.2, 1.0), (4.4, 7.75, 0.8))]
    columns = [_column(y) for y in (6.75, 10.15)]
    return Room(light, (_bench(), _desk(), *plants, *columns), _trim(), fractal(rng), tints[rng.integers(len(tints))])


def _bench() -> Thing:
    legs = [Box((4.2, y, 0.0), (4.7, y + 0.08, 0.40), METAL) for y in (4.8, 6.9)]
    return together(Box((4.15, 4.6, 0.40), (4.75, 7.2, 0.47), WOOD), Box((4.70, 4.6, 0.55), (4.78, 7.2, 0.95), WOOD), *legs)


def _desk() -> Thing:
    return together(Box((2.2, 12.2, 0.0), (4.3, 12.9, 1.02), WOOD), Box((2.1, 12.1, 1.02), (4.4, 13.0, 1.08), STONE))


def _trim() -> Thing:
    door = Box((4.93, 11.2, 0.0), (5.0, 12.2, 2.15), DOOR)
    skirting = [Box((-5.0, 13.96, 0.0), (-1.1, 14.0, 0.14), SKIRT), Box((1.3, 13.96, 0.0), (5.0, 14.0, 0.14), SKIRT)]
    frame = [Box((-1.25, 13.93, 0.0), (-1.1, 14.0, 2.65), SKIRT), Box((1.3, 13.93, 0.0), (1.45, 14.0, 2.65), SKIRT)]
    pictures = [Box((-3.9, 13.94, 1.3), (-2.3, 14.0, 2.5), POSTER), Box((2.35, 13.94, 1.75), (4.2, 14.0, 2.75), POSTER)]
    return together(door, *skirting, *frame, Box((-1.25, 13.93, 2.5), (1.45, 14.0, 2.65), SKIRT), *pictures)


def _column(y: float) -> Thing:
    foot = Round((-3.5, y, 0.11), (0.36, 0.36, 0.11), STONE, upright=True)
    return together(Round((-3.5, y, 2.1), (0.27, 0.27, 2.1), STONE, upright=True), foot)


def _plant(rng: np.random.Generator, x: float, y: float, size: float) -> Thing:
    bodies = [Round((x, y, 0.24 * size), (0.24 * size, 0.24 * size, 0.24 * size), POT, upright=True)]
    for _ in range(26):
        turn, lift = rng.uniform(0, 2 * np.pi), rng.uniform(0.55, 1.6) * size
        reach = rng.uniform(0.2, 1.0) * 0.36 * size * (1.5 - abs(lift / size - 0.95))
        centre = (float(x + reach * np.cos(turn)), float(y + reach * np.sin(turn)), float(lift))
        radii = rng.permutation([0.16, 0.11, 0.07]) * size
        bodies.append(Round(centre, (float(radii[0]), float(radii[1]), float(radii[2])), LEAF))
    return together(*bodies)


def fractal(rng: np.random.Generator, size: int = 1024) -> Floats:
    """Tileable noise whose power falls as 1/f^2: float32 [size, size], mean 0, deviation 1."""
    rows, columns = np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None]
    strength = 1 / np.maximum(np.hypot(rows, columns), 2 / size) ** 1.1
    field = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((size, size))) * strength, s=(size, size))
    return ((field - field.mean()) / field.std()).astype(np.float32)


def grain(room: Room, u: Floats, v: Floats) -> Floats:
    """The noise at texture coordinates, one unit a tile, wrapping."""
    size = len(room.noise)
    wrapped: Floats = room.noise[(v * size).astype(np.int64) % size, (u * size).astype(np.int64) % size]
    return wrapped


def in_window(y: Floats, z: Floats) -> npt.NDArray[np.bool_]:
    """Whether a place on the left wall is glass: panes 0.7 m wide between bars."""
    inside = np.zeros(y.shape, bool)
    for begin, end in WINDOWS:
        inside |= (y > begin) & (y < end) & (np.abs((y - begin) % 0.7 - 0.35) < 0.32)
    return inside & (z > SILL) & (z < LINTEL) & (np.abs(z - 2.9) > 0.03)


def trace(room: Room, rays: Rays) -> Hit:
    """The nearest thing that each ray meets; rays begin inside the hall."""
    hit = _passages(rays, _shell(rays))
    for thing in (*room.things, room.trim):
        near = touches(rays, thing.around)
        if near.any():
            _add(rays, hit, thing, near)
    return Hit(hit.distance, hit.material, hit.normal, rays.points(hit.distance))


def _shell(rays: Rays) -> Hit:
    distance, axis = leave_box(rays, HALL)
    place = rays.points(distance)
    material = np.where(axis == 2, np.where(rays.toward[2] < 0, FLOOR, CEILING), WALL)
    material[(axis == 0) & (rays.toward[0] < 0) & in_window(place[1], place[2])] = SKY
    return Hit(distance, material, _inward(rays, axis), place)


def _inward(rays: Rays, axis: Ids) -> Floats:
    columns = np.arange(len(axis))
    normal = np.zeros(rays.toward.shape, np.float32)
    normal[axis, columns] = -np.sign(rays.toward[axis, columns])
    return normal


def _passages(rays: Rays, hit: Hit) -> Hit:
    for passage in (DOORWAY, OPENING):
        low, high = np.array(passage.low, np.float32)[:, None], np.array(passage.high, np.float32)[:, None]
        through = ((hit.place >= low) & (hit.place <= high)).all(axis=0) & (hit.material == WALL)
        if through.any():
            inner = rays.only(through)
            far, axis = leave_box(inner, passage)
            hit.distance[through], hit.normal[:, through] = far, _inward(inner, axis)
            hit.material[through] = np.where((axis == 2) & (inner.toward[2] < 0), FLOOR, PASSAGE)
    return hit


def _add(rays: Rays, hit: Hit, thing: Thing, near: Flags) -> None:
    """Put a thing's surface into `hit` where it is nearer than what is there."""
    some, rows = rays.only(near), np.flatnonzero(near)
    for part in thing.parts:
        reach = meet(some, part)
        nearer = reach < hit.distance[rows]
        if nearer.any():
            hit.distance[rows[nearer]], hit.material[rows[nearer]] = reach[nearer], part.material
            hit.normal[:, rows[nearer]] = normal_of(some.points(reach)[:, nearer], part)


def blocked(room: Room, rays: Rays, reach: Floats) -> Flags:
    """Whether something stands in the way before `reach`."""
    hit = np.zeros(len(reach), bool)
    for thing in room.things:
        near = touches(rays, thing.around) & ~hit
        if near.any():
            some = rays.only(near)
            hit[near] = np.any([meet(some, part) < reach[near] for part in thing.parts], axis=0)
    return hit


def _within(places: Floats) -> Flags:
    return (places[1] < HALL.high[1]) & (places[0] < HALL.high[0])


def sunlit(room: Room, rays: Rays) -> Flags:
    """Whether rays towards the sun leave the hall through a window, past the furniture."""
    reach = ((HALL.low[0] - rays.origin[0]) / rays.toward[0]).astype(np.float32)
    there = rays.points(reach)
    lit = in_window(there[1], there[2]) & _within(rays.origin)
    lit[lit] &= ~blocked(room, rays.only(lit), reach[lit])
    return lit


def skylight(room: Room, places: Floats, normals: Floats, spots: Floats) -> Floats:
    """How much of the sky behind the windows [n] falls on each place, seen through one spot [2, n] of each window."""
    total = np.zeros(places.shape[1], np.float32)
    for begin, end in WINDOWS:
        depth, height = begin + spots[0] * (end - begin), SILL + spots[1] * (LINTEL - SILL)
        way = np.stack([HALL.low[0] - 0.01 - places[0], depth - places[1], height - places[2]]).astype(np.float32)
        distance = np.sqrt(dot(way, way))
        toward = way / distance
        form = np.maximum(dot(toward, normals), 0) * np.abs(toward[0]) / np.maximum(distance, 0.6) ** 2
        seen = (form > 1e-4) & _within(places)
        seen[seen] &= ~blocked(room, Rays(places[:, seen], toward[:, seen]), distance[seen])
        total += np.where(seen, form * (end - begin) * (LINTEL - SILL) / np.pi, 0).astype(np.float32)
    return total


def openness(room: Room, places: Floats, normals: Floats, rng: np.random.Generator) -> Floats:
    """How free the surroundings of each place are [n], 0 to 1 (ambient occlusion by one ray of 1.2 m)."""
    toward = unit(normals + unit(rng.standard_normal(places.shape, np.float32)) * np.float32(0.98))
    rays = Rays(places, toward)
    shell, _ = leave_box(rays, HALL)
    near = np.where(_within(places), np.minimum(shell / 1.2, 1), 0.8)
    return np.where(blocked(room, rays, np.full(len(near), 1.2, np.float32)), 0.25, near).astype(np.float32)


def albedo(room: Room, hit: Hit) -> Floats:
    """Each place's own colour, linear RGB [n, 3]."""
    x, y, z = hit.place
    colours = np.array(
        [
            [0.40, 0.37, 0.33], [0, 0, 0], [0.75, 0.74, 0.72], [0.26, 0.14, 0.07], [0.10, 0.10, 0.11], [0.42, 0.20, 0.13],
            [0.06, 0.15, 0.05],
            [0.50, 0.48, 0.44], [0.50, 0.46, 0.40], [1, 1, 1], [0.5, 0.5, 0.5], [0.20, 0.15, 0.11], [0.20, 0.11, 0.06],
        ],
        np.float32,
    )  # fmt: skip
    colours[WALL] = room.tint
    colour = colours[hit.material]
    u, v = np.where(np.abs(hit.normal[0]) > 0.5, y, x), np.where(np.abs(hit.normal[2]) > 0.5, y, z)
    rough = grain(room, u / 3, v / 3)
    fine = grain(room, u / 0.7, v / 0.7)
    strength = np.array([0.05, 0.035, 0.02, 0.1, 0.05, 0.08, 0.3, 0.07, 0.04, 0, 0.25, 0.08, 0.1], np.float32)[hit.material]
    shade = 1 + strength * (rough + 0.7 * fine)
    floor = hit.material == FLOOR
    shade[floor] *= _tiles(room, x[floor], y[floor])
    wood = (hit.material == WOOD) | (hit.material == DOOR)
    shade[wood] *= 1 + 0.16 * grain(room, u[wood] / 0.15, v[wood] / 4 + z[wood] / 9)
    poster = hit.material == POSTER
    colour[poster] = _painting(room, x[poster], z[poster])
    return np.maximum(colour * shade[:, None], 0).astype(np.float32)


def _tiles(room: Room, x: Floats, y: Floats) -> Floats:
    size = 0.8
    column, row = np.floor(x / size), np.floor(y / size)
    edge = np.minimum(np.abs(x / size - np.round(x / size)), np.abs(y / size - np.round(y / size))) * size
    own = grain(room, column * 0.137, row * 0.291)
    checker = np.where((column + row) % 2 == 0, 1.0, 0.82)
    veins = np.exp(-np.abs(grain(room, x / 5 + column * 0.31, y / 5 + row * 0.17)) * 9) * 0.16
    tile = checker * (1 + 0.05 * own) - veins
    return np.where(edge < 0.008, 0.55, tile).astype(np.float32)


def _painting(room: Room, x: Floats, z: Floats) -> Floats:
    field = grain(room, x / 6 + 0.2, z / 4 + 0.4)
    other = grain(room, x / 3 + 0.7, z / 9 + 0.1)
    horizon = 1 / (1 + np.exp(-(z - 2.1 - 0.15 * field) * 9))
    low = np.array([0.16, 0.22, 0.16], np.float32) * (1 + 0.3 * field[:, None])
    high = np.array([0.62, 0.52, 0.40], np.float32) * (1 + 0.1 * other[:, None])
    left = x < 0
    edge = np.minimum(np.where(left, np.minimum(x + 3.9, -2.3 - x), np.minimum(x - 2.35, 4.2 - x)), np.where(left, 2.5 - z, 2.75 - z))
    edge = np.minimum(edge, np.where(left, z - 1.3, z - 1.75))
    picture = low * (1 - horizon[:, None]) + high * horizon[:, None]
    return np.where(edge[:, None] < 0.05, np.array([0.05, 0.04, 0.03], np.float32), picture).astype(np.float32)


def light_on(room: Room, hit: Hit, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """What the sky and walls, and what the sun, give each place: two of linear RGB [n, 3], before its own colour."""
    places = hit.place + hit.normal * np.float32(0.004)
    sky = skylight(room, places, hit.normal, rng.random((2, places.shape[1]), np.float32))
    ambient = openness(room, places, hit.normal, rng) * (0.78 + 0.22 * hit.normal[2])
    lamps = np.where(_within(places), 0, 1 / (1 + 0.25 * np.abs(places[1] - 15.5)))
    soft = sky[:, None] * room.light.sky_colour + ambient[:, None] * room.light.fill_colour
    soft = soft + lamps[:, None] * np.array([0.42, 0.34, 0.24], np.float32)
    blur = unit(room.light.sun + rng.standard_normal(places.shape, np.float32) * np.float32(0.012))
    facing = np.maximum(dot(hit.normal, blur), 0)
    lit = facing > 0
    lit[lit] = sunlit(room, Rays(places[:, lit], blur[:, lit]))
    return soft.astype(np.float32), ((lit * facing)[:, None] * room.light.sun_colour).astype(np.float32)


def photograph(room: Room, view: View, rng: np.random.Generator, passes: int = 4) -> Plate:
    """Render the empty hall, one ray a pixel and pass; the grain of its light is smoothed within each surface."""
    shape = (view.height, view.width, 3)
    glow, own, mirrored, sun = (np.zeros(shape, np.float32) for _ in range(4))
    for index in range(passes):
        rays = view.rays(((index % 2) / 2 - 0.25, (index // 2 % 2) / 2 - 0.25))
        hit = trace(room, rays)
        colour = albedo(room, hit).reshape(shape)
        soft, shine = light_on(room, hit, rng)
        glow += soft.reshape(shape) / passes
        own += colour / passes
        mirrored += _mirror(room, rays, hit, rng).reshape(shape) / passes
        sun += cv2.GaussianBlur(shine.reshape(shape), (0, 0), 0.7) * colour / passes
    hit = trace(room, view.rays((0, 0)))
    surface = _surface(hit).reshape(shape[:2])
    depth = view.project(hit.place)[2].reshape(shape[:2])
    bright = np.minimum(mirrored, 2)
    soft_layer = _smooth(glow, surface) * own + bright + 0.05 * cv2.GaussianBlur(bright, (0, 0), 14)
    return Plate(soft_layer, sun, depth, (hit.material == FLOOR).reshape(shape[:2]))


def _surface(hit: Hit) -> Ids:
    """A number for each place that is the same on one side of one thing."""
    turned = np.rint(hit.normal * 1.4).astype(np.intp)
    flat = ~np.isin(hit.material, (STONE, POT, LEAF))
    return hit.material * 27 + (turned[0] * 9 + turned[1] * 3 + turned[2]) * flat


def _smooth(light: Floats, surface: Ids) -> Floats:
    """Average light [h, w, 3] over a widening cross of neighbours on the same surface (Dammertz et al. 2010, a-trous)."""
    for step in (1, 2, 4, 8, 3):
        for axis in (0, 1):
            total, weight = light * 0.4, np.full(surface.shape, 0.4, np.float32)
            for shift, share in ((-2 * step, 0.1), (-step, 0.2), (step, 0.2), (2 * step, 0.1)):
                same = (np.roll(surface, shift, axis) == surface) * np.float32(share)
                total += np.roll(light, shift, axis) * same[..., None]
                weight += same
            light = total / weight[..., None]
    return light


def _mirror(room: Room, rays: Rays, hit: Hit, rng: np.random.Generator) -> Floats:
    """What the polished floor mirrors, and what is behind the windows: linear RGB [n, 3]."""
    shine = np.zeros((len(hit.distance), 3), np.float32)
    glass = hit.material == SKY
    shine[glass] = outside(room, hit.place[:, glass])
    floor = hit.material == FLOOR
    toward = rays.toward[:, floor] * np.array([[1], [1], [-1]], np.float32)
    toward = unit(toward + rng.standard_normal(toward.shape, np.float32) * np.float32(0.022))
    there = trace(room, Rays(hit.place[:, floor] + np.array([[0], [0], [0.01]], np.float32), toward))
    seen = albedo(room, there) * np.float32(0.33)
    glass = there.material == SKY
    seen[glass] = outside(room, there.place[:, glass]) * 1.2
    grazing = (1 - np.abs(rays.toward[2][floor])) ** 3
    shine[floor] = seen * (0.03 + 0.42 * grazing)[:, None]
    return shine


def outside(room: Room, places: Floats) -> Floats:
    """What is seen through the windows, out of focus: sky above trees; linear RGB [n, 3]."""
    crown = 1.7 + 0.35 * grain(room, places[1] / 14, places[1] / 40)
    tree = 1 / (1 + np.exp((places[2] - crown) * 6))
    leaves = np.array([0.42, 0.62, 0.34], np.float32) * (1 + 0.25 * grain(room, places[1] / 5, places[2] / 5))[:, None]
    colour: Floats = room.light.sky_colour * 0.5 * (1 - tree[:, None]) + leaves * 1.1 * tree[:, None]
    return colour.astype(np.float32)
