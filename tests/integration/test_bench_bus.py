"""The benchmark of the bus, with next to nothing in it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from monitor.messages import Topic
from workers.bench import bus, load, scale
from workers.bench.servers import MissingError

SMALL = bus.Sizes(rounds=2, memory_rounds=2, frames=64, scores=64, references=64, read=32, waiting=80)


@pytest.fixture
def tansu(kafka_url: str) -> bus.Broker:
    @contextmanager
    def start() -> Iterator[str]:
        yield kafka_url

    return start


def test_every_way_through_memory_and_a_broker_is_measured(tansu: bus.Broker) -> None:
    figures = bus.measure(SMALL, {"tansu": tansu})
    for name in ("memory", "tansu", "tansu_bare"):
        assert figures[f"frames_per_s_{name}"] > 0
        assert figures[f"mb_per_s_{name}"] == pytest.approx(figures[f"frames_per_s_{name}"] * figures["frame_kb"] / 1000, rel=0.02)
    assert figures["scores_per_s_tansu"] > 0
    assert {"overhead_memory", "overhead_tansu", "overhead_tansu_wall", "overhead_tansu_scores"} <= figures.keys()


def test_a_broker_that_is_missing_is_left_out_and_named(capsys: pytest.CaptureFixture[str]) -> None:
    @contextmanager
    def missing() -> Iterator[str]:
        raise MissingError("there is no java")
        yield ""

    figures = bus.measure(SMALL, {"kafka": missing})
    assert "frames_per_s_memory" in figures
    assert "frames_per_s_kafka" not in figures
    assert "kafka is left out: there is no java" in capsys.readouterr().err


@pytest.mark.kafka
def test_processes_of_a_stage_share_its_partitions(apache_url: str) -> None:
    figures = asyncio.run(scale.measure(apache_url, SMALL.waiting, (1, 2)))
    assert figures["scale_1"] > 0
    assert figures["scale_ratio_2"] == pytest.approx(figures["scale_2"] / figures["scale_1"])


def test_pictures_are_as_large_as_a_cameras_and_scores_are_small() -> None:
    assert all(15_000 < len(frame.jpeg) < 65_000 for frame in load.frames(32))
    assert all(bus.pixels(frame) is not None for frame in load.frames(2))
    assert bus._megabytes(Topic.SCORES, load.scores(4)) < 0.0015


def test_partitions_are_settled_when_each_process_has_its_share() -> None:
    first, second = scale.Told(held=(0, 1, 2, 3), done=0), scale.Told(held=(4, 5, 6, 7), done=0)
    assert scale.settled([first, second])
    assert not scale.settled([first, first])
    assert not scale.settled([first])
    assert not scale.settled([scale.Told(held=tuple(range(8)), done=0), scale.Told(held=(), done=0)])
