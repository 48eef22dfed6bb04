from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.messages import Message, Modality, Sound, Topic
from monitor.metrics import Metrics
from monitor.spool import Spool, framed, values

VALUES = st.lists(st.binary(max_size=40), max_size=8)
ROOM = 10**6


def sound(seq: int) -> Sound:
    return Sound(camera="a", at=seq / 2, until=seq / 2 + 0.5, captured=0, modalities=(Modality.SOUND,), seq=seq, pcm=bytes(1000))


def numbers(messages: list[Message]) -> list[int]:
    return [message.seq for message in messages if isinstance(message, Sound)]


@dataclass
class Kept:
    """A spool, and what it lost."""

    folder: Path
    memory: int = ROOM
    disk: int = ROOM
    metrics: Metrics = field(default_factory=Metrics)
    lost: list[Message] = field(default_factory=list)

    def open(self) -> Spool:
        return Spool(Topic.AUDIO, self.folder, self.memory, self.disk, self.metrics, self.lost.append)

    def files(self) -> list[Path]:
        return sorted(self.folder.rglob("*.spool"))

    def broken(self) -> float:
        return float(self.metrics.spool_broken.labels("audio")._value.get())


def drained(spool: Spool, limit: int = 7) -> list[int]:
    found: list[int] = []
    while messages := spool.head(limit):
        found += numbers(messages)
        spool.done(len(messages))
    return found


@given(VALUES)
def test_what_is_framed_is_read_again(written: list[bytes]) -> None:
    assert values(b"".join(map(framed, written))) == (written, 0)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_without_an_error(data: bytes) -> None:
    values(data)


@given(VALUES.filter(bool), st.data())
def test_a_broken_place_costs_only_what_it_touches(written: list[bytes], data: st.DataObject) -> None:
    frames = list(map(framed, written))
    index = data.draw(st.integers(0, len(frames) - 1))
    hit = bytearray(frames[index])
    hit[data.draw(st.integers(0, len(hit) - 1))] ^= data.draw(st.integers(1, 255))
    found = values(b"".join([*frames[:index], bytes(hit), *frames[index + 1 :]]))
    rest = written[:index] + written[index + 1 :]
    assert found.broken >= 1
    assert [value for value in found.whole if value in rest] == rest or found.whole == rest


@given(VALUES.filter(bool), st.data())
def test_a_file_that_was_cut_keeps_all_before_the_cut(written: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(map(framed, written))
    cut = data.draw(st.integers(0, len(whole)))
    found = values(whole[:cut])
    assert found.whole == written[: len(found.whole)]
    assert len(b"".join(map(framed, found.whole))) + found.broken * cut >= cut


def test_memory_comes_before_disk_and_order_holds_through_both(tmp_path: Path) -> None:
    kept = Kept(tmp_path, memory=3500, disk=200_000)
    spool = kept.open()
    spool.push([sound(seq) for seq in range(3)])
    assert not kept.files()
    for seq in range(3, 100):
        spool.push([sound(seq)])
    assert kept.files()
    assert numbers(spool.head(2)) == [0, 1]
    spool.push([sound(100)])
    assert drained(spool) == list(range(101))
    assert not kept.files()
    assert not spool
    spool.close()


def test_when_everything_is_full_the_oldest_are_dropped_and_counted(tmp_path: Path) -> None:
    kept = Kept(tmp_path, memory=3500, disk=64_000)
    spool = kept.open()
    spool.push([sound(seq) for seq in range(200)])
    assert sum(path.stat().st_size for path in kept.files()) <= 64_000
    left = drained(spool)
    assert left == list(range(200 - len(left), 200))
    assert 50 <= len(left) < 70
    assert numbers(kept.lost) == list(range(200 - len(left)))
    assert kept.metrics.spool_dropped.labels("audio")._value.get() == 200 - len(left)
    spool.close()


def test_what_was_given_out_is_not_dropped_under_the_hands_of_who_has_it(tmp_path: Path) -> None:
    kept = Kept(tmp_path, memory=0, disk=64_000)
    spool = kept.open()
    spool.push([sound(seq) for seq in range(20)])
    given_out = numbers(spool.head(2))
    spool.push([sound(seq) for seq in range(20, 300)])
    assert numbers(spool.head(2)) == given_out
    found = drained(spool)
    assert found == sorted(found)
    assert sorted([*found, *numbers(kept.lost)]) == list(range(300))
    spool.close()


def test_the_next_process_takes_over_what_one_that_ended_in_order_left(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    spool = kept.open()
    spool.push([sound(seq) for seq in range(10)])
    spool.done(len(spool.head(4)))
    spool.push([sound(10)])
    spool.close()
    again = kept.open()
    assert drained(again) == list(range(4, 11))
    again.close()


def test_two_processes_do_not_meet_and_a_third_takes_over_from_both(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    first, second = kept.open(), kept.open()
    first.push([sound(1)])
    second.push([sound(2)])
    assert numbers(first.head(9)) == [1]
    first.close()
    second.close()
    third = kept.open()
    assert sorted(drained(third)) == [1, 2]
    third.close()


def test_broken_files_are_skipped_and_counted(tmp_path: Path) -> None:
    kept = Kept(tmp_path, disk=10**5)
    spool = kept.open()
    spool.push([sound(seq) for seq in range(10)])
    spool.close()
    path = kept.files()[0]
    data = bytearray(path.read_bytes())
    data[1500] ^= 255
    path.write_bytes(data)
    (path.parent / "00000000000000000001.spool").write_bytes(b"no spool" * 100)
    (path.parent / "00000000000000000002.spool").write_bytes(framed(b"no message"))
    again = kept.open()
    assert drained(again) == [0, *range(2, 10)]
    assert kept.broken() == 3
    again.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is full")
def test_a_disk_that_takes_nothing_costs_the_oldest_and_nothing_else(tmp_path: Path) -> None:
    kept = Kept(tmp_path, memory=5000, disk=ROOM)
    spool = kept.open()
    spool._disk._open = Path("/dev/full")
    spool._disk._sizes[Path("/dev/full")] = 0
    spool.push([sound(seq) for seq in range(10)])
    assert numbers(kept.lost)[:1] == [0]
    del spool._disk._sizes[Path("/dev/full")]
    left = drained(spool)
    assert sorted([*left, *numbers(kept.lost)]) == list(range(10))
    spool.close()


@settings(max_examples=30, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    acts=st.lists(st.tuples(st.booleans(), st.integers(1, 30)), max_size=25),
    memory=st.integers(0, 20_000),
    disk=st.integers(0, 60_000),
)
def test_whatever_happens_each_message_comes_once_in_order_or_is_counted(
    tmp_path_factory: pytest.TempPathFactory, acts: list[tuple[bool, int]], memory: int, disk: int
) -> None:
    kept = Kept(tmp_path_factory.mktemp("spool"), memory, disk)
    spool, pushed, found = kept.open(), 0, []
    for adds, count in acts:
        if adds:
            spool.push([sound(seq) for seq in range(pushed, pushed + count)])
            pushed += count
        else:
            messages = spool.head(count)
            found += numbers(messages)
            spool.done(len(messages))
    found += drained(spool)
    assert found == sorted(found)
    assert sorted([*found, *numbers(kept.lost)]) == list(range(pushed))
    spool.close()
