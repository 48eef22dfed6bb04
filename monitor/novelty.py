"""What a camera has seen and heard, kept as examples, and how far what comes next is from them.

Pictures by place: each of the 7 x 7 cells is compared with the examples of its own and its neighbouring cells, in a metric
that is whitened with the camera's own covariance (Mahalanobis; compare PatchCore, Roth et al. 2022, whose memory is likewise
a bank of mid-level patches thinned to what differs). Sounds: distance to the nearest examples over the distance that these
have among themselves (local outlier factor, Breunig et al. 2000), so that speech, which varies, may be far from speech
already heard, and a new sound amid silence may not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from monitor.motion import CELLS

Floats = npt.NDArray[np.float32]

SIDE: Final = 7
CHANNELS: Final = 112
PLACES: Final = SIDE * SIDE
SHRINK: Final = 0.1
"""Share of the mean variance added to each direction's before whitening."""
QUIET: Final = 0.2
"""This quantile of the cells' movement is a camera's own stillness: its noise."""
LEAST: Final = 1.4
"""What is nearer than so many times the noise is not worth keeping."""
WIDER: Final = 1.15
"""The step by which the distance between examples grows where there are too many of them."""
ROOM: Final = 0.5
"""The first examples fill at most this share of the memory, …"""
ROOM_LATER: Final = 0.8
"""… and when it is full it is thinned to this share."""
SMALLEST: Final = 4 * PLACES
"""No picture's memory is smaller: a single picture gives an example a place."""
NEAREST: Final = 3
"""Neighbours of a sound."""
FLOOR: Final = 0.3
"""So much of what is typical is added to the nearest examples' own distance."""
WIDTH: Final = 256
"""Sounds are projected to so many numbers (Johnson and Lindenstrauss 1984)."""
APART_S: Final = 1.6
"""Sounds nearer in time than this overlap, or nearly: they are no neighbours."""


def _near() -> npt.NDArray[np.bool_]:
    """Which places are the same or neighbours: [49, 49]."""
    row, column = np.divmod(np.arange(PLACES), SIDE)
    near: npt.NDArray[np.bool_] = (np.abs(row[:, None] - row) <= 1) & (np.abs(column[:, None] - column) <= 1)
    return near


def _spread() -> Floats:
    """How much of each cell of the motion raster lies in each place: [49, 16], rows add up to 1."""
    places, cells = np.arange(SIDE)[:, None], np.arange(CELLS)
    overlap = np.minimum((places + 1) / SIDE, (cells + 1) / CELLS) - np.maximum(places / SIDE, cells / CELLS)
    share = np.maximum(overlap, 0) * SIDE  # [7, 4]
    spread: Floats = np.einsum("ia,jb->ijab", share, share).reshape(PLACES, CELLS * CELLS).astype(np.float32)
    return spread


@dataclass(frozen=True, slots=True)
class Seen:
    """A picture beside what was kept then."""

    distances: Floats
    """Of each place [49] from the nearest example."""
    new: npt.NDArray[np.intp]
    """The places [n] that were farther than noise, …"""
    white: Floats
    """… and what they looked like, in the camera's metric [n, 112]."""
    time: float


