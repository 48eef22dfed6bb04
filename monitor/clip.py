"""Frames and sounds of one camera as a short MP4: H.264 and AAC, each picture shown at its event time."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
import numpy.typing as npt
from av.audio.frame import AudioFrame
from av.container import OutputContainer
from av.video.frame import VideoFrame

from monitor.errors import MessageError
from monitor.jpeg import decode_jpeg
from monitor.messages import SOUND_HZ, Frame, Sound

TICK: Final = Fraction(1, 1000)
"""Pictures are timed to the millisecond."""
LONGEST: Final = 10_000
"""So many ticks the last picture is shown at most."""
BLOCK: Final = 1024
"""Samples that AAC takes at a time."""
H264: Final = {"preset": "veryfast", "crf": "23", "bf": "0", "threads": "1"}
"""One thread: the stages need the others, and the same frames give the same bytes."""


def mp4(frames: Sequence[Frame], sounds: Sequence[Sound]) -> bytes:
    """Write what there is, each in time order; empty where there is neither. Pictures that can't be decoded are left out.

    Time 0 is the begin of what comes first; where a piece of sound is missing there is silence. Raises MessageError when FFmpeg refuses.
    """
    size = next((picture.shape[:2] for picture in map(_decoded, frames) if picture is not None), None)
    if size is None and not sounds:
        return b""
    begin = min(item.at for item in (*frames[:1], *sounds[:1]))
    with tempfile.TemporaryDirectory(prefix="scenewatch-") as folder:  # faststart reads the file again, which takes a file
        path = Path(folder, "clip.mp4")
        lasts = round((frames[-1].until - frames[-1].at) / TICK) if size else 0
        try:
            with av.open(str(path), "w", options={"movflags": "+faststart"}) as out:
                _write(out, _pictures(frames, begin, size) if size else None, waveform(sounds, begin), min(lasts, LONGEST))
        except av.error.FFmpegError as error:
            raise MessageError(f"FFmpeg wrote no clip of {len(frames)} pictures: {error.strerror}", "undecodable") from error
        return path.read_bytes()


def waveform(sounds: Sequence[Sound], begin: float) -> npt.NDArray[np.int16]:
    """Pieces in their places from `begin` on, int16 [samples] at 16 kHz, silence between them."""
    end = max((sound.until for sound in sounds), default=begin)
    samples = np.zeros(round((end - begin) * SOUND_HZ), np.int16)
    for sound in sounds:
        at = round((sound.at - begin) * SOUND_HZ)
        room = samples[at : at + len(sound.pcm) // 2]
        room[:] = np.frombuffer(sound.pcm, "<i2")[: len(room)]
    return samples


def _decoded(frame: Frame) -> npt.NDArray[np.uint8] | None:
    """RGB with even sides, as 4:2:0 colour wants them: uint8 [height, width, 3]."""
    try:
        image = decode_jpeg(frame.jpeg)
    except MessageError:
        return None
    height, width = image.shape[0] & ~1, image.shape[1] & ~1
    return np.ascontiguousarray(image[:height, :width]) if height and width else None


def _pictures(frames: Sequence[Frame], begin: float, size: tuple[int, int]) -> Iterator[VideoFrame]:
    """Decode one after the other, all to the first one's size (height, width), at times that rise."""
    height, width = size
    last = -1
    for frame in frames:
        pts = round((frame.at - begin) / TICK)
        picture = _decoded(frame) if pts > last else None
        if picture is not None:
            shown = VideoFrame.from_ndarray(picture, "rgb24").reformat(width=width, height=height, format="yuv420p")
            shown.pts, shown.time_base = pts, TICK
            last = pts
            yield shown


def _write(out: OutputContainer, pictures: Iterator[VideoFrame] | None, sound: npt.NDArray[np.int16], lasts: int) -> None:
    """Write both streams side by side, so that a player needs no long memory; the last picture `lasts` so many ticks."""
    first = next(pictures) if pictures else None
    seen = _h264(out, first) if first else None
    heard: Any = out.add_stream("aac", rate=SOUND_HZ, layout="mono", options={"b": "48000"}) if len(sound) else None
    blocks = _blocks(sound)
    for picture in chain([first] if first else [], pictures or ()):
        assert seen is not None
        out.mux(seen.encode(picture))
        for block in blocks:
            out.mux(heard.encode(block))
            if (block.time or 0.0) >= (picture.time or 0.0):
                break
    for block in blocks:
        out.mux(heard.encode(block))
    for packet in seen.encode(None) if seen else ():
        packet.duration = lasts  # of the others it follows from the next one's time
        out.mux(packet)
    out.mux(heard.encode(None) if heard else [])


def _h264(out: OutputContainer, first: VideoFrame) -> Any:
    stream: Any = out.add_stream("libx264", rate=25, options=H264)
    stream.width, stream.height, stream.pix_fmt = first.width, first.height, "yuv420p"
    stream.time_base = stream.codec_context.time_base = TICK
    return stream


def _blocks(sound: npt.NDArray[np.int16]) -> Iterator[AudioFrame]:
    """Cut sound into frames for the encoder."""
    floats = sound.astype(np.float32) / 32768
    for start in range(0, len(floats), BLOCK):
        block = AudioFrame.from_ndarray(floats[None, start : start + BLOCK], "fltp", "mono")
        block.sample_rate, block.pts, block.time_base = SOUND_HZ, start, Fraction(1, SOUND_HZ)
        yield block
