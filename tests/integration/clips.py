"""Small videos that the tests make themselves, with picture and sound whose times can be read back from what comes out.

The picture's brightness on its left half is the frame's time; the sound clicks at every whole second.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import numpy as np

RATE = 25
SOUND_RATE = 48_000
WIDTH, HEIGHT = 320, 180


def picture(second: float, *, seed: int = 0) -> np.ndarray:
    """A noisy scene with a bar that is bright for a tenth after each whole second: uint8 [HEIGHT, WIDTH, 3]."""
    rng = np.random.default_rng(seed)
    image = np.add.outer(np.linspace(20, 200, HEIGHT), 20 * np.sin(np.arange(WIDTH) / 3))[..., None].repeat(3, axis=2)
    image = image + np.random.default_rng(int(second * 1000) + 1).normal(0, 3, image.shape) + rng.integers(0, 40, (HEIGHT, WIDTH, 1))
    image[:60, :60] = 255 if second % 1 < 0.1 else 0
    return np.clip(image, 0, 255).astype(np.uint8)


def sound(begin: int, count: int, rate: int = SOUND_RATE) -> np.ndarray:
    """A quiet hum, and 100 ms of noise from each whole second on: int16 [1, count]."""
    at = (begin + np.arange(count)) / rate
    loud = np.where(at % 1 < 0.1, np.sin(2 * np.pi * 997 * at) * 20_000, np.sin(2 * np.pi * 220 * at) * 200)
    return loud.astype(np.int16)[None]


def make(
    path: Path,
    seconds: float = 4.0,
    *,
    video: Literal["libx264", "mjpeg", "mpeg4"] | None = "libx264",
    audio: Literal["aac", "pcm_s16le"] | None = "aac",
    times: Sequence[float] | None = None,
    images: Sequence[np.ndarray] | None = None,
    options: dict[str, str] | None = None,
    container: str | None = None,
) -> Path:
    """Write a clip; `times` of its frames (seconds) default to 25 a second, `images` to `picture`."""
    times = times if times is not None else [n / RATE for n in range(round(seconds * RATE))]
    with av.open(str(path), "w", format=container, options={"movflags": "faststart"} if path.suffix == ".mp4" else {}) as out:
        seen = out.add_stream(video, rate=RATE) if video else None
        heard = out.add_stream(audio, rate=SOUND_RATE, layout="mono") if audio else None
        if seen is not None:
            first = images[0] if images else picture(0)
            seen.height, seen.width = first.shape[:2]
            seen.pix_fmt = "yuvj420p" if video == "mjpeg" else "yuv420p"
            seen.time_base = seen.codec_context.time_base = Fraction(1, 1000)
            seen.options = {"g": "25", "preset": "ultrafast", "bf": "2", **(options or {})} if video == "libx264" else options or {}
        written = 0
        for index, at in enumerate(times if seen is not None else ()):
            while heard is not None and written / SOUND_RATE <= at:
                written = _write_sound(out, heard, written)
            frame = av.VideoFrame.from_ndarray(images[index % len(images)] if images else picture(at), format="rgb24")
            frame.pts, frame.time_base = round(at * 1000), Fraction(1, 1000)
            out.mux(seen.encode(frame))
        while heard is not None and written / SOUND_RATE < seconds:
            written = _write_sound(out, heard, written)
        for stream in (seen, heard):
            if stream is not None:
                out.mux(stream.encode(None))
    return path


def _write_sound(out: av.container.OutputContainer, stream: av.AudioStream, written: int) -> int:
    frame = av.AudioFrame.from_ndarray(sound(written, 1024), format="s16", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = SOUND_RATE, written, Fraction(1, SOUND_RATE)
    out.mux(stream.encode(frame))
    return written + 1024
