"""Evidence cut from real pictures and sound on both buses, and read back by another decoder."""

from __future__ import annotations

import asyncio
import io
import itertools
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

import alerts
import av
import clips
import cv2
import msgspec
import numpy as np
import pytest
import stamina
from fsspec.implementations.memory import MemoryFileSystem

from monitor import events
from monitor.archive import Span
from monitor.bus import Bus
from monitor.clip import mp4
from monitor.config import Config, EvidenceSink
from monitor.errors import ConfigError, SinkError
from monitor.evidence import Document, name
from monitor.evidence import EvidenceSink as Keeper
from monitor.folder import Folder
from monitor.jpeg import decode_jpeg
from monitor.messages import Alert, Frame, Modality, Phase, Reasons, Ref, Share, Sound, Topic
from monitor.metrics import Metrics
from monitor.pictures import jpeg
from workers import deliver, evidence
from workers.bus import open_bus

BOTH = (Modality.PICTURE, Modality.SOUND)
PREFIXES = (f"evidence{number}." for number in itertools.count())
AT = 1_900_000_000.0
"""Event time of the recording; the wall clock says something else."""
SECONDS = 30


def frame(seq: int, captured: float) -> Frame:
    at = AT + seq / 2
    picture = jpeg(clips.picture(seq / 2), 85)
    return Frame(
        camera="hall", at=at, until=at + 0.5, captured=captured, modalities=BOTH, seq=seq, jpeg=picture, width=clips.WIDTH, height=180
    )


def sound(seq: int, captured: float) -> Sound:
    at = AT + seq / 2
    pcm = clips.sound(seq * 8000, 8000, 16_000)[0].astype("<i2").tobytes()
    return Sound(camera="hall", at=at, until=at + 0.5, captured=captured, modalities=BOTH, seq=seq, pcm=pcm)


@dataclass
class Scene:
    """A bus with half a minute of one camera on it, and an alert from second 10 to 14."""

    bus: Bus
    config: Config
    alert: Alert


@pytest.fixture(params=["memory", pytest.param("apache", marks=pytest.mark.kafka)])
async def scene(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Scene]:
    at = "memory://" if request.param == "memory" else request.getfixturevalue(f"{request.param}_url")
    sink = EvidenceSink(type="evidence", to=str(tmp_path / "kept"), before_s=4, after_s=3)
    config = Config(bus=at, topic_prefix=next(PREFIXES), sinks=(sink,))
    async with open_bus(config, Metrics(), {"deliver": [Topic.ALERTS]}) as bus:
        captured = time.time() - 60
        await bus.publish(Topic.VIDEO, [frame(seq, captured + seq / 2) for seq in range(SECONDS * 2)])
        await bus.publish(Topic.AUDIO, [sound(seq, captured + seq / 2) for seq in range(SECONDS * 2)])
        async with aclosing(evidence.archive(config, bus).span([Topic.VIDEO, Topic.AUDIO], Span(0, time.time()))) as records:
            refs = {(record.ref.topic, record.message.at): record.ref async for record in records}  # type: ignore[attr-defined]
        yield Scene(bus, config, alert(refs, captured + 14))


def alert(refs: dict[tuple[Topic, float], Ref], captured: float) -> Alert:
    return alerts.alert(
        camera="hall",
        at=AT + 10,
        until=AT + 14,
        captured=captured,
        modalities=BOTH,
        key_frame=refs[Topic.VIDEO, AT + 12],
        frames=tuple(refs[Topic.VIDEO, AT + second] for second in (11.5, 12, 12.5)),
        sounds=(refs[Topic.AUDIO, AT + 12],),
    )


async def delivered(scene: Scene, *alerts: Alert) -> Metrics:
    """Let the deliver stage take alerts, as a run does."""
    metrics = Metrics()
    (sink,) = evidence.reading([Keeper(scene.config.sinks[0])], scene.config, scene.bus)  # type: ignore[arg-type]
    stage = asyncio.create_task(deliver.run(scene.bus, [sink], metrics))
    await scene.bus.publish(Topic.ALERTS, alerts)
    async with asyncio.timeout(30):
        while sum(count(metrics, each) for each in ("delivered", "failed")) < len(alerts):  # noqa: ASYNC110 - a test watches from outside
            await asyncio.sleep(0.02)
    stage.cancel()
    await asyncio.wait([stage])
    return metrics


def count(metrics: Metrics, outcome: str) -> float:
    return metrics.registry.get_sample_value("scenewatch_deliveries_total", {"sink": "evidence", "outcome": outcome}) or 0.0


