"""Reads one camera for as long as it has anything to give: opens its source, and opens it again when it fails.

Synchronous: `Capture.items` blocks while the source has nothing, so each camera has a thread of its own (PyAV lets go of the
interpreter while it waits and decodes).
"""

from __future__ import annotations

import contextlib
import math
import os
import random
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import structlog

from monitor import config
from monitor.errors import ConfigError, NotMediaError, SourceError
from monitor.feed import Feed, Item
from monitor.messages import State
from monitor.metrics import Metrics
from monitor.player import Ledger, Player
from monitor.pressure import Valve
from monitor.sources import Address, Kind, Media, address, open_media

log: Any = structlog.get_logger()

LEAD_S: Final = 0.25
"""HTTP delivers in bursts: it is read no further ahead of its event time than this."""
SETTLED_S: Final = 10.0
"""A source that delivered for so long has recovered: its next failure begins with the shortest pause."""
CUT_OFF_S: Final = 1.0
"""A recording that ends so much before the time it claims to last is said to be cut off."""


def pauses(first_s: float, longest_s: float) -> Iterator[float]:
    """Seconds to wait before each next try: doubled up to a limit, each shortened by up to half at random."""
    pause = first_s
    while True:
        yield pause * random.uniform(0.5, 1)  # noqa: S311 (no secret: it keeps cameras from trying in step)
        pause = min(2 * pause, longest_s)


