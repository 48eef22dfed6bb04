"""Short clips, all made alike, as numbers of a picture: how it moves, what its people do, and what the place of action looks like.

Every clip is sampled at one rate, brought to one width and compressed in one way, for its file's own rate, size and codec tell
where it comes from. Its sound is brought to one loudness.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, Final

import av
import cv2
import numpy as np
import numpy.typing as npt

from monitor import closeup, config
from monitor.closeup import HOW
from monitor.errors import SourceError
from monitor.flowfield import FLOW, FlowField, statistics
from monitor.hearing import SoundEncoder
from monitor.interaction import CLOSE, INTERACTION, MOST, Moment, Person, interaction, person
from monitor.jpeg import Image, decode_jpeg
from monitor.motion import Change, change, scaled, summary
from monitor.objects import Detector, Poser, detector, poser
from monitor.vision import PictureEncoder, picture_encoder
from workers.training.bank import Bank, Tokens, Track, cached, gather, joined
from workers.training.rows import Row
from workers.training.sounds import heard, samples_of

Floats = npt.NDArray[np.float32]
Progress = Callable[[Iterable[Any], str, int], Iterable[Any]]

WIDTH: Final = 320
QUALITY: Final = 80
"""Of the JPEG that every picture goes through."""
STEP_S: Final = 0.1
LONGEST_S: Final = 3.0
EVERY: Final = 2
"""People are looked for in every second picture: that costs most."""
RECENT: Final = 5
"""Moments that the coarse motion of a picture is summed up over: as many as lie between two pictures live."""
MOVING: Final = 30
"""Of the coarse motion's numbers, those that say how it moves; the rest say where it is."""
THRESHOLD: Final = 0.25
LOUDNESS: Final = 0.1
"""Root mean square that every sound is brought to."""
PIECE: Final = 10
"""Clips that are kept in one file."""
SILENT: Final = 1e-3
"""A track that is quieter than this (-60 dB of full scale) is none."""

GROUPS: Final = {
    "motion": slice(0, MOVING),
    "flow": slice(MOVING, MOVING + FLOW),
    "people": slice(MOVING + FLOW, MOVING + FLOW + INTERACTION),
    "closeup": slice(MOVING + FLOW + INTERACTION, MOVING + FLOW + INTERACTION + HOW),
}
"""Columns of a clip's `motion`."""
VERSION: Final = 2


@dataclass(frozen=True, slots=True)
class Networks:
    """What looks at a clip."""

    detector: Detector
    poser: Poser
    encoder: PictureEncoder

    @classmethod
    def load(cls, models: config.Models) -> Networks:
        """Raises ModelError saying what to fetch."""
        return cls(detector(models), poser(models), picture_encoder(models))

    @property
    def names(self) -> tuple[str, ...]:
        """With the hashes of their weights."""
        return self.detector.name, self.poser.name, self.encoder.name


def clip_bank(rows: Sequence[Row], models: config.Models, progress: Progress) -> Bank:
    """Clips as pictures a STEP_S apart: `motion` holds GROUPS, `values` the embedding of the place of action [1280]."""
    networks = Networks.load(models)
    settings = (VERSION, networks.names, WIDTH, QUALITY, STEP_S, LONGEST_S, EVERY, MOST, THRESHOLD)
    pieces = [rows[at : at + PIECE] for at in range(0, len(rows), PIECE)]
    return joined([_piece(piece, settings, networks) for piece in progress(pieces, "clips", len(pieces))])


def _piece(rows: Sequence[Row], settings: tuple[object, ...], networks: Networks) -> Bank:
    """Some clips; kept by themselves, so that what was interrupted goes on."""
    key = [*settings, *((row.name, row.path.stat().st_size, row.group) for row in rows)]
    return cached("clips", key, lambda: gather((_track(row), watched(row.path, networks)) for row in rows))


def voice_bank(rows: Sequence[Row], encoder: SoundEncoder, progress: Progress) -> Bank | None:
    """The clips that have sound, at one loudness, as sound tokens; None if there are none."""
    key = [VERSION, encoder.name, LOUDNESS, SILENT, [(row.name, row.path.stat().st_size) for row in rows]]
    pairs = (
        (_track(row), heard(samples, encoder))
        for row in progress(rows, "their sound", len(rows))
        for samples in [audible(row.path)]
        if samples is not None
    )
    try:
        return cached("clips-heard", key, lambda: gather(pairs))
    except ValueError:  # of gather, which was given none
        return None


def _track(row: Row) -> Track:
    return Track(name=row.name, label=row.label, group=row.group, fold=-1)


def audible(path: Path) -> Floats | None:
    """A clip's sound [n] at the one loudness; None where it has no track, or a silent one. Raises SourceError for what is no video."""
    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                return None
        samples = samples_of(path)
    except av.FFmpegError as error:
        raise SourceError(f"{path}: its sound can't be read: {error}") from error
    level = float(np.sqrt(np.square(samples).mean())) if len(samples) else 0.0
    return None if level < SILENT else np.asarray(np.clip(samples * (LOUDNESS / level), -1, 1), np.float32)


