"""Stages tell how far they are behind; capture listens, and takes less or more."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import structlog

from monitor import config
from monitor.admission import Load, Meter
from monitor.bus import Bus
from monitor.errors import BusError
from monitor.messages import Message, Pressure, Progress, Topic
from monitor.metrics import Metrics
from monitor.pressure import STAGES, Ladder, Reading, Step, Valve
from monitor.progress import Reports

if TYPE_CHECKING:
    from workers.courier import Link

EVERY_S: Final = 1.0
"""So often stages tell, and capture looks."""
ANSWER_S: Final = 2.0
"""What is told may take so long to be published; then the next report says it better."""
BROKERS_EVERY_S: Final = 10.0
"""So often the cluster's metadata is asked for …"""
BROKERS_ANSWER_S: Final = 5.0
"""… and may take so long to come."""
AGAIN_S: Final = 5.0
"""A listener that lost its broker tries again so often."""

Follow: TypeAlias = Callable[[], AbstractAsyncContextManager[AsyncIterator[Message]]]
"""Opens the stream of what other processes tell."""
log: Any = structlog.get_logger()


def this_process() -> str:
    """Name this process among all that share a bus."""
    return f"{socket.gethostname()}-{os.getpid()}"


def measure(metrics: Metrics, now: float) -> None:
    """Show how far the stages of this process are behind."""
    for group, member in metrics.board.members.items():
        behind = member.behind(now)
        for part in behind:
            metrics.lag_records.labels(group, str(part.partition)).set(part.records)
            metrics.lag_seconds.labels(group, str(part.partition)).set(part.seconds)
        metrics.queue.labels(group).set(sum(part.records for part in behind))


async def see_brokers(bus: Bus, metrics: Metrics) -> None:
    """Show for ever how the cluster is; while nobody answers, that it is not known."""
    while True:
        try:
            async with asyncio.timeout(BROKERS_ANSWER_S):
                health = await bus.health()
        except (BusError, TimeoutError) as error:
            log.debug("how the brokers are is not known", error=str(error) or "no answer")
            health = None
        metrics.set_health(health)
        await asyncio.sleep(BROKERS_EVERY_S)


async def tell(bus: Bus, metrics: Metrics) -> None:
    """Tell every second how far the stages of this process are behind; at the end, that they leave."""
    name = this_process()
    try:
        while True:
            measure(metrics, time.time())
            await _publish(bus, *metrics.board.reports(name, time.time()))
            await asyncio.sleep(EVERY_S)
    finally:
        await _publish(bus, *metrics.board.reports(name, time.time(), leaving=True))


async def _publish(bus: Bus, *messages: Message) -> None:
    """Publish what is soon out of date: without a broker it is not kept."""
    try:
        async with asyncio.timeout(ANSWER_S):
            await bus.publish(Topic.PRESSURE, messages)
    except (BusError, TimeoutError) as error:
        log.debug("not told", error=str(error) or "the broker is away")


class Governor:
    """Decides what the cameras of one process take."""

    def __init__(self, settings: config.Pressure, metrics: Metrics) -> None:
        self.valve = Valve()
        self._enabled = settings.enabled
        self._ladder = Ladder(settings)
        self._clear_lag_s = settings.clear_lag_s
        self._reports = Reports(STAGES)
        self._meter = Meter(len(os.sched_getaffinity(0)))
        self._metrics = metrics
        for direction in ("down", "up"):
            metrics.pressure_changes.labels(direction)
        self._clear_since = time.monotonic()
        self._excused_s = 0.0
        self._was_away = False

    def hear(self, told: Message, now: float) -> None:
        """Take in what a stage tells; `now` is this process's monotonic clock, as everywhere in here."""
        if isinstance(told, Progress):
            self._reports.hear(told, now)

    def load(self, cameras: int, now: float) -> Load:
        """How busy this process is."""
        since = self._ladder.since
        engaged, clear = (0.0, now - self._clear_since) if since is None else (now - since, 0.0)
        return Load(cameras, self._meter.share, engaged, clear)

    def turn(self, now: float, link: Link | None) -> Pressure | None:
        """Look how things are, and take a step if it is time; gives what is to be told of it."""
        self._meter.push(now, time.process_time())
        if link is not None and link.away:
            self._was_away = True
            self._reports.excuse(now)
            return None
        if self._was_away and link is not None:
            self._excused_s += link.outage_s
            self._was_away = False
        lag_s = self._reports.lag_s(now)
        if lag_s <= self._clear_lag_s:
            self._excused_s = 0.0
        before = self._ladder.step
        if not self._enabled or not self._ladder.push(Reading(now, lag_s, self._excused_s)):
            return None
        return self._changed(before, lag_s, now)

    def _changed(self, before: Step, lag_s: float, now: float) -> Pressure:
        step = self._ladder.step
        self.valve.step = step
        if step is Step.ALL:
            self._clear_since = now
        self._metrics.pressure_step.set(step)
        self._metrics.pressure_changes.labels("down" if step > before else "up").inc()
        say = log.warning if step > before else log.info
        say("pressure", step=int(step), takes=step.takes, lag_s=round(lag_s, 1))
        return Pressure(camera="capture", at=time.time(), member=this_process(), step=step, takes=step.takes, seconds=round(lag_s, 3))


async def govern(governor: Governor, bus: Bus, link: Link | None, metrics: Metrics) -> None:
    """Turn the valve for as long as this process captures; stages of this process are heard directly."""
    name = this_process()
    while True:
        await asyncio.sleep(EVERY_S)
        now = time.monotonic()
        measure(metrics, time.time())
        for told in metrics.board.reports(name, time.time()):
            governor.hear(told, now)
        if (change := governor.turn(now, link)) is not None:
            await _publish(bus, change)


async def listen(governor: Governor, follow: Follow) -> None:
    """Hear what the stages of other processes tell, however often the broker goes away."""
    while True:
        try:
            async with follow() as told:
                async for message in told:
                    governor.hear(message, time.monotonic())
        except BusError as error:
            log.warning("can't hear how far the stages are behind", error=str(error), retry_s=AGAIN_S)
        await asyncio.sleep(AGAIN_S)
