"""Streams that are ready to be judged: composed and perceived in a few processes, and kept for the next time."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from typing import Any, Final

from rich.progress import track

from monitor import logs
from monitor.config import Config
from workers.composing import films, timeline
from workers.composing.films import Order
from workers.composing.perceive import Perception
from workers.composing.sources import sources
from workers.composing.timeline import Timeline
from workers.features import Item

PROCESSES: Final = 2
"""At most; each has its models."""


def ready(order: Order, settings: Config, *, nights: bool = False, most: int = PROCESSES) -> Order:
    """Compose and perceive all streams of an order, those with incidents also `nights`; the order then names where they are.

    What was interrupted goes on: each stream is kept by itself. In `most` processes, one of which is this one if it is 1.
    """
    cached = films.kept(order)
    sources(order.data, order.split, shippable=order.shippable)  # what can't be composed is said before processes begin
    processes = max(1, min(most, os.cpu_count() or 1, order.streams))
    if processes == 1:
        _prepare(cached, settings, range(order.streams), nights=nights)
        return cached
    chunks = [[number for number in range(order.streams) if number // 2 % processes == first] for first in range(processes)]
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        for done in [pool.submit(_prepare, cached, settings, chunk, nights=nights) for chunk in chunks]:
            done.result()
    return cached


def streams(order: Order, settings: Config) -> list[tuple[Timeline, list[Item]]]:
    """The truth of each stream, and what was perceived of it; at night with the sound of the same day."""
    perceive, found = Perception(settings), []
    for number in range(order.streams):
        day = replace(order, night=False).film(number)
        if order.night and not timeline.beside(order.film(number)).is_file():
            continue
        truth = timeline.read(timeline.beside(order.film(number)))
        found.append((truth, perceive(day, order.film(number) if order.night else None)))
    return found


def _prepare(order: Order, settings: Config, numbers: Sequence[int], *, nights: bool) -> None:
    logs.configure("warning", json=False)
    perceive, night = Perception(settings), replace(order, night=True)
    for number in track(numbers, f"{order.split} streams"):
        (day,) = films.compose(order, _quiet, [number])
        perceive(day)
        if nights and timeline.read(timeline.beside(day)).incidents:
            (dark,) = films.compose(night, _quiet, [number])
            perceive(day, dark)


def _quiet(items: Iterable[Any], _what: str, _count: int) -> Iterable[Any]:
    return items
