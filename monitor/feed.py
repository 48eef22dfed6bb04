"""From one camera's decoded frames and blocks of sound to its messages; what goes on when its source is opened anew.

No clock in here: event time and the wall clock at capture come with each frame.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame

from monitor import closeup
from monitor.clock import Grid
from monitor.closeup import Closeup
from monitor.config import Camera, Capture
from monitor.flowing import Flowing
from monitor.health import Health, look
from monitor.messages import CameraState, Frame, Mark, Modality, Sound, State, pack
from monitor.motion import Motion
from monitor.pictures import Shrinker, check_size, jpeg, luma
from monitor.pieces import Cutter, Piece
from monitor.pressure import Step, Valve

Item: TypeAlias = Frame | Sound | Mark | CameraState

LeftOut: TypeAlias = Callable[[Modality, float], None]
"""Told of each frame, and of so many seconds of sound, that are left out under pressure."""

INTERLEAVE_S: Final = 5.0
"""Picture or sound that comes later than the other by more than this is not waited for: a mark says so, and it is dropped."""

TICK_S: Final = 1e-6
"""The resolution of event time."""


class Feed:
    """The messages of one camera; times of each topic never fall, whatever its source does."""

    def __init__(
        self, name: str, camera: Camera, settings: Capture, shown: str = "", *, valve: Valve | None = None, left_out: LeftOut | None = None
    ) -> None:
        self.name = name
        self.shown = shown
        self.modalities: tuple[Modality, ...] = ()
        self.states: tuple[State, ...] = ()
        self.until = {Modality.PICTURE: -math.inf, Modality.SOUND: -math.inf}
        """Nothing that begins before this is still to come."""
        self.valve = valve or Valve()
        self._left_out = left_out
        self._skipped = 0
        self._undecoded = False
        self._unseen = -math.inf
        """When the latest frame that was not decoded would have been shown."""
        self._settings = settings
        self._language = camera.language or ""
        self._grid = Grid(camera.fps)
        self._cutter = Cutter()
        self._compare_anew()
        self._shrink = Shrinker(camera.width)
        self._health = Health(settings.unhealthy_s, has_sound=False)
        self._aspect = 1.0
        self._present: tuple[Modality, ...] = ()
        self._frames = 0
        self._sounds = 0
        self._size = (0, 0)

    @property
    def end(self) -> float:
        """The latest event time of anything so far."""
        return max(self.until.values())

    def begin(self, at: float, modalities: Iterable[Modality], aspect: float) -> None:
        """A source was opened: it has these modalities, nothing of it lies before `at`, and nothing is compared with what was before."""
        self._present = tuple(modalities)
        self.expect(self._present)
        self._aspect = aspect
        self._compare_anew()
        self._health.reopen(has_sound=Modality.SOUND in self.modalities)
        self._grid.skip_to(at)
        self._cutter.skip_to(at)
        self.until = {modality: max(at, until) for modality, until in self.until.items()}

    def expect(self, modalities: Iterable[Modality]) -> None:
        """Say from now on that the camera has these too; what it once had it is not said to have lost."""
        known = {*self.modalities, *modalities}
        self.modalities = tuple(modality for modality in Modality if modality in known)

    def picture(self, frame: VideoFrame, at: float, captured: float) -> Iterator[Item]:
        """Take in a decoded frame; gives a Frame if it is sampled. Raises NotMediaError for one that is too large."""
        if (frame.width, frame.height) != self._size:
            check_size(frame.width, frame.height)
            self._size = (frame.width, frame.height)
            self._compare_anew()
        if frame.key_frame or self._motion.wants(at):
            grid = luma(frame)
            self._motion.push(at, grid)
            self._closeup.push(at, luma(frame, closeup.ROWS, closeup.COLUMNS))
            if self._flowing:
                self._flowing.push(at, frame)
            self._health.decoded(at, grid, key=frame.key_frame)
        if self._undecoded:
            yield from self.undecoded(at, at, captured)
            self._undecoded = False
        if self._grid.takes(at):
            if self._lets_through():
                yield self._sample(frame, at, captured)
            else:
                yield from self._leave_picture_out(captured)
            yield from self._promise(Modality.PICTURE, captured)
            yield from self._look_after(at, captured)

    def undecoded(self, at: float, shown: float, captured: float) -> Iterator[Item]:
        """A frame that is not even decoded, which would be `shown` later.

        The sample before it, if there was none, was left out; with the picture off, so is its own: no key frame can be it.
        """
        self._undecoded = True
        self._unseen = max(self._unseen, shown)
        still_s = 0.0 if self.valve.step >= Step.NO_PICTURE else 1 / self._grid.rate - TICK_S
        if self._grid.takes(at - still_s):
            yield from self._leave_picture_out(captured)
            yield from self._promise(Modality.PICTURE, captured)
            yield from self._look_after(at, captured)

    def sound(self, samples: npt.NDArray[np.int16], at: float, captured: float) -> Iterator[Item]:
        """Take in a block of sound, int16 [n], mono, 16 kHz; gives the pieces that are complete."""
        yield from self._pieces(self._cutter.push(at, samples), captured)

    def close(self, captured: float) -> Iterator[Item]:
        """The source ended or broke off: give the rest of its sound, and say of the last samples that they were not decoded.

        So where a clip ends, and the next of its folder begins, does not depend on what was taken of it.
        """
        while self._undecoded and self._grid.due <= self._unseen:
            self._grid.takes(self._grid.due)
            yield from self._leave_picture_out(captured)
        yield from self._pieces(self._cutter.flush(), captured)

    def promise(self, until: float, captured: float, *, last: bool = False) -> Iterator[Item]:
        """Marks for picture and sound: nothing of either begins before `until` any more."""
        self._grid.skip_to(until)
        yield from self._pieces(self._cutter.skip_to(until), captured)
        for modality in (Modality.PICTURE, Modality.SOUND):
            if modality in self.modalities:
                yield self._mark(modality, max(until, self.until[modality]), captured, last=last)

    def state(self, at: float, captured: float, *states: State, detail: str = "") -> CameraState:
        """Say how the camera fares, and remember it."""
        self.states = states
        return CameraState(
            camera=self.name, at=at, states=states, detail=detail, source=self.shown, modalities=self.modalities, captured=captured
        )

    def _compare_anew(self) -> None:
        """Compare nothing that comes with what was before."""
        self._motion = Motion()
        self._closeup = Closeup()
        self._flowing = Flowing() if self._settings.flow else None

    def _lets_through(self) -> bool:
        """Whether the next sample is taken, under the pressure there is."""
        step = self.valve.step
        return step < Step.NO_PICTURE and self._skipped + 1 >= step.every

    def _leave_picture_out(self, captured: float) -> Iterator[Item]:
        """Say of a sample that there is none."""
        self._skipped += 1
        if self._left_out:
            self._left_out(Modality.PICTURE, 0.0)
        begin = self.until[Modality.PICTURE]
        yield self._mark(Modality.PICTURE, max(self._grid.due, begin), captured, at=begin)

    def _sample(self, frame: VideoFrame, at: float, captured: float) -> Frame:
        small = self._shrink(frame, self._aspect)
        self._health.sampled(at, look(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY).astype(np.uint8, copy=False)))
        self._frames += 1
        self._skipped = 0
        self.until[Modality.PICTURE] = self._grid.due
        return Frame(
            camera=self.name,
            at=at,
            until=self._grid.due,
            captured=captured,
            modalities=self.modalities,
            seq=self._frames - 1,
            jpeg=jpeg(small, self._settings.jpeg_quality),
            width=small.shape[1],
            height=small.shape[0],
            motion=self._moved(),
            closeup=self._closeup.take(),
        )

    def _moved(self) -> bytes:
        """How the picture moved since the last sample, and, where that is wanted and known, its flow."""
        flow = self._flowing.take() if self._flowing else None
        return self._motion.take() + (b"" if flow is None else pack(flow))

    def _pieces(self, pieces: Iterable[Piece], captured: float) -> Iterator[Item]:
        for piece in pieces:
            self._health.sound(piece.until, piece.peak)
            if self.valve.step is Step.NOTHING:
                if self._left_out:
                    self._left_out(Modality.SOUND, piece.until - piece.at)
                yield self._mark(Modality.SOUND, piece.until, captured)
            else:
                yield self._sounding(piece, captured)
            yield from self._promise(Modality.SOUND, captured)
            if Modality.PICTURE not in self._present:
                yield from self._look_after(piece.until, captured)

    def _sounding(self, piece: Piece, captured: float) -> Sound:
        self._sounds += 1
        self.until[Modality.SOUND] = piece.until
        return Sound(
            camera=self.name,
            at=piece.at,
            until=piece.until,
            captured=captured,
            modalities=self.modalities,
            seq=self._sounds - 1,
            pcm=piece.samples.astype("<i2", copy=False).tobytes(),
            language=self._language,
        )

    def _promise(self, came: Modality, captured: float) -> Iterator[Item]:
        """Mark how far the other modality is at least, if it is far behind or if this opening of the source has none of it."""
        other = Modality.SOUND if came is Modality.PICTURE else Modality.PICTURE
        if other not in self.modalities:
            return
        until = self.until[came] - (INTERLEAVE_S if other in self._present else 0)
        if until <= self.until[other]:
            return
        if other is Modality.PICTURE:
            self._grid.skip_to(until)
        else:
            yield from self._pieces(self._cutter.skip_to(until), captured)
        if until > self.until[other]:
            yield self._mark(other, until, captured)

    def _mark(self, modality: Modality, until: float, captured: float, *, at: float | None = None, last: bool = False) -> Mark:
        """Promise; `at`: since when the time passed that it speaks of, where that is known."""
        self.until[modality] = until
        at = until if at is None else at
        return Mark(camera=self.name, at=at, until=until, captured=captured, modalities=self.modalities, modality=modality, last=last)

    def _look_after(self, at: float, captured: float) -> Iterator[Item]:
        states = self._health.states(at)
        if states != self.states:
            yield self.state(at, captured, *states, detail=self._health.detail)