class Places:
    """Examples of what each place of a camera's picture looks like; at most `memory` of them."""

    DERIVED: Final = ("_near", "_spread", "_lengths")

    def __init__(self, memory: int, grids: Floats, motions: Floats) -> None:
        """Settle on a metric, a stillness and the first examples. grids: [n, 49, 112]; motions: [n, 16] (n may be 0 there)."""
        flat = grids.reshape(-1, CHANNELS)
        variance, axes = np.linalg.eigh(np.cov(flat.T.astype(np.float64)))
        self._mean = flat.mean(0)
        self._whiten = (axes / np.sqrt(np.maximum(variance, 0) + SHRINK * variance.mean() + 1e-9)).astype(np.float32)
        self._near, self._spread = _near(), _spread()
        self._still = max(float(np.quantile(motions @ self._spread.T, QUIET)), 1e-3) if len(motions) else 1.0
        self._memory = max(memory, SMALLEST)
        self.least = self._steps(grids)
        while not self._fits(grids):
            self.least *= WIDER

    def _steps(self, grids: Floats) -> float:
        """How far a place is from itself a sample before, where little happens: what noise alone does."""
        white = self._white(grids[-64:])
        return LEAST * float(np.median(np.sqrt(((white[1:] - white[:-1]) ** 2).sum(-1)))) if len(white) > 1 else 1.0

    def _fits(self, grids: Floats) -> bool:
        self._clear()
        for time, grid in enumerate(grids):
            if self._count > ROOM * self._memory:
                return False
            self.learn(self.see(grid, float(time - len(grids))))
        return True

    def _clear(self) -> None:
        self._count = 0
        self._examples = np.zeros((self._memory, CHANNELS), np.float32)
        self._lengths = np.full((PLACES, self._memory), np.inf, np.float32)
        """Each example's squared length, for the places that are compared with it."""
        self._place = np.zeros(self._memory, np.intp)
        self._used = np.full(self._memory, -math.inf)

    def derive(self) -> None:
        """Work out what follows from the rest."""
        self._near, self._spread = _near(), _spread()
        self._lengths = np.full((PLACES, self._memory), np.inf, np.float32)
        for slot in range(self._count):
            self._put(slot, self._examples[slot], int(self._place[slot]), float(self._used[slot]))

    def _white(self, grids: Floats) -> Floats:
        white: Floats = (grids - self._mean) @ self._whiten
        return white

    @property
    def examples(self) -> int:
        """How many it has."""
        return self._count

    def see(self, grid: Floats, time: float) -> Seen:
        """Put a grid [49, 112] beside what was seen at each place and next to it."""
        white = self._white(grid)
        distances = self._distances(white, np.arange(PLACES), time)
        new = np.flatnonzero(distances > self.least)
        return Seen(distances, new, white[new], time)

    def _distances(self, white: Floats, places: npt.NDArray[np.intp], time: float) -> Floats:
        """Distance of each of some places [n, 112] from the nearest example; those that were nearest are marked as used."""
        if self._count == 0:
            return np.full(len(places), math.inf, np.float32)
        kept = slice(0, self._count)
        squares = white @ self._examples[kept].T  # [n, examples]
        squares *= -2
        squares += self._lengths[:, kept] if len(places) == PLACES else self._lengths[places][:, kept]
        nearest = squares.argmin(axis=1)
        self._used[nearest] = np.maximum(self._used[nearest], time)
        square = squares[np.arange(len(places)), nearest] + (white * white).sum(axis=1)
        distances: Floats = np.sqrt(np.maximum(square, 0)).astype(np.float32)
        return distances

    def learn(self, seen: Seen) -> None:
        """Keep the places that are farther from all examples than `least`, which grows when there is no more room."""
        if len(seen.new) == 0:
            return
        still_new = self._distances(seen.white, seen.new, seen.time) > self.least
        for place, white in zip(seen.new[still_new], seen.white[still_new], strict=True):
            if self._count == self._memory:
                self._thin()
            slot = self._count
            self._count += 1
            self._put(slot, white, int(place), seen.time)

    def _put(self, slot: int, white: Floats, place: int, time: float) -> None:
        self._examples[slot], self._place[slot], self._used[slot] = white, place, time
        self._lengths[:, slot] = np.where(self._near[place], white @ white, np.inf)

    def _thin(self) -> None:
        """Make room: of examples that are nearer to each other than a larger `least`, keep the one used last."""
        order = np.argsort(-self._used[: self._count], kind="stable")
        examples, places, used = self._examples[order], self._place[order], self._used[order]
        while self._count > ROOM_LATER * self._memory:
            self.least *= WIDER
            self._clear()
            for index, place in enumerate(places):
                if self._distances(examples[index][None], places[index : index + 1], -math.inf)[0] > self.least:
                    self._put(self._count, examples[index], int(place), float(used[index]))
                    self._count += 1

    def restless(self, motion: Floats) -> Floats:
        """How much each place [49] moves, in multiples of the camera's own stillness; at least 1. motion: [16], or empty."""
        if len(motion) == 0:
            return np.ones(PLACES, np.float32)
        restless: Floats = np.maximum(self._spread @ motion / np.float32(self._still), 1).astype(np.float32)
        return restless


