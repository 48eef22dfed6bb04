"""How much so many cameras need: processors, processes, partitions, brokers, disks and network, from measured costs.

Pure. Costs come from the reports of `scenewatch bench stages`, `more` and `bus`; what is assumed beyond them is a field of Demand or Site,
or a constant with its reason.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from monitor.errors import ConfigError

MEASURED_SPEECH: Final = 0.5
"""In the stream that costs were measured on, somebody speaks half of the time."""
KEY_SHARE: Final = 0.1
"""`decode: key` costs about a tenth of `reference` on a stream with a key frame every two seconds (README)."""
PROCESS_CORES: Final = 2.0
"""What one process can use: that of `bench cameras` kept two cores busy, and more were never tried."""
FULL: Final = 0.9
"""The busiest process, and every machine when one is dead, may be so busy on the average."""
MEASURED_CORES: Final = 2.0
"""Of the machine that `bench bus` ran on, broker and clients together."""
SOUNDS: Final = 2.0
"""Pieces of sound a second, and windows a second (`fusion.hop_s`)."""
LIMIT: Final = 1000
"""Partitions of a topic (`kafka.partitions`)."""
AGAIN: Final = 3
"""Partitions are so many times the processes: whoever takes one of a dead process has a third more to do. With half as many some have
twice what others have, and a cluster that lost a machine did not recover (docs/sizing.md says how long it takes)."""
DAY_S: Final = 86_400.0

Decode = Literal["reference", "key"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Milliseconds of processor, and bytes, as measured."""

    capture_ms: float
    """A camera-second of 1080p25 H.264 with sound: decoding, and two pictures as JPEG."""
    transcribe_ms: float
    """A camera-second in which somebody speaks half of the time."""
    encode_ms: float
    """A camera-second of two pictures and sound, measured together; how it is shared out, `more` says."""
    picture_ms: float
    """A picture alone …"""
    sound_ms: float
    """… and a second of sound alone."""
    things_ms: float
    """People and things, a picture."""
    tone_ms: float
    """Every layer of the sound encoder, a second."""
    fuse_ms: float
    alert_ms: float
    deliver_ms: float
    picture_record_ms: float
    """A record with a picture, from publisher to reader, broker and both clients."""
    record_ms: float
    """The same of a small record."""
    broker_bytes_s: float
    """What one broker of two cores, which it shares with its clients, takes in and gives out again, a second."""
    picture_bytes: float
    sound_bytes: float
    """A second."""
    embeddings_bytes: float
    """A camera-second at two pictures."""
    text_bytes: float
    """Scores and transcripts, a camera-second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What is to be watched."""

    cameras: int
    fps: float = 2.0
    """Pictures a second that are analysed, of each."""
    sound: bool = True
    speech: float = MEASURED_SPEECH
    """The share of the time in which somebody speaks, of each camera."""
    things: bool = True
    """Look for people and things."""
    tone: bool = True
    decode: Decode = "reference"


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What it is to run on."""

    machine_cores: int = 8
    load: float = 0.6
    """The share of the processors that may be busy on the average; the rest is for bursts and for what a dead machine leaves."""
    replication: int = 3
    media_minutes: float = 60.0
    embeddings_days: float = 7.0
    text_days: float = 7.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage of one cell."""

    name: str
    busy_cores: float
    """On the average."""
    processes: int

    @property
    def cores(self) -> float:
        """What the processes can use."""
        return self.processes * PROCESS_CORES


@dataclass(frozen=True, slots=True, kw_only=True)
class Brokers:
    """Kafka's nodes, of one cell."""

    count: int
    busy_cores: float
    """Brokers' and clients' together: `bench bus` measures both at once."""
    in_mb_s: float
    """What is published, once."""
    network_in_mb_s: float
    """All nodes: published and copied …"""
    network_out_mb_s: float
    """… copied and read."""
    disk_gb: float
    """All nodes, all copies, an eighth more for whole segments that are not deleted yet …"""
    media_share: float
    """… of which this is pictures and sound, the rest what is kept for days."""
    media_gb: float
    """What `kafka.retention.media_gb` must be at least, so that the minutes are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one cell needs, and how many cells there are."""

    cells: int
    """Clusters of their own, each with its own bus: one has partitions and cameras for no more."""
    cameras: int
    """Of each cell."""
    partitions: int
    stages: tuple[Stage, ...]
    brokers: Brokers
    busy_cores: float
    machines: int
    """Of each cell, for the stages; brokers have their own."""

    @property
    def total_cores(self) -> float:
        """All cells' processors that are busy on the average, brokers included."""
        return self.cells * (self.busy_cores + self.brokers.busy_cores)


def costs(figures: Mapping[str, Mapping[str, float]]) -> Costs:
    """Take costs out of the figures of `stages`, `more` and `bus`, by report. Raises ConfigError if one is missing."""
    try:
        stages, more, bus = figures["stages"], figures["more"], figures["bus"]
        return Costs(
            **{name: stages[name] for name in ("capture_ms", "transcribe_ms", "encode_ms", "fuse_ms", "alert_ms", "deliver_ms")},
            picture_ms=more["encode_picture_ms"],
            sound_ms=more["encode_sound_ms"],
            things_ms=more["things_ms"],
            tone_ms=more["tone_ms"],
            picture_record_ms=MEASURED_CORES * 1000 / bus["frames_per_s_kafka"],
            record_ms=MEASURED_CORES * 1000 / bus["scores_per_s_kafka"],
            broker_bytes_s=bus["mb_per_s_kafka"] * 1e6,
            picture_bytes=more["video_bytes"] / 2,
            sound_bytes=more["audio_bytes"],
            embeddings_bytes=more["embeddings_bytes"],
            text_bytes=more["scores_bytes"] + more["transcripts_bytes"],
        )
    except KeyError as error:
        raise ConfigError(f"no figure {error} was measured: run scenewatch bench stages, more and bus with --json") from error


