"""Plays one opened source: packets are read, decoded, given event time, paced, and handed to the camera's feed."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import av
import numpy as np
import numpy.typing as npt
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame

from monitor.clock import StreamClock
from monitor.errors import SourceError
from monitor.feed import Feed, Item
from monitor.messages import SOUND_HZ, Modality
from monitor.metrics import Metrics
from monitor.pressure import Step
from monitor.sources import Address, Media, refusal

BROKEN_READS: Final = 20
"""A recording that can't be read so many times in a row has ended."""
LONGEST_PAUSE_S: Final = 30.0
"""No gap in a recording is waited for longer than this."""

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Ledger:
    """Where a camera's troubles are counted and told."""

    metrics: Metrics
    camera: str
    log: Any

    @property
    def label(self) -> str:
        """The camera's, in metrics."""
        return self.metrics.camera(self.camera)

    def packet(self) -> None:
        """Something came."""
        self.metrics.show(self.metrics.camera_last, self.camera, time.time())

    def jumped(self, modality: Modality, at: float) -> None:
        """Time stamps leapt."""
        self.metrics.clock_jumps.labels(self.label).inc()
        self.log.warning("time stamps jumped; event time goes on", modality=modality.value, at=at)

    def left_out(self, modality: Modality, seconds: float) -> None:
        """A frame, or so much sound, was not taken because the stages behind do not keep up."""
        if modality is Modality.PICTURE:
            self.metrics.frames_captured.labels(self.label).inc()
            self.metrics.frames_dropped.labels(self.label, "pressure").inc()
        else:
            self.metrics.sound_captured.labels(self.label).inc(seconds)
            self.metrics.sound_dropped.labels(self.label, "pressure").inc(seconds)

    def broken(self, error: av.error.FFmpegError) -> None:
        """A packet could not be decoded, or not even be read; the first ones are told, all are counted."""
        self.metrics.decode_errors.labels(self.label).inc()
        self.log.debug("broken packet skipped", reason=error.strerror)


@dataclass(slots=True)
class Resampler:
    """Decoded sound of any layout and rate to int16, mono, 16 kHz, with the stream time of each block."""

    _resampler: AudioResampler | None = None
    _source: tuple[str, str, int] | None = None
    _next: float = 0.0

    def __call__(self, frame: AudioFrame) -> Iterator[tuple[float, npt.NDArray[np.int16]]]:
        """Convert a frame; a source whose sound changes its shape in mid-stream gets new tables."""
        source = (frame.format.name, frame.layout.name, frame.sample_rate)
        if self._resampler is None or source != self._source:
            self._resampler = AudioResampler(format="s16", layout="mono", rate=SOUND_HZ)
            self._source = source
        for block in self._resampler.resample(frame):
            stamp = self._next if block.pts is None or block.time_base is None else float(block.pts * block.time_base)
            samples = block.to_ndarray().reshape(-1).astype(np.int16, copy=False)
            self._next = stamp + len(samples) / SOUND_HZ
            yield stamp, samples


