"""The stream that benchmarks run on: vtest as 1080p25 H.264 with sound, one sentence now and then over street noise."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from functools import partial
from heapq import merge
from pathlib import Path
from typing import Final

import av
import numpy as np
import numpy.typing as npt
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream
from rich.progress import track

from monitor.errors import SourceError
from monitor.messages import SOUND_HZ

SIZE: Final = (1920, 1080)
RATE: Final = 25
GROUP: Final = 50
"""Frames from one key frame to the next."""
SENTENCES: Final = ("speech/wer/LJ001-0107.flac", "speech/wer/cheetah_en.flac", "speech/wer/LJ001-0035.flac", "speech/wer/LJ001-0125.flac")
PHRASES: Final = ("in typography", "are used", "beautiful letter", "modern letters")
"""Their last words, to be watched for."""
NOISE: Final = "sounds/esc10"
VARIANTS: Final = 4
"""Copies whose sound is shifted, so that cameras do not all speak at the same moment."""

Samples = npt.NDArray[np.float32]


def variants(data: Path, folder: Path, size: tuple[int, int] = SIZE, sentences: Sequence[str] = SENTENCES) -> list[Path]:
    """Write the stream, VARIANTS times with shifted sound, unless it is there; raises SourceError without the data."""
    for name in ("video/vtest.avi", *sentences):
        if not (data / name).exists():
            raise SourceError(f"{data / name}: not found: set --data or SCENEWATCH_DATA to the folder of real data")
    folder.mkdir(parents=True, exist_ok=True)
    picture = folder / "picture.mp4"
    if not picture.exists():
        _whole(picture, partial(write_picture, source=data / "video" / "vtest.avi", size=size))
    paths = [folder / f"camera-{n}.mp4" for n in range(VARIANTS)]
    sound = compose_sound(data, duration_s(picture), sentences)
    for n, path in enumerate(paths):
        if not path.exists():
            shifted = np.roll(sound, n * len(sound) // VARIANTS)
            _whole(path, partial(write_stream, picture=picture, sound=shifted))
    return paths


def _whole(path: Path, write: Callable[[Path], None]) -> None:
    """Let a file appear only when it is complete."""
    part = path.with_suffix(".part.mp4")
    write(part)
    part.rename(path)


def duration_s(path: Path) -> float:
    """How long a video is."""
    with av.open(path) as container:
        stream = container.streams.video[0]
        return stream.frames / float(stream.average_rate or RATE)


def write_picture(path: Path, source: Path, size: tuple[int, int]) -> None:
    """Encode vtest's frames in this size, 25 a second: x264 as it comes, with B-frames; every frame differs from the one before."""
    with av.open(source) as given, av.open(path, "w") as made:
        stream = made.add_stream("libx264", rate=RATE, options={"g": str(GROUP), "crf": "23"})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        total = given.streams.video[0].frames
        for n, frame in enumerate(track(given.decode(video=0), f"encoding {size[1]}p25", total=total)):
            large = frame.reformat(*size, "yuv420p")
            large.pts, large.time_base = n, Fraction(1, RATE)
            made.mux(stream.encode(large))
        made.mux(stream.encode(None))


def compose_sound(data: Path, seconds: float, sentences: Sequence[str]) -> Samples:
    """Lay sentences, evenly spaced, over quiet noise: float32 [samples] at 16 kHz."""
    sound = _looped(samples(min((data / NOISE).glob("*"))), int(seconds * SOUND_HZ)) * 0.05
    for n, name in enumerate(sentences):
        voice = samples(data / name)
        start = int((2 + n * seconds / len(sentences)) * SOUND_HZ)
        sound[start : start + len(voice)] += voice * 0.8
    return np.asarray(np.clip(sound, -1, 1), np.float32)


def _looped(sound: Samples, length: int) -> Samples:
    loudest = max(float(np.abs(sound).max()), 1e-6)
    return np.asarray(np.resize(sound / loudest, length), np.float32)


def samples(path: Path) -> Samples:
    """Decode a file's sound to float32 [samples] at 16 kHz mono."""
    resampler = av.AudioResampler("flt", "mono", SOUND_HZ)
    with av.open(path) as container:
        frames: Iterable[av.AudioFrame | None] = [*container.decode(audio=0), None]
        pieces = [np.asarray(piece.to_ndarray(), np.float32).ravel() for frame in frames for piece in resampler.resample(frame)]
    return np.concatenate(pieces)


def write_stream(path: Path, picture: Path, sound: Samples) -> None:
    """Copy the encoded picture and add the sound as AAC, interleaved by time as a camera sends them."""
    with av.open(picture) as given, av.open(path, "w") as made:
        video = made.add_stream_from_template(given.streams.video[0])
        audio = made.add_stream("aac", rate=SOUND_HZ, layout="mono")
        heard = (packet for frame in (*_audio_frames(sound), None) for packet in audio.encode(frame))
        for packet in merge(_seen(given, video), heard, key=_when):
            made.mux(packet)


def _when(packet: Packet[Stream]) -> float:
    return float((packet.dts or 0) * packet.time_base)


def _seen(given: InputContainer, video: VideoStream) -> Iterator[Packet[VideoStream]]:
    """The encoded picture's packets, in the order of their dts."""
    for packet in given.demux(video=0):
        if packet.dts is not None:
            packet.stream = video
            yield packet


def _audio_frames(sound: Samples) -> Iterator[av.AudioFrame]:
    for start in range(0, len(sound), 1024):
        piece = (sound[start : start + 1024] * 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(piece.reshape(1, -1), "s16", "mono")
        frame.rate, frame.pts, frame.time_base = SOUND_HZ, start, Fraction(1, SOUND_HZ)
        yield frame
