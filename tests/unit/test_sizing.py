"""What so many cameras need: in proportion, with room, and never more than Kafka has partitions."""

from __future__ import annotations

from dataclasses import replace

import pytest

from monitor.errors import ConfigError
from monitor.sizing import FULL, LIMIT, PROCESS_CORES, Costs, Demand, Plan, Site, busiest, camera_ms, costs, plan, processes_for

COSTS = Costs(
    capture_ms=190,
    transcribe_ms=70,
    encode_ms=66,
    picture_ms=15,
    sound_ms=36,
    things_ms=80,
    tone_ms=15,
    fuse_ms=5,
    alert_ms=0.3,
    deliver_ms=0.02,
    picture_record_ms=1,
    record_ms=0.5,
    broker_bytes_s=88e6,
    picture_bytes=25_000,
    sound_bytes=32_000,
    embeddings_bytes=30_000,
    text_bytes=2_000,
)


def planned(cameras: int, site: Site = Site(), **demand: object) -> Plan:  # noqa: B008 (it is frozen)
    return plan(COSTS, Demand(cameras=cameras, **demand), site)


def processes(found: Plan, stage: str) -> int:
    return next(each.processes for each in found.stages if each.name == stage)


def test_a_camera_costs_what_was_measured_when_all_is_as_it_was_measured() -> None:
    each = camera_ms(COSTS, Demand(cameras=1, things=False, tone=False))
    assert each["capture"] == 190
    assert each["transcribe"] == 70
    assert each["encode"] == pytest.approx(66)


def test_a_camera_costs_less_with_less_to_look_at_and_to_listen_to() -> None:
    everything = camera_ms(COSTS, Demand(cameras=1))
    assert everything["encode"] == pytest.approx(66 + 2 * 80 + 15)
    assert camera_ms(COSTS, Demand(cameras=1, fps=1))["encode"] < everything["encode"]
    assert camera_ms(COSTS, Demand(cameras=1, sound=False))["transcribe"] == 0
    assert camera_ms(COSTS, Demand(cameras=1, speech=0.1))["transcribe"] == pytest.approx(14)
    assert camera_ms(COSTS, Demand(cameras=1, decode="key"))["capture"] == pytest.approx(19)


def test_cores_grow_with_cameras() -> None:
    few, many = planned(10), planned(100)
    assert many.busy_cores == pytest.approx(10 * few.busy_cores)
    assert many.machines > few.machines
    assert many.brokers.in_mb_s == pytest.approx(10 * few.brokers.in_mb_s)


@pytest.mark.parametrize("cameras", [1, 7, 50, 400])
def test_no_process_is_full_even_if_chance_is_against_it(cameras: int) -> None:
    for stage in planned(cameras).stages:
        if stage.name != "capture" and stage.processes < cameras:
            assert stage.busy_cores / stage.processes * busiest(cameras, stage.processes) <= PROCESS_CORES * FULL + 1e-9


@pytest.mark.parametrize("cameras", [1, 10, 200, 1_000])
def test_one_machine_may_die_even_if_chance_is_against_another(cameras: int) -> None:
    found, site = planned(cameras), Site()
    assert found.machines >= 2
    left = found.machines - 1
    even = next(stage.busy_cores for stage in found.stages if stage.name == "capture")
    most = (even + (found.busy_cores - even) * busiest(cameras, left)) / left
    assert most <= FULL * site.machine_cores + 1e-9


def test_there_are_partitions_for_every_process_and_never_more_than_a_topic_has() -> None:
    for cameras in (10, 1_000, 30_000):
        found = planned(cameras)
        assert max(processes(found, name) for name in ("encode", "transcribe", "fuse")) <= found.partitions <= LIMIT
        assert found.cells * found.cameras >= cameras


def test_what_one_cluster_cannot_carry_is_shared_out_to_cells() -> None:
    assert planned(10).cells == 1
    assert planned(100_000).cells > 10


def test_disks_hold_every_copy_for_as_long_as_it_is_kept() -> None:
    once, thrice = planned(100, Site(replication=1)), planned(100, Site(replication=3))
    assert thrice.brokers.disk_gb == pytest.approx(3 * once.brokers.disk_gb)
    media = 100 * (2 * 25_000 + 32_000) * 3600 / 1e9
    assert once.brokers.media_share == pytest.approx(media / (media + 100 * (30_000 + 2_000) * 7 * 86_400 / 1e9))
    days = 100 * (30_000 + 2_000) * 7 * 86_400 / 1e9
    assert once.brokers.disk_gb == pytest.approx((media + days) * 1.125)
    assert planned(100, Site(media_minutes=120)).brokers.media_gb == pytest.approx(2 * once.brokers.media_gb, abs=1)


def test_the_fewest_processes_are_one_and_the_most_are_as_many_as_cameras() -> None:
    assert processes_for(0.001, 1000, 0.6) == 1
    assert processes_for(3.0, 4, 0.6) == 4
    assert processes_for(1.0, 3, 0.6) <= 3


def test_figures_that_were_not_measured_are_named() -> None:
    with pytest.raises(ConfigError, match="tone_ms"):
        costs(
            {
                "stages": dict.fromkeys(("capture_ms", "transcribe_ms", "encode_ms", "fuse_ms", "alert_ms", "deliver_ms"), 1.0),
                "more": {"encode_picture_ms": 1.0, "encode_sound_ms": 1.0, "things_ms": 1.0},
                "bus": {},
            }
        )


def test_cheaper_machines_are_more_of_them() -> None:
    assert planned(100, Site(machine_cores=4)).machines > planned(100, Site(machine_cores=32)).machines
    assert planned(100, replace(Site(), load=0.3)).machines > planned(100).machines
