"""Composed streams as films: real MP4 files, H.264 and AAC, each with its time line beside it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
import numpy as np

from monitor.cache import cache_dir
from monitor.messages import SOUND_HZ
from workers.composing import timeline
from workers.composing.picture import RATE, SIZE, Picture, pictures
from workers.composing.plan import Plan, Samples, Say, plan
from workers.composing.sound import load, mixed, speaking
from workers.composing.sources import Sources, Split, sources
from workers.composing.timeline import Timeline

RAIN: Final = 0.2
"""Share of the streams in which it rains."""
CALM: Final = 0.5
"""Share of the streams that have no incident."""
FRAME: Final = 1024
"""Samples of an AAC frame."""
CODE: Final = ("films.py", "picture.py", "plan.py", "sentences.csv", "sound.py", "sources.py", "../training/scenes.csv")
"""What a stream depends on beside its seed and the data."""
Progress = Callable[[Iterable[Any], str, int], Iterable[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be composed."""

    data: Path
    out: Path
    split: Split
    seed: int
    minutes: float
    """Of each stream."""
    streams: int
    night: bool = False
    """Filmed at night; the rest is as by day."""
    shippable: bool = False
    """Of rows alone whose licence lets weights be shipped."""
    dense: bool = False
    """Events follow each other quickly and no stream is calm: for teaching."""

    def film(self, number: int) -> Path:
        """Where a stream is."""
        return self.out / f"{self.split}-{self.seed}-{number}{'-night' if self.night else ''}.mp4"


def compose(order: Order, progress: Progress, numbers: Sequence[int] | None = None) -> list[Path]:
    """Write the streams (those with these numbers), unless they are there; give their films.

    Every second one, from the second on, has no incident. Raises SourceError for data that nothing can be made of.
    """
    order.out.mkdir(parents=True, exist_ok=True)
    films = {number: order.film(number) for number in (range(order.streams) if numbers is None else numbers)}
    missing = [number for number, film in films.items() if not timeline.beside(film).is_file()]
    if missing:
        found, say = sources(order.data, order.split, shippable=order.shippable), speaking()
        for number in progress(missing, f"composing {order.split}", len(missing)):
            made = film_one(films[number], found, order, number, say)
            timeline.write(timeline.beside(films[number]), made)
    return list(films.values())


def kept(order: Order) -> Order:
    """The same order, to be written into the cache folder: a folder for this data, this seed and this code."""
    here = Path(__file__).parent
    code = b"".join((here / name).read_bytes() for name in CODE)
    manifest = order.data / "manifest.csv"
    data = manifest.read_bytes() if manifest.is_file() else b""
    what = repr((order.split, order.seed, order.minutes, order.shippable, order.dense, str(order.data.resolve()))).encode()
    return replace(order, out=cache_dir() / "incidents" / f"{order.split}-{hashlib.sha256(code + data + what).hexdigest()[:16]}")


def film_one(path: Path, found: Sources, order: Order, number: int, say: Say) -> Timeline:
    """Draw and render one stream."""
    rng = np.random.default_rng([order.seed, list(Split).index(order.split), number])
    calm, rain = number % round(1 / CALM) == 1 and not order.dense, bool(rng.random() < RAIN)
    drawn = plan(found, order.minutes * 60, rng, load, say, calm=calm, dense=order.dense)
    part = path.with_suffix(".part.mp4")
    write_film(part, pictures(drawn.shots, order.seed * 1000 + number, night=order.night, rain=rain), mixed(drawn))
    part.rename(path)
    return Timeline(
        name=path.stem,
        split=order.split,
        seed=order.seed,
        seconds=drawn.seconds,
        night=order.night,
        rain=rain,
        calm=calm,
        events=tuple(sorted(drawn.events, key=lambda event: event.begin)),
        sources=_used(drawn),
    )


def _used(drawn: Plan) -> tuple[str, ...]:
    shown = [shot.row.name for shot in drawn.shots]
    heard = [source for event in drawn.events for source in event.sources]
    return tuple(sorted({*shown, *heard, *(row.name for row in drawn.ambience)}))


def write_film(path: Path, shown: Iterable[Picture], sound: Samples) -> None:
    """Encode pictures (RATE a second) and sound (16 kHz) into one file, interleaved as a camera sends them."""
    with av.open(str(path), "w") as made:
        video = made.add_stream("libx264", rate=RATE, options={"preset": "veryfast", "crf": "24", "bf": "0", "g": str(2 * RATE)})
        video.width, video.height, video.pix_fmt = *SIZE, "yuv420p"
        video.codec_context.thread_count = 1
        audio = made.add_stream("aac", rate=SOUND_HZ, layout="mono")
        heard = list(_frames(sound))
        given = 0
        for number, picture in enumerate(shown):
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            made.mux(video.encode(frame))
            until = int((number + 1) / RATE * SOUND_HZ / FRAME)
            for piece in heard[given:until]:
                made.mux(audio.encode(piece))
            given = max(given, until)
        for piece in heard[given:]:
            made.mux(audio.encode(piece))
        made.mux(video.encode(None))
        made.mux(audio.encode(None))


def _frames(sound: Samples) -> Iterator[av.AudioFrame]:
    for start in range(0, len(sound), FRAME):
        piece = (sound[start : start + FRAME] * 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(piece.reshape(1, -1), "s16", "mono")
        frame.rate, frame.pts, frame.time_base = SOUND_HZ, start, Fraction(1, SOUND_HZ)
        yield frame


def timelines(films: Sequence[Path]) -> list[Timeline]:
    """The truth of each film. Raises SourceError where there is none."""
    return [timeline.read(timeline.beside(film)) for film in films]
