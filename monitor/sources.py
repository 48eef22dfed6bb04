"""Addresses of cameras, and how PyAV opens them: RTSP, HTTP/HLS/MPEG-TS, UDP, a file, a folder of clips, a V4L2 device.

Nothing that leaves this module holds a credential: FFmpeg's errors name the address that it was given, so they are
told anew in our own words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from urllib.parse import unquote, urlsplit

import av
from av.audio.stream import AudioStream
from av.codec.context import Flags
from av.container import InputContainer
from av.stream import Discard, Disposition, Stream
from av.video.stream import VideoStream

from monitor.config import Camera, Capture
from monitor.environment import VARIABLE, expand
from monitor.errors import ConfigError, NotMediaError, SourceError
from monitor.logs import HIDDEN, redact
from monitor.messages import Modality
from monitor.pictures import MAX_PIXELS, check_size


class Kind(StrEnum):
    """How an address is read."""

    FILE = "file"
    FOLDER = "folder"
    RTSP = "rtsp"
    HTTP = "http"
    STREAM = "stream"
    DEVICE = "device"


SCHEMES: Final = {
    "rtsp": Kind.RTSP,
    "rtsps": Kind.RTSP,
    "http": Kind.HTTP,
    "https": Kind.HTTP,
    **dict.fromkeys(("udp", "rtp", "tcp", "srt", "rtmp", "rtmps"), Kind.STREAM),
}
_PROTOCOLS: Final = {
    Kind.FILE: "file,crypto,data",
    Kind.HTTP: "http,https,tcp,tls,crypto,data,httpproxy",
    Kind.RTSP: "rtsp,rtsps,rtp,srtp,udp,tcp,tls,http,https,crypto,data",
    Kind.STREAM: "udp,udplite,rtp,srtp,tcp,tls,srt,rtmp,rtmps,rtmpt,crypto,data",
}
"""What a medium may make FFmpeg open: a playlist in a file must not read the network, one from the network no files."""
_SKIP: Final = {"all": "DEFAULT", "reference": "NONREF", "key": "NONKEY"}
_TEXT_CODECS: Final = frozenset({"ansi", "bintext", "xbin", "idf"})
"""FFmpeg draws text files as pictures; they are no videos."""
_MEDIA_MISTAKES: Final = (av.error.InvalidDataError, av.error.DemuxerNotFoundError, av.error.EOFError, av.error.ArgumentError)
_PRIMING_S: Final = 0.1
"""Sound that begins before the picture by less than this is the codec's priming."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a source is; `url` and `secrets` hold credentials and are in no repr."""

    kind: Kind
    url: str = field(repr=False)
    shown: str
    """Without credentials."""
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @property
    def live(self) -> bool:
        """Whether it is read as it happens, and for ever."""
        return self.kind not in {Kind.FILE, Kind.FOLDER}

    def clean(self, text: str) -> str:
        """A text about this source without its credentials."""
        text = text.replace(self.url, self.shown)
        for secret in self.secrets:
            text = text.replace(secret, HIDDEN)
        return redact(text)


def address(source: str, environ: Mapping[str, str]) -> Address:
    """Read an address, with `${NAME}` taken from the environment.

    Raises ConfigError for a name that is not set and for a scheme that is not known.
    """
    url = expand(source, environ, redact(source))
    scheme, divider, _ = url.partition("://")
    if url.startswith("/dev/"):
        return Address(Kind.DEVICE, url, url)
    if not divider or scheme == "file":
        path = Path(unquote(urlsplit(url).path) if divider else url)
        return Address(Kind.FOLDER if path.is_dir() else Kind.FILE, str(path), redact(str(path)))
    kind = SCHEMES.get(scheme.lower())
    if kind is None:
        known = ", ".join(f"{name}://" for name in SCHEMES)
        raise ConfigError(f"{redact(source)}: {scheme}:// is not known; use {known}, a file, a folder or /dev/video0")
    return Address(kind, url, _shown(source, url), tuple(_secrets(source, url, environ)))


def _shown(source: str, url: str) -> str:
    """What may be shown: the expanded address without credentials, or as it is written if values from outside are still in it."""
    shown = redact(url)
    return redact(source) if "${" in source and source != url else shown


def _secrets(source: str, url: str, environ: Mapping[str, str]) -> list[str]:
    """Every text that stands for a credential in this address, longest first; also as it reads when decoded."""
    found = [environ[name] for name in VARIABLE.findall(source)]
    authority = url.split("://", 1)[1].rpartition("@")[0]
    if authority:
        found += [authority, authority.partition(":")[2]]
    found += [unquote(item) for item in found]
    return sorted({item for item in found if len(item) > 2}, key=len, reverse=True)