async def test_an_alert_becomes_a_film_pictures_and_its_event(scene: Scene, tmp_path: Path) -> None:
    metrics = await delivered(scene, scene.alert)
    assert count(metrics, "delivered") == 1
    folder = tmp_path / "kept" / name(scene.alert)
    made = {path.name for path in folder.iterdir()}
    assert made == {"clip.mp4", "alert.json", "key-174652.000.jpg", "frame-174651.500.jpg", "frame-174652.500.jpg"}
    document = msgspec.json.decode((folder / "alert.json").read_bytes(), type=Document)
    assert document.event == events.event(scene.alert)
    assert (document.evidence.begin, document.evidence.end) == (AT + 6, AT + 17)
    assert (document.evidence.frames, document.evidence.sound_s, document.evidence.missing) == (22, 11.0, ())
    assert set(document.evidence.files) == made - {"alert.json"}
    assert (folder / "key-174652.000.jpg").read_bytes() == frame(24, 0).jpeg
    with av.open(str(folder / "clip.mp4")) as film:
        seen, heard = film.streams.video[0], film.streams.audio[0]
        assert (seen.codec_context.name, heard.codec_context.name) == ("h264", "aac")
        assert abs(film.duration / 1e6 - 11) < 0.1
        pictures = [(picture.time, picture.to_ndarray(format="rgb24")) for picture in film.decode(video=0)]
    assert [at for at, _ in pictures] == pytest.approx([seq / 2 for seq in range(22)], abs=0.002)
    for number, (_, shown) in enumerate(pictures):
        meant = decode_jpeg(frame(12 + number, 0).jpeg)
        assert cv2.PSNR(shown, meant) > 25


async def test_its_sound_is_the_sound_of_then(scene: Scene, tmp_path: Path) -> None:
    await delivered(scene, scene.alert)
    with av.open(str(tmp_path / "kept" / name(scene.alert) / "clip.mp4")) as film:
        heard = np.concatenate([block.to_ndarray()[0] for block in film.decode(audio=0)])
    loud = np.abs(heard).reshape(-1)[: 16_000 * 11]
    seconds = [loud[16_000 * second : 16_000 * second + 1600].max() for second in range(1, 11)]
    between = [loud[16_000 * second + 8000 : 16_000 * second + 12_000].max() for second in range(1, 11)]
    assert min(seconds) > 0.3
    assert max(between) < 0.05


async def test_each_phase_has_films_of_its_own_and_none_is_written_twice(scene: Scene, tmp_path: Path) -> None:
    end = msgspec.structs.replace(scene.alert, phase=Phase.END, sequence=2, until=AT + 20)
    update = msgspec.structs.replace(scene.alert, phase=Phase.UPDATE, sequence=1)
    await delivered(scene, scene.alert, update, end)
    folder = tmp_path / "kept" / "hall" / "2030-03-17" / "5f0c"
    assert {path.name for path in folder.iterdir()} == {"0-new", "2-end"}
    (folder / "0-new" / "clip.mp4").write_bytes(b"marked")
    await delivered(scene, scene.alert)
    assert (folder / "0-new" / "clip.mp4").read_bytes() == b"marked"
    assert not list((tmp_path / "kept").rglob("*.part"))


async def test_an_alert_with_reasons_has_a_page_that_shows_them(scene: Scene, tmp_path: Path) -> None:
    gone = Ref(topic=Topic.VIDEO, partition=scene.alert.frames[0].partition, offset=10**6)
    share = Share(at=AT + 12, until=AT + 12.5, share=0.4)
    reasons = Reasons(heat=((0.0, 1.0), (0.0, 0.0)), picture=scene.alert.frames[0], sounds=(share,), expected=(gone, scene.alert.frames[2]))
    explained = msgspec.structs.replace(scene.alert, parts={Modality.PICTURE: 0.5, Modality.SOUND: 0.4}, reasons=reasons)
    await delivered(scene, explained)
    folder = tmp_path / "kept" / name(explained)
    document = msgspec.json.decode((folder / "alert.json").read_bytes(), type=Document)
    assert document.event.data.reasons == reasons
    assert document.evidence.missing == ()
    assert "reasons.png" in document.evidence.files
    page = cv2.imread(str(folder / "reasons.png"))
    assert page.shape == (826, 1280, 3)
    expected = cv2.resize(decode_jpeg(frame(25, 0).jpeg), (196, 110), interpolation=cv2.INTER_AREA)[:, :, ::-1]
    assert cv2.PSNR(page[620 : 620 + 110, 1060 : 1060 + 196], np.ascontiguousarray(expected)) > 25