def camera_ms(costs: Costs, demand: Demand) -> dict[str, float]:
    """Milliseconds of processor for one camera-second, by stage; `bus` is brokers and clients."""
    hears = float(demand.sound)
    together = costs.encode_ms / (2 * costs.picture_ms + costs.sound_ms)
    encode = together * (demand.fps * costs.picture_ms + hears * costs.sound_ms)
    more = demand.things * demand.fps * costs.things_ms + hears * demand.tone * costs.tone_ms
    small = 3 * SOUNDS * hears + demand.fps + SOUNDS  # sound is read twice; embeddings of sound and picture; scores
    return {
        "capture": costs.capture_ms * (KEY_SHARE if demand.decode == "key" else 1.0),
        "transcribe": hears * costs.transcribe_ms * demand.speech / MEASURED_SPEECH,
        "encode": encode + more,
        "fuse": costs.fuse_ms,
        "alert": costs.alert_ms,
        "deliver": costs.deliver_ms,
        "bus": demand.fps * costs.picture_record_ms + small * costs.record_ms,
    }


def busiest(cameras: int, processes: int) -> float:
    """How much more than the mean the busiest process has, cameras being spread by a hash: the maximum of as many normal variables."""
    return 1 + math.sqrt(2 * math.log(processes) * processes / cameras) if processes > 1 else 1.0


def processes_for(busy_cores: float, cameras: int, load: float) -> int:
    """The fewest processes that are below the load on the average, and of which the busiest is not full; never more than cameras."""
    count = max(1, math.ceil(busy_cores / (PROCESS_CORES * load)))
    while count < cameras and busy_cores / count * busiest(cameras, count) > PROCESS_CORES * FULL:
        count += 1
    return count


def plan(costs: Costs, demand: Demand, site: Site) -> Plan:
    """Size everything: as few cells as Kafka's partitions allow, all alike."""
    cells = 1
    while (found := _cell(costs, demand, site, cells)).partitions > LIMIT:
        cells += 1
    return found


def _cell(costs: Costs, demand: Demand, site: Site, cells: int) -> Plan:
    cameras = math.ceil(demand.cameras / cells)
    each = camera_ms(costs, demand)
    stages = tuple(_stage(name, ms * cameras / 1000, cameras, site.load) for name, ms in each.items() if name != "bus")
    most = max(stage.processes for stage in stages if stage.name != "capture")
    even = sum(stage.busy_cores for stage in stages if stage.name == "capture")
    busy = sum(stage.busy_cores for stage in stages)
    return Plan(
        cells=cells,
        cameras=cameras,
        partitions=max(8, most * AGAIN),
        stages=stages,
        brokers=_brokers(costs, demand, site, cameras, each["bus"] * cameras / 1000),
        busy_cores=busy,
        machines=_machines(busy, even, cameras, site),
    )


def _stage(name: str, busy_cores: float, cameras: int, load: float) -> Stage:
    """Capture's cameras are shared out by hand, so none of its processes has more than its part."""
    even = max(1, math.ceil(busy_cores / (PROCESS_CORES * load)))
    return Stage(name=name, busy_cores=busy_cores, processes=even if name == "capture" else processes_for(busy_cores, cameras, load))


def _machines(busy: float, even: float, cameras: int, site: Site) -> int:
    """Enough that one may die: without it, the busiest of the others, whose cameras are more than the mean, is not full.

    Of the `busy` processors, `even` are shared out by hand.
    """
    count = max(2, math.ceil(busy / (site.machine_cores * site.load)))
    while even + (busy - even) * busiest(cameras, count - 1) > site.machine_cores * FULL * (count - 1):
        count += 1
    return count


def _brokers(costs: Costs, demand: Demand, site: Site, cameras: int, busy_cores: float) -> Brokers:
    hears = float(demand.sound)
    video, audio = demand.fps * costs.picture_bytes * cameras, hears * costs.sound_bytes * cameras
    embeddings = costs.embeddings_bytes * cameras * (demand.fps / 2 + hears) / 2
    text = costs.text_bytes * cameras
    published = video + audio + embeddings + text
    media = (video + audio) * site.media_minutes * 60
    kept = media + embeddings * site.embeddings_days * DAY_S + text * site.text_days * DAY_S
    copied = published * (site.replication - 1)
    by_network = published * site.replication / (costs.broker_bytes_s * site.load)
    return Brokers(
        count=max(site.replication, math.ceil(by_network)),
        busy_cores=busy_cores,
        in_mb_s=published / 1e6,
        network_in_mb_s=(published + copied) / 1e6,
        network_out_mb_s=(copied + video + 2 * audio + embeddings + text) / 1e6,
        media_share=media / kept,
        disk_gb=kept * site.replication * 1.125 / 1e9,
        media_gb=math.ceil(max(video, audio) * site.media_minutes * 60 / 1e9),
    )
