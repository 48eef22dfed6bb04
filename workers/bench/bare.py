"""The same work with the libraries alone: what any program in Python would pay for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import numpy.typing as npt
from faster_whisper import WhisperModel

from monitor.config import Camera, Models, Speech
from monitor.hearing import sound_encoder
from monitor.messages import SOUND_HZ
from monitor.models import locate
from monitor.vision import picture_encoder
from workers.bench.stream import samples

BATCH = 16
Jpegs = list[bytes]


def calls(film: Path) -> Mapping[str, Callable[[], object]]:
    """What stands beside our stages, by their names."""
    sound = samples(film)
    return {"capture": lambda: decode(film), "encode": encoder(decode(film), sound), "transcribe": recogniser(sound)}


def decode(film: Path) -> Jpegs:
    """Decode the frames that others are predicted from, make two a second small, and write them as JPEG; decode the sound."""
    made, due, camera = [], 0.0, Camera(source=str(film))
    resampler = av.AudioResampler("s16", "mono", SOUND_HZ)
    with av.open(film) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        video.codec_context.skip_frame = "NONREF"
        for packet in container.demux(video, audio):
            for frame in packet.decode():
                if isinstance(frame, av.AudioFrame):
                    for piece in resampler.resample(frame):
                        bytes(piece.planes[0])
                elif isinstance(frame, av.VideoFrame) and (frame.time or 0.0) >= due:
                    due += 1 / camera.fps
                    small = frame.reformat(camera.width, camera.width * frame.height // frame.width, "bgr24").to_ndarray()
                    made.append(cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes())
    return made


def encoder(jpegs: Jpegs, sound: npt.NDArray[np.float32]) -> Callable[[], None]:
    """Read the JPEGs and run the picture model; cut the sound into seconds, two a second, and run the sound model."""
    pictures, sounds = picture_encoder(Models()), sound_encoder(Models())
    half = SOUND_HZ // 2
    seconds = np.stack([sound[at : at + SOUND_HZ] for at in range(0, len(sound) - SOUND_HZ, half)])

    def encode() -> None:
        for at in range(0, len(jpegs), BATCH):
            chunk = [cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR_RGB) for jpeg in jpegs[at : at + BATCH]]
            pictures(chunk)  # type: ignore[arg-type]
        for at in range(0, len(seconds), BATCH):
            sounds(seconds[at : at + BATCH])

    return encode


def recogniser(sound: npt.NDArray[np.float32]) -> Callable[[], list[Any]]:
    """Transcribe with faster-whisper as its README does, with its own voice detection."""
    speech = Speech()
    whisper: Any = WhisperModel(str(locate(speech.model).folder), device="cpu", compute_type="int8", cpu_threads=2)

    def transcribe() -> list[Any]:
        options = {"vad_filter": True, "word_timestamps": True, "condition_on_previous_text": False}
        return list(whisper.transcribe(sound, beam_size=speech.beam_size, **options)[0])

    return transcribe
