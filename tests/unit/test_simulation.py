"""Queues as theory knows them, the same for the same seed, and a machine that dies."""

from __future__ import annotations

import pytest

from monitor.simulation import STAGES, Cluster, Costs, Outcome, Simulation, percentile

LIGHT = Costs(capture=0.01, encode=0.01, fuse=0.002, speech=0.05)


def cluster(cameras: int = 4, machines: int = 2, cores: int = 2, processes: int = 2, **more: object) -> Cluster:
    counts = tuple((name, processes) for name in STAGES)
    return Cluster(cameras=cameras, machines=machines, cores=cores, partitions=8, processes=counts, **more)


def played(what: Cluster, costs: Costs = LIGHT, seconds: float = 60, **more: object) -> Outcome:
    return Simulation(what, costs, seconds=seconds, **more).run()


def test_alone_a_picture_takes_its_half_second_and_its_work() -> None:
    found = played(cluster(1, 1, 4, 1, speech=0.0))
    assert found.picture_p50_s == pytest.approx(0.5 + (0.01 + 0.01 + 0.002) / 2)
    assert found.picture_p95_s == pytest.approx(found.picture_p50_s)
    assert found.speech_p50_s == 0


def test_processors_are_as_busy_as_the_work_is() -> None:
    found = played(cluster(10, speech=0.0), seconds=120)
    assert found.utilisation == pytest.approx(10 * 2 * (0.01 + 0.01 + 0.002) / 4, rel=0.05)


def test_speech_takes_its_share_of_the_time() -> None:
    silent, talking = played(cluster(10, speech=0.0), seconds=300), played(cluster(10, speech=0.5), seconds=300)
    assert (talking.utilisation - silent.utilisation) * 4 == pytest.approx(10 * 0.5 * 0.05, rel=0.25)


def test_words_come_after_the_pause_that_ends_them() -> None:
    found = played(cluster(1, 1, 4, 1))
    assert 0.6 < found.speech_p50_s < 0.6 + 0.5 + 7 * 0.05 + 0.1


def test_too_many_cameras_fall_behind_and_few_do_not() -> None:
    costs = Costs(capture=0.095, encode=0.033, fuse=0.003, speech=0.0)
    assert played(cluster(6, 1, 2, 1, speech=0.0), costs).unfinished_s < 1
    assert played(cluster(9, 1, 2, 1, speech=0.0), costs).unfinished_s > 5


def test_the_same_seed_gives_the_same_and_another_does_not() -> None:
    assert played(cluster(20), seed=3) == played(cluster(20), seed=3)
    assert played(cluster(20), seed=3) != played(cluster(20), seed=4)


def test_what_a_dead_machine_had_is_done_by_the_others_after_the_time_out() -> None:
    calm, broken = played(cluster(12)), played(cluster(12), fails_at=20)
    assert calm.lag_max_s == calm.recovery_s == calm.uncaptured == 0
    assert 10 < broken.lag_max_s < 20
    assert 10 < broken.recovery_s < 20
    assert broken.uncaptured == 6


def test_a_shorter_time_out_makes_less_lag() -> None:
    assert played(cluster(12, session_s=6.0), fails_at=20).lag_max_s < played(cluster(12), fails_at=20).lag_max_s - 2


def test_a_stage_that_had_no_second_process_is_said_to_be_lost() -> None:
    with pytest.raises(ValueError, match="no process of"):
        played(cluster(processes=1), fails_at=20)


def test_percentiles_of_none_are_none() -> None:
    assert percentile([], 0.5) == 0
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0