async def test_records_that_retention_took_are_said_to_be_missing(scene: Scene, tmp_path: Path) -> None:
    gone = Ref(topic=Topic.VIDEO, partition=scene.alert.frames[0].partition, offset=10**6)
    named = msgspec.structs.replace(scene.alert, key_frame=gone, frames=(gone, *scene.alert.frames))
    metrics = await delivered(scene, named)
    assert count(metrics, "delivered") == 1
    document = msgspec.json.decode((tmp_path / "kept" / name(named) / "alert.json").read_bytes(), type=Document)
    assert document.evidence.missing == (gone,)
    assert document.evidence.frames == 22
    everything = msgspec.structs.replace(
        named, id="beef", at=named.at - 900, until=named.until - 900, frames=(gone,), sounds=(), captured=named.captured - 900
    )
    assert count(await delivered(scene, everything), "delivered") == 1
    folder = tmp_path / "kept" / name(everything)
    assert {path.name for path in folder.iterdir()} == {"alert.json"}


async def test_an_alert_without_places_is_shown_by_its_time(scene: Scene, tmp_path: Path) -> None:
    blind = msgspec.structs.replace(scene.alert, kind="camera:blind", key_frame=None, frames=(), sounds=(), until=AT + 10)
    blind = msgspec.structs.replace(blind, captured=scene.alert.captured - 4)
    await delivered(scene, blind)
    folder = tmp_path / "kept" / name(blind)
    document = msgspec.json.decode((folder / "alert.json").read_bytes(), type=Document)
    assert (document.evidence.frames, document.evidence.sound_s) == (14, 7.0)
    assert (folder / "key-174650.000.jpg").exists()


async def test_a_folder_that_can_not_be_written_to_is_counted_and_delivery_goes_on(scene: Scene, tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("a file in the way")
    second = msgspec.structs.replace(scene.alert, id="beef")
    with stamina.set_testing(True, attempts=2):
        metrics = await delivered(scene, scene.alert, second)
    assert (count(metrics, "failed"), count(metrics, "delivered")) == (2, 0)


async def test_a_file_of_alerts_is_enough(scene: Scene, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "alerts.jsonl"
    file.write_bytes(events.to_json(scene.alert) + b"\n\n")
    if scene.config.bus == "memory://":
        with pytest.raises(ConfigError, match="forgotten"):
            await evidence.write(scene.config, file, str(tmp_path / "later"))
        return
    assert await evidence.write(scene.config, file, str(tmp_path / "later")) == 0
    assert "22 pictures, 11 s of sound\n" in capsys.readouterr().out
    assert (tmp_path / "later" / name(scene.alert) / "clip.mp4").exists()
    file.write_bytes(b"{}\n")
    with pytest.raises(ConfigError, match=r"alerts\.jsonl:1: no alert"):
        await evidence.write(scene.config, file, str(tmp_path / "later"))


def test_files_in_a_store_are_whole_and_over_older_ones() -> None:
    folder = Folder("memory://kept/here")
    folder.write("a/b.json", b"old")
    folder.write("a/b.json", b"new")
    assert folder.has("a/b.json")
    assert not folder.has("a/c.json")
    assert MemoryFileSystem().find("/kept/here") == ["/kept/here/a/b.json"]
    assert MemoryFileSystem().cat("/kept/here/a/b.json") == b"new"


def test_an_address_that_is_none_says_so_without_its_password() -> None:
    with pytest.raises(ConfigError) as caught:
        Folder("nosuch://user:hunter2@host/folder")
    assert "hunter2" not in str(caught.value)
    assert "nosuch" in str(caught.value)


def test_a_folder_that_refuses_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SinkError, match="Make room"):
        Folder(str(tmp_path / "file")).write("a/b.json", b"data")


@pytest.mark.parametrize(("pictures", "sounds"), [(5, 0), (0, 5), (1, 0), (0, 0)])
def test_a_clip_is_made_of_what_there_is(pictures: int, sounds: int) -> None:
    data = mp4([frame(seq, 0) for seq in range(pictures)], [sound(seq, 0) for seq in range(sounds)])
    if not pictures and not sounds:
        assert data == b""
        return
    with av.open(io.BytesIO(data)) as film:
        assert (len(film.streams.video), len(film.streams.audio)) == (bool(pictures), bool(sounds))
        assert abs(film.duration / 1e6 - (pictures + sounds) / 2) < 0.1


def test_pictures_that_are_broken_or_of_another_size_do_no_harm() -> None:
    broken = msgspec.structs.replace(frame(1, 0), jpeg=b"\xff\xd8 no picture")
    odd = msgspec.structs.replace(frame(2, 0), jpeg=jpeg(np.zeros((91, 161, 3), np.uint8), 85))
    data = mp4([broken, frame(1, 0), odd, odd, frame(3, 0)], [])
    with av.open(io.BytesIO(data)) as film:
        assert len([*film.decode(video=0)]) == 3
        assert (film.streams.video[0].width, film.streams.video[0].height) == (320, 180)
    assert mp4([broken], []) == b""