class Capture:
    """One camera: `items` yields its messages until it ends (recordings) or is stopped (all).

    `fast`: recordings as quickly as they are taken; live sources always come at their own pace. `after`: no event time is before this.
    `valve`: what may be taken; whoever waits for the stages takes everything.
    """

    def __init__(
        self,
        name: str,
        camera: config.Camera,
        settings: config.Capture,
        metrics: Metrics,
        *,
        fast: bool = False,
        after: float = -math.inf,
        valve: Valve | None = None,
    ) -> None:
        self._camera = camera
        self._settings = settings
        self._fast = fast
        self._after = after
        self._stop = threading.Event()
        self._wall = time.time() - time.monotonic()
        self._ledger = Ledger(metrics, name, log.bind(camera=name))
        self.feed = Feed(name, camera, settings, valve=valve if self.live or not fast else None, left_out=self._ledger.left_out)

    @property
    def live(self) -> bool:
        """Whether its source is read as it happens; an address that can't be read counts as one."""
        with contextlib.suppress(ConfigError):
            return address(self._camera.source, os.environ).live
        return True

    def stop(self) -> None:
        """End soon; from any thread. A read that waits for its source ends when that delivers or stalls."""
        self._stop.set()

    def items(self) -> Iterator[Item]:
        """Messages, each topic's in the order of event time; ends with Mark(last) and the state `ended`.

        Raises NotMediaError or ConfigError, after these, when another try is useless.
        """
        try:
            where = address(self._camera.source, os.environ)
            self.feed.shown = where.shown
            yield self.feed.state(self._now(), time.time(), State.CONNECTING)
            yield from self._live(where) if where.live else self._recorded(where)
        except (NotMediaError, ConfigError) as error:
            self._ledger.log.error("source given up", reason=str(error))  # noqa: TRY400 (a mistake of the user's, not ours)
            yield from self.ended(str(error))
            raise
        yield from self.ended()

    def ended(self, detail: str = "") -> Iterator[Item]:
        """Say that nothing follows."""
        at, captured = self._last(), time.time()
        yield from self.feed.promise(at, captured, last=True)
        yield self.feed.state(at, captured, State.ENDED, detail=detail)

    def _last(self) -> float:
        """The latest event time; now if there was none."""
        last = max(self.feed.end, self._after)
        return last if math.isfinite(last) else self._now()

    def _now(self) -> float:
        """A wall clock that never runs backwards; steps of the machine's clock are taken over when a source is opened."""
        return self._wall + time.monotonic()

    # Recordings

    def _recorded(self, where: Address) -> Iterator[Item]:
        """Play a file, or a folder's one after the other with continuing event time."""
        starts_at = math.floor(time.time()) if self._camera.starts_at is None else self._camera.starts_at
        begin = max(float(starts_at), self._after)
        clips = self._clips(where)
        offset = begin - time.monotonic()
        for clip in clips:
            if math.isfinite(self.feed.end):
                yield from self.feed.promise(self.feed.end, time.time())
            with open_media(clip, self._camera, self._settings) as media:
                yield from self._clip(clip, media, max(begin, self.feed.end), _unhindered if self._fast else _played_since(offset))
            if self._stop.is_set():
                return

    def _clip(self, clip: Address, media: Media, begin: float, ahead: Callable[[float], float]) -> Iterator[Item]:
        player = self._player(clip, media, begin, ahead)
        yield from player.items()
        yield from self.feed.close(time.time())
        if self._stop.is_set():
            return
        if player.clock is None:
            raise NotMediaError(f"{clip.shown}: nothing in it can be decoded: it is damaged, or not a video")
        played = player.reached - player.clock.zero
        if media.duration and played < media.duration - CUT_OFF_S and not player.clock.jumps:
            self._ledger.log.warning("recording is cut off", source=clip.shown, seconds=round(played, 1), of=round(media.duration, 1))

    def _clips(self, where: Address) -> list[Address]:
        """List the file itself, or the media in a folder by name, numbers in their order; what is no medium is told and left out."""
        if where.kind is Kind.FILE:
            return [where]
        clips = [Address(Kind.FILE, str(path), str(path)) for path in sorted(Path(where.url).iterdir(), key=_natural) if path.is_file()]
        usable = [clip for clip in clips if self._usable(clip)]
        if not usable:
            raise NotMediaError(f"{where.shown}: none of the {len(clips)} files in this folder is a video or sound")
        return usable

    def _usable(self, clip: Address) -> bool:
        """Whether a clip can be opened; what it has, the camera has."""
        try:
            with open_media(clip, self._camera, self._settings) as media:
                self.feed.expect(media.modalities)
        except NotMediaError as error:
            self._ledger.log.warning("clip left out", reason=str(error))
            return False
        return True

    # Live sources

    def _live(self, where: Address) -> Iterator[Item]:
        """Play a source for ever, and open it anew whenever it fails, stalls or ends."""
        waits = pauses(self._settings.retry_s, self._settings.retry_max_s)
        while not self._stop.is_set():
            opened = time.monotonic()
            try:
                yield from self._opened(where)
            except NotMediaError:
                raise
            except SourceError as error:
                reason = str(error)
            else:
                reason = f"{where.shown}: the stream ended"
            if time.monotonic() - opened > SETTLED_S:
                waits = pauses(self._settings.retry_s, self._settings.retry_max_s)
            yield from self._lost(reason, next(waits))

    def _opened(self, where: Address) -> Iterator[Item]:
        with open_media(where, self._camera, self._settings) as media:
            self._wall = max(self._wall, time.time() - time.monotonic())
            ahead = self._ahead_of_now if where.kind is Kind.HTTP else _unhindered
            player = self._player(where, media, None, ahead)
            try:
                yield from player.items()
            finally:
                self._ledger.log.info("source closed", source=where.shown)

    def _lost(self, reason: str, pause: float) -> Iterator[Item]:
        """Say that nothing comes, promise what that means for time, and wait for the next try; long waits are told again and again."""
        if self._stop.is_set():
            return
        self._ledger.log.warning("source lost", reason=reason, retry_s=round(pause, 1))
        yield from self.feed.close(time.time())
        until = time.monotonic() + pause
        while not self._stop.is_set():
            at = max(self._now(), self._last())
            yield from self.feed.promise(at, time.time())
            yield self.feed.state(at, time.time(), State.STALLED, detail=reason)
            left = until - time.monotonic()
            if left <= 0 or self._stop.wait(min(left, self._settings.stall_s)) or until - time.monotonic() <= 0:
                break
        self._ledger.metrics.reconnects.labels(self._ledger.label).inc()

    def _ahead_of_now(self, at: float) -> float:
        return at - self._now() - LEAD_S

    def _player(self, where: Address, media: Media, begin: float | None, ahead: Callable[[float], float]) -> Player:
        return Player(
            feed=self.feed,
            media=media,
            where=where,
            begin=begin,
            now=self._now,
            ahead=ahead,
            stall_s=self._settings.stall_s,
            keys_only=self._camera.decode == "key",
            ledger=self._ledger,
            stop=self._stop,
        )


def _unhindered(_at: float) -> float:
    return -math.inf


def _played_since(offset: float) -> Callable[[float], float]:
    """Play at real-time speed: event time is `offset` ahead of the monotonic clock."""
    return lambda at: at - offset - time.monotonic()


def _natural(path: Path) -> tuple[str | int, ...]:
    """Order names as people do: clip2 before clip10."""
    return tuple(int(part) if part.isdigit() else part.casefold() for part in re.split(r"(\d+)", path.name))