@dataclass(slots=True, kw_only=True)
class Player:
    """Reads one opened source to its end.

    `begin`: the event time of a recording's first picture; a live source's is `now`. `ahead`: for how many seconds an event time still
    lies ahead of what may be delivered; infinitely negative lets it through.
    """

    feed: Feed
    media: Media
    where: Address
    begin: float | None
    now: Clock
    ahead: Callable[[float], float]
    stall_s: float
    keys_only: bool
    ledger: Ledger
    stop: threading.Event
    clock: StreamClock | None = None
    """Set when the first frame or block was decoded."""
    reached: float = -math.inf
    """The latest stream time of any packet."""
    _resample: Resampler = field(default_factory=Resampler)
    _stamp: float | None = None
    _broken_off: bool = False
    """Something was not decoded: only a key frame can be next."""

    def items(self) -> Iterator[Item]:
        """Messages up to the source's end. Raises SourceError when a live one fails or stalls, NotMediaError for a huge picture."""
        seen = time.monotonic()
        for packet in self._packets():
            if not packet.size:
                yield from self._decoded(packet)
                continue
            self.ledger.packet()
            if packet.pts is not None:
                self.reached = max(self.reached, float(packet.pts * packet.time_base))
            moment = time.monotonic()
            if packet.stream is self.media.picture:
                seen = moment
                if self.keys_only and not packet.is_keyframe:
                    continue
                whole = not self._broken_off
                if self._leaves_out(packet):
                    yield from self._undecoded(packet, whole=whole)
                    continue
            elif self.where.live and self.media.picture and moment - seen > self.stall_s:
                raise SourceError(f"{self.where.shown}: sound comes, but no picture for {self.stall_s:g} s")
            yield from self._decoded(packet)

    def _leaves_out(self, packet: Packet[Stream]) -> bool:
        """Whether a packet of the picture is not to be decoded, under the pressure there is."""
        step = self.feed.valve.step
        if step >= Step.NO_PICTURE or (step is Step.KEY and not packet.is_keyframe):
            self._broken_off = True
        elif packet.is_keyframe:
            self._broken_off = False
        return self._broken_off

    def _undecoded(self, packet: Packet[Stream], *, whole: bool) -> Iterator[Item]:
        """Tell of a packet that is not decoded; what still waits in the decoder, if that was given all before, comes first."""
        if whole:
            for frame in self._emptied(packet):
                yield from self._picture(frame, self.now(), time.time())
        ordered = packet.pts if self.keys_only else packet.dts  # of key frames alone both are in order, and the latter is behind
        stamp = packet.pts if ordered is None else ordered
        if stamp is not None:
            now, captured = self.now(), time.time()
            self._stamp = float(stamp * packet.time_base)
            at = self._at(Modality.PICTURE, self._stamp, now)
            shown = at if packet.pts is None else at + float(packet.pts * packet.time_base) - self._stamp
            yield from self.feed.undecoded(at, shown, self._paced(at, captured))

    def _packets(self) -> Iterator[Packet[Stream]]:
        """Packets of the streams that are wanted; what a recording has in it that can't be read is passed over."""
        broken = 0
        while not self.stop.is_set():
            try:
                for packet in self.media.container.demux(*self.media.streams):
                    if self.stop.is_set():
                        return
                    broken = 0
                    yield packet
            except av.error.FFmpegError as error:
                broken += 1
                self.ledger.broken(error)
                if self.where.live:
                    raise refusal(self.where, error, self.stall_s) from None  # the cause's text has the address in it
                if broken == BROKEN_READS:
                    return
            else:
                return

    def _decoded(self, packet: Packet[Stream]) -> Iterator[Item]:
        now, captured = self.now(), time.time()
        try:
            frames = [*packet.decode(), *self._rest(packet)]
        except av.error.FFmpegError as error:
            self.ledger.broken(error)
            return
        for frame in frames:
            if isinstance(frame, VideoFrame):
                yield from self._picture(frame, now, captured)
            elif isinstance(frame, AudioFrame):
                yield from self._sound(frame, now, captured)

    def _rest(self, packet: Packet[Stream]) -> list[VideoFrame]:
        """Empty the decoder behind a lone key frame, which would else wait in it for the next one."""
        lone = self.keys_only or self.feed.valve.step is Step.KEY
        return self._emptied(packet) if lone and packet.size and packet.stream is self.media.picture else []

    def _emptied(self, packet: Packet[Stream]) -> list[VideoFrame]:
        """Take what waits in the decoder, which must be given a key frame next."""
        picture = self.media.picture
        if picture is None:
            return []
        frames = picture.codec_context.decode(None)
        picture.codec_context.flush_buffers()
        for frame in frames:
            frame.time_base = packet.time_base  # PyAV takes it from the packet, and here was none
        return frames

    def _picture(self, frame: VideoFrame, now: float, captured: float) -> Iterator[Item]:
        stamp = frame.time if frame.pts is not None else self._guess()
        if stamp is None:
            return
        self._stamp = stamp
        at = self._at(Modality.PICTURE, stamp, now)
        yield from self.feed.picture(frame, at, self._paced(at, captured))

    def _guess(self) -> float | None:
        """Stream time of a frame without a stamp: one step after the last one; a recording may begin with it, a live source not."""
        rate = self.media.picture.average_rate if self.media.picture else None
        if self._stamp is None:
            return None if self.where.live else self.media.zero or 0.0
        return self._stamp + 1 / float(rate or 25)

    def _sound(self, frame: AudioFrame, now: float, captured: float) -> Iterator[Item]:
        for stamp, samples in self._resample(frame):
            at = self._at(Modality.SOUND, stamp, now)
            yield from self.feed.sound(samples, at, self._paced(at, captured))

    def _at(self, modality: Modality, stamp: float, now: float) -> float:
        """Event time of a stamp; the first one begins the clock."""
        if self.clock is None:
            begin = now if self.begin is None else self.begin
            begin = max(begin, self.feed.end)
            zero = stamp if self.begin is None or self.media.zero is None else self.media.zero
            self.clock = StreamClock(begin=begin, zero=zero, live=self.where.live)
            self.feed.begin(begin, self.media.modalities, self.media.aspect)
        jumps = self.clock.jumps
        at = self.clock.at(modality, stamp, now)
        if self.clock.jumps > jumps:
            self.ledger.jumped(modality, at)
        return at

    def _paced(self, at: float, captured: float) -> float:
        """Wait until an item may be delivered, and return when it left the source."""
        seconds = self.ahead(at)
        if seconds <= 0:
            return captured
        self.stop.wait(min(seconds, LONGEST_PAUSE_S))
        return time.time()