@dataclass(frozen=True, slots=True)
class Heard:
    """A sound in the camera's metric [256], and how far out it was among what was kept then."""

    point: Floats
    factor: float
    time: float


class Sounds:
    """Examples of what a camera hears; at most `memory` of them, a fair sample of all that was learned."""

    DERIVED: Final = ("_project",)

    def __init__(self, memory: int, vectors: Floats) -> None:
        """Settle on a metric, from vectors [n, features]; they are not learned yet."""
        self._mean = vectors.mean(0)
        deviation = vectors.std(0)
        self._scale = 1 / (deviation + 0.05 * deviation.mean() + 1e-6)
        self._rng = self.derive()
        self._count = self._learned = self._measured = 0
        self._usual = 0.0
        """The median distance of an example from its nearest: among sounds that hardly differ, smaller differences are noise."""
        self._points = np.zeros((memory, WIDTH), np.float32)
        self._squares = np.zeros(memory, np.float32)
        self._times = np.full(memory, -math.inf)
        self._close = np.full((memory, NEAREST), np.inf, np.float32)

    def derive(self) -> np.random.Generator:
        """Work out the projection, which is the same for every camera; gives the numbers that follow it."""
        rng = np.random.default_rng(0)
        project = rng.standard_normal((len(self._scale), WIDTH)).astype(np.float32) / np.float32(math.sqrt(WIDTH))
        self._project = (self._scale[:, None] * project).astype(np.float32)
        return rng

    @property
    def examples(self) -> int:
        """How many it has."""
        return self._count

    def hear(self, vector: Floats, time: float) -> Heard:
        """Put a sound's vector beside what is kept."""
        point = (vector - self._mean) @ self._project
        return Heard(point, self._factor(self._distances(point, time)), time)

    def _distances(self, point: Floats, time: float) -> Floats:
        kept = slice(0, self._count)
        squares = self._squares[kept] - 2 * (self._points[kept] @ point) + point @ point
        distances: Floats = np.sqrt(np.maximum(squares, 1e-6)).astype(np.float32)
        distances[np.abs(self._times[kept] - time) < APART_S] = np.inf
        return distances

    def _factor(self, distances: Floats) -> float:
        """Distance to the nearest examples over their own distance from each other: about 1 for what is usual."""
        if np.count_nonzero(np.isfinite(distances)) <= NEAREST:
            return 1.0
        nearest = np.argpartition(distances, NEAREST)[:NEAREST]
        among = self._close[nearest]
        among = among[np.isfinite(among)]
        if len(among) == 0:
            return 1.0
        if self._learned >= self._measured * 5 // 4:
            self._usual, self._measured = self._typical(), self._learned
        return float((1 + FLOOR) * distances[nearest].mean() / (among.mean() + FLOOR * self._usual))

    def _typical(self) -> float:
        close = self._close[: self._count]
        return float(np.median(close[np.isfinite(close)]))

    def learn(self, heard: Heard) -> None:
        """Keep it, if its turn comes (reservoir sampling: Vitter 1985), and let its neighbours know."""
        memory = len(self._points)
        self._learned += 1
        slot = self._count if self._count < memory else int(self._rng.integers(self._learned))
        if slot >= memory:
            return
        distances = self._distances(heard.point, heard.time)
        self._join(distances)
        ordered = np.sort(distances)[:NEAREST]
        self._close[slot, :] = np.inf
        self._close[slot, : len(ordered)] = ordered
        self._points[slot], self._squares[slot], self._times[slot] = heard.point, heard.point @ heard.point, heard.time
        self._count = min(self._count + 1, memory)

    def _join(self, distances: Floats) -> None:
        close = self._close[: len(distances)]
        farthest = close.argmax(axis=1)
        rows = np.flatnonzero(distances < close[np.arange(len(close)), farthest])
        close[rows, farthest[rows]] = distances[rows]