@dataclass(slots=True)
class Media:
    """An open source: its streams that are wanted, and where its time begins."""

    container: InputContainer
    picture: VideoStream | None
    sound: AudioStream | None
    zero: float | None
    """Stream time of the first picture (or sound), if it is known beforehand."""
    duration: float | None
    """Seconds, as the source says."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.container.close()

    @property
    def streams(self) -> list[VideoStream | AudioStream]:
        """What is decoded."""
        return [stream for stream in (self.picture, self.sound) if stream is not None]

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """What the aligner is to wait for: words whenever there is sound."""
        sound = (Modality.SOUND, Modality.TEXT) if self.sound else ()
        return (*((Modality.PICTURE,) if self.picture else ()), *sound)

    @property
    def aspect(self) -> float:
        """Width of a pixel divided by its height."""
        ratio = self.picture.sample_aspect_ratio if self.picture else None
        return float(ratio) if ratio else 1.0


def options(kind: Kind, camera: Camera, settings: Capture) -> dict[str, str]:
    """FFmpeg's options for opening an address of a kind."""
    micros = str(round(settings.stall_s * 1e6))
    chosen = {"max_pixels": str(MAX_PIXELS)}
    if kind in _PROTOCOLS:
        chosen["protocol_whitelist"] = _PROTOCOLS[kind]
    if kind is not Kind.FILE:
        chosen["analyzeduration"] = str(round(min(settings.open_timeout_s / 2, 3.0) * 1e6))
    if kind is Kind.RTSP:
        media = ["video"] * camera.picture + ["audio"] * camera.sound
        chosen |= {"rtsp_transport": camera.transport, "timeout": micros, "allowed_media_types": "+".join(media)}
    elif kind is Kind.HTTP:
        chosen |= {"rw_timeout": micros, "icy": "0", "live_start_index": "-1"}
    elif kind is Kind.STREAM:
        chosen |= {"rw_timeout": micros, "overrun_nonfatal": "1", "fifo_size": "50000"}
    return chosen


def open_media(where: Address, camera: Camera, settings: Capture) -> Media:
    """Open a source and choose its streams.

    Raises NotMediaError where another try is useless (a file that is no video; a picture that is too large), else SourceError.
    """
    if where.kind is Kind.FILE and not Path(where.url).is_file():
        raise NotMediaError(f"{where.shown}: there is no such file; check the camera's `source`")
    try:
        container = av.open(
            f"file:{where.url}" if where.kind is Kind.FILE else where.url,
            format="v4l2" if where.kind is Kind.DEVICE else None,
            options=options(where.kind, camera, settings),
            timeout=(settings.open_timeout_s, settings.stall_s),
            metadata_errors="replace",
        )
    except av.error.FFmpegError as error:
        raise refusal(where, error, settings.open_timeout_s) from None  # the cause's text has the address in it
    try:
        return _choose(container, where, camera)
    except SourceError:
        container.close()
        raise


def refusal(where: Address, error: av.error.FFmpegError, seconds: float) -> SourceError:
    """Tell an error of FFmpeg in our words."""
    if where.kind is Kind.FILE and isinstance(error, _MEDIA_MISTAKES):
        size = Path(where.url).stat().st_size
        what = (
            "the file is empty (0 bytes)"
            if not size
            else "no picture or sound can be read: it is not a video, or its beginning or index is cut off"
        )
        return NotMediaError(f"{where.shown}: {what}")
    if isinstance(error, av.error.ExitError | av.error.TimeoutError):
        return SourceError(f"{where.shown}: nothing came within {seconds:g} s")
    return SourceError(f"{where.shown}: {where.clean(error.strerror or str(error))}")


def _choose(container: InputContainer, where: Address, camera: Camera) -> Media:
    """Take the best picture and sound, and let FFmpeg throw away all else."""
    picture = container.streams.best("video") if camera.picture else None
    sound = container.streams.best("audio") if camera.sound else None
    picture = picture if isinstance(picture, VideoStream) and _is_picture(picture) else None
    sound = sound if isinstance(sound, AudioStream) and sound.codec_context is not None else None
    if picture is None and sound is None:
        message = f"{where.shown}: not a video: it has neither a picture nor sound (that this camera is set to use)"
        raise SourceError(message) if where.live else NotMediaError(message)
    for stream in container.streams:
        if stream not in (picture, sound):
            stream.discard = Discard.all
    if picture is not None:
        _prepare(picture, where, camera)
    duration = container.duration / 1e6 if container.duration else None
    return Media(container, picture, sound, _zero(picture, sound), duration)


def _is_picture(stream: VideoStream) -> bool:
    """Whether a stream is a video: covers of songs and text drawn as pictures are none."""
    codec = stream.codec_context
    return codec is not None and codec.name not in _TEXT_CODECS and not stream.disposition & Disposition.attached_pic


def _prepare(picture: VideoStream, where: Address, camera: Camera) -> None:
    """Set the decoder up: one thread, for cameras are many and cores few; no frame that is not wanted."""
    try:
        check_size(picture.width, picture.height)
    except NotMediaError as error:
        raise NotMediaError(f"{where.shown}: {error}") from None
    codec = picture.codec_context
    codec.thread_count = 1
    codec.options = {"max_pixels": str(MAX_PIXELS)}
    codec.skip_frame = _SKIP[camera.decode]  # type: ignore[assignment]
    if camera.decode == "key":
        codec.flags |= Flags.low_delay  # key frames are never reordered: without it each waits for the next one


def _zero(picture: VideoStream | None, sound: AudioStream | None) -> float | None:
    """Stream time of the first picture, or of the first sound if that begins well before."""
    seen, heard = _start(picture), _start(sound)
    if seen is None or heard is None:
        return heard if seen is None else seen
    return heard if heard < seen - _PRIMING_S else seen


def _start(stream: Stream | None) -> float | None:
    if stream is None or stream.start_time is None or stream.time_base is None:
        return None
    return float(stream.start_time * stream.time_base)
