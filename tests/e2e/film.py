"""A short film for whole runs: a calm picture, a call for help, and a lens that is covered."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from workers.scene.voice import VOICE_HZ, Speaker, Voice

Command = Callable[..., subprocess.CompletedProcess[str]]

RATE = 10
SECONDS = 24
CALL_AT = 5.0
COVERED = (13.0, 21.0)


def picture(second: float) -> np.ndarray:
    """A textured wall with something that moves; black while the lens is covered: uint8 [180, 320, 3]."""
    rng = np.random.default_rng(7)
    wall = np.kron(rng.integers(60, 200, (18, 32, 3)), np.ones((10, 10, 1)))
    grain = np.random.default_rng(int(second * 1000)).normal(0, 4, wall.shape)
    left = 20 + int(second * 11) % 260
    wall[60:120, left : left + 30] = (40, 90, 160)
    if COVERED[0] <= second < COVERED[1]:
        wall = np.zeros_like(wall)
        grain *= 0.2
    return np.clip(wall + grain, 0, 255).astype(np.uint8)


def sound() -> np.ndarray:
    """Room tone, and the call: float32 [samples] at VOICE_HZ."""
    room = np.random.default_rng(3).normal(0, 0.002, SECONDS * VOICE_HZ).astype(np.float32)
    call = Speaker().say("Help! Somebody help me! Please call an ambulance!", Voice("en-us", pitch=60, range=80, volume=120))
    start = int(CALL_AT * VOICE_HZ)
    room[start : start + len(call)] += call * 0.7
    return np.clip(room, -1, 1)


def make(path: Path) -> Path:
    """Write the film as MP4."""
    with av.open(str(path), "w") as out:
        seen = out.add_stream("libx264", rate=RATE, options={"preset": "ultrafast", "g": "20"})
        seen.width, seen.height, seen.pix_fmt = 320, 180, "yuv420p"
        heard = out.add_stream("aac", rate=VOICE_HZ, layout="mono")
        for n in range(SECONDS * RATE):
            frame = av.VideoFrame.from_ndarray(picture(n / RATE), "rgb24")
            frame.pts, frame.time_base = n, Fraction(1, RATE)
            out.mux(seen.encode(frame))
        out.mux(seen.encode(None))
        samples = sound()
        for start in range(0, len(samples), 1024):
            piece = av.AudioFrame.from_ndarray(samples[None, start : start + 1024], "fltp", "mono")
            piece.sample_rate, piece.pts, piece.time_base = VOICE_HZ, start, Fraction(1, VOICE_HZ)
            out.mux(heard.encode(piece))
        out.mux(heard.encode(None))
    return path