def pictures_of(path: Path) -> Iterator[tuple[float, Image]]:
    """A video's RGB pictures and their times, a STEP_S apart, at one width and compression. Raises SourceError if it can't be read."""
    due = 0.0
    try:
        with av.open(str(path)) as container:
            first: float | None = None
            for frame in container.decode(video=0):
                first = frame.time if first is None else first
                at = (frame.time or 0.0) - (first or 0.0)
                if at > LONGEST_S:
                    break
                if at + 1e-3 >= due:
                    due = max(due + STEP_S, at + STEP_S / 2)
                    yield at, _alike(np.asarray(frame.to_ndarray(format="bgr24"), np.uint8))
    except (av.FFmpegError, IndexError) as error:
        raise SourceError(f"{path}: its pictures can't be read: {error}") from error


def _alike(image: Image) -> Image:
    """BGR of any size to RGB of one width, through one JPEG."""
    height = round(image.shape[0] * WIDTH / image.shape[1] / 2) * 2
    scaled = image if image.shape[1] == WIDTH else cv2.resize(image, (WIDTH, height), interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode(".jpg", scaled, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return decode_jpeg(data.tobytes())


def watched(path: Path, networks: Networks) -> Tokens:
    """A clip's pictures from the second on, in numbers; people are looked for in every EVERY-th, and kept until the next.

    Raises SourceError if it has no two pictures.
    """
    cv2.setNumThreads(1)
    flow, numbers, places, times = FlowField(), [], [], []
    moments: list[Moment] = []
    changes: list[Change] = []
    fine: list[tuple[float, npt.NDArray[np.uint8]]] = []
    earlier = np.empty((0, 0), np.uint8), 0.0
    velocity: Floats | None = None
    for number, (at, image) in enumerate(pictures_of(path)):
        (before, then), earlier = earlier, (_grey(image), at)
        fine.append((at, scaled(earlier[0], closeup.ROWS, closeup.COLUMNS)))
        if number:
            changes = [*changes, change(scaled(before), scaled(earlier[0]), at - then)][-RECENT:]
            last, velocity = velocity, flow(before, earlier[0], at - then)
            moved = np.concatenate([summary(changes, None)[:MOVING], statistics(velocity, last)])
        if number % EVERY == 0:
            moments = [*moments, Moment(at, people_of(image, networks), velocity)][-3:]
            places.append(place_of_action(image, moments[-1]))
        if number:
            close = closeup.measured(fine, fine[max(number - RECENT, 0)][0])[:HOW]
            numbers.append(np.concatenate([moved, interaction(moments), close]))
            times.append(at)
    if not numbers:
        raise SourceError(f"{path}: it has fewer than two pictures; a clip needs them to show how anything moves.")
    looks = np.arange(1, len(numbers) + 1) // EVERY
    return Tokens(np.array(times, np.float32), networks.encoder(places).vectors[looks], np.stack(numbers))


def _grey(image: Image) -> npt.NDArray[np.uint8]:
    """Luma [h, w] without the finest noise."""
    return np.asarray(cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (0, 0), 1.0), np.uint8)


def people_of(image: Image, networks: Networks) -> tuple[Person, ...]:
    """The surest people of a picture, with their poses."""
    found = [thing for thing in networks.detector(image, THRESHOLD) if thing.label == "person"][:MOST]
    aspect = image.shape[1] / image.shape[0]
    return tuple(person(thing.box, networks.poser(image, thing.box), aspect) for thing in found)


def place_of_action(image: Image, moment: Moment) -> Image:
    """The part of a picture with the two nearest people, if they are close; else with the quickest; else where it moves most."""
    height, width = image.shape[:2]
    left, top, right, bottom = _box_of_action(moment, width / height) * height
    side = max(32.0, 1.2 * max(right - left, bottom - top))
    x, y = (left + right) / 2, (top + bottom) / 2
    x0, x1 = (int(np.clip(x + sign * side / 2, 0, width)) for sign in (-1, 1))
    y0, y1 = (int(np.clip(y + sign * side / 2, 0, height)) for sign in (-1, 1))
    return np.ascontiguousarray(image[y0:y1, x0:x1]) if x1 - x0 >= 8 and y1 - y0 >= 8 else image


def _box_of_action(moment: Moment, aspect: float) -> Floats:
    """Its left, top, right and bottom in picture heights."""
    people, velocity = moment.people, moment.velocity
    pairs = sorted(combinations(people, 2), key=lambda pair: float(np.hypot(*(pair[0].middle - pair[1].middle))) / pair[0].size)
    if pairs and float(np.hypot(*(pairs[0][0].middle - pairs[0][1].middle))) < 2 * CLOSE * pairs[0][0].size:
        boxes = np.stack([one.box for one in pairs[0]])
        return np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)])
    if people:
        return max(people, key=lambda one: one.size).box
    if velocity is None:
        return np.array([0, 0, aspect, 1], np.float32)
    speed = cv2.GaussianBlur(np.hypot(velocity[..., 0], velocity[..., 1]), (0, 0), 12)
    row, column = np.unravel_index(int(speed.argmax()), speed.shape)
    y, x = row / speed.shape[0], column / speed.shape[0]
    return np.array([x - 0.3, y - 0.3, x + 0.3, y + 0.3], np.float32)
