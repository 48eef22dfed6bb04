import asyncio
import time
from pathlib import Path

import av
import numpy as np
import pytest
from clips import HEIGHT, WIDTH, make, picture
from watching import QUICK, clicks, flashes, image, until, watch, watching

from monitor.config import Camera, Capture
from monitor.errors import ConfigError, NotMediaError
from monitor.messages import CameraState, Frame, Mark, Modality, State, floats
from monitor.motion import MOTION

BEGIN = 1_800_000_000.0
ALL = (Modality.PICTURE, Modality.SOUND, Modality.TEXT)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("clips") / "clip.mp4", 6.0)


async def test_a_file_becomes_frames_and_sounds_on_one_clock(clip: Path) -> None:
    watched = await watch(str(clip), starts_at=BEGIN, fps=25, decode="all")
    assert len(watched.frames) == 150
    assert watched.frames[0].at == BEGIN
    assert {frame.modalities for frame in watched.frames} == {ALL}
    assert [frame.seq for frame in watched.frames] == list(range(150))
    seen, heard = flashes(watched.frames), clicks(watched.sounds)
    assert [round(at - BEGIN, 3) for at in seen] == [1, 2, 3, 4, 5]
    assert heard[0] == pytest.approx(BEGIN, abs=0.02)
    assert heard[1:6] == pytest.approx(seen, abs=0.02)
    assert all(sound.until % 0.5 == 0 for sound in watched.sounds[:-1])
    assert sorted(watched.lasts()) == ["picture", "sound"]
    assert watched.states == [(State.CONNECTING,), (State.LIVE,), (State.ENDED,)]
    assert watched.failures == ()


async def test_frames_are_sampled_on_the_grid_of_event_time(clip: Path) -> None:
    watched = await watch(str(clip), starts_at=BEGIN + 0.3, decode="all")
    assert [round(frame.at - BEGIN, 2) for frame in watched.frames][:4] == [0.3, 0.5, 1.02, 1.5]
    assert [frame.until for frame in watched.frames][:3] == [BEGIN + 0.5, BEGIN + 1, BEGIN + 1.5]
    assert all(floats(frame.motion).shape == (MOTION,) for frame in watched.frames)
    assert floats(watched.frames[2].motion)[16] > 0
    assert watched.metrics.frames_captured.labels("a")._value.get() == len(watched.frames)
    assert watched.metrics.sound_captured.labels("a")._value.get() == pytest.approx(6.0, abs=0.1)


async def test_fast_and_real_time_give_the_same(clip: Path) -> None:
    began = time.monotonic()
    live = await watch(str(clip), starts_at=BEGIN, fast=False)
    assert 5.5 < time.monotonic() - began < 9
    fast = await watch(str(clip), starts_at=BEGIN)
    assert [(frame.at, frame.jpeg, frame.motion) for frame in live.frames] == [
        (frame.at, frame.jpeg, frame.motion) for frame in fast.frames
    ]
    assert [(sound.at, sound.pcm) for sound in live.sounds] == [(sound.at, sound.pcm) for sound in fast.sounds]


async def test_fast_loses_nothing_however_slow_the_stages_are(clip: Path) -> None:
    settings = Capture(frames_buffer=2, sound_buffer_s=1)
    watched = await watch(str(clip), settings=settings, fps=10, decode="all", slowly=0.02)
    assert len(watched.frames) == 60
    assert watched.metrics.frames_dropped.labels("a", "overflow")._value.get() == 0


@pytest.mark.parametrize(("decode", "least", "most"), [("all", 60, 60), ("reference", 30, 60), ("key", 6, 6)])
async def test_less_is_decoded_where_less_is_asked_for(clip: Path, decode: str, least: int, most: int) -> None:
    watched = await watch(str(clip), fps=10, decode=decode)
    assert least <= len(watched.frames) <= most
    assert len(watched.sounds) >= 12


async def test_a_key_frame_alone_does_not_wait_in_the_decoder_for_the_next(clip: Path) -> None:
    watched = await watch(str(clip), fps=10, decode="key")
    for frame in watched.frames:
        heard_before = [sound.until for sound in watched.sounds if sound.captured < frame.captured]
        assert max(heard_before, default=frame.at) < frame.at + 0.75, "its sound was captured long before it"


async def test_a_variable_frame_rate_keeps_its_times(tmp_path: Path) -> None:
    times = [0, 0.04, 0.08, 0.7, 0.74, 2.2, 2.24, 2.9]
    source = make(tmp_path / "vfr.mkv", 3.0, times=times, audio=None)
    watched = await watch(str(source), starts_at=BEGIN, fps=30, decode="all")
    assert [frame.at - BEGIN for frame in watched.frames] == pytest.approx(times, abs=2e-3)


@pytest.mark.parametrize(("name", "kinds"), [("picture.mp4", (Modality.PICTURE,)), ("sound.m4a", (Modality.SOUND, Modality.TEXT))])
async def test_picture_alone_and_sound_alone_work(tmp_path: Path, name: str, kinds: tuple[Modality, ...]) -> None:
    source = make(tmp_path / name, 2.0, video="libx264" if Modality.PICTURE in kinds else None, audio="aac" if len(kinds) == 2 else None)
    watched = await watch(str(source))
    items = [*watched.frames, *watched.sounds]
    assert items
    assert {item.modalities for item in items} == {kinds}
    assert watched.lasts() == [kinds[0]]
    assert watched.states[-1] == (State.ENDED,)


async def test_a_camera_may_be_set_not_to_listen(clip: Path) -> None:
    watched = await watch(str(clip), sound=False)
    assert not watched.sounds
    assert {frame.modalities for frame in watched.frames} == {(Modality.PICTURE,)}


@pytest.mark.parametrize("layout", ["stereo", "5.1"])
@pytest.mark.parametrize("rate", [8000, 16000, 44100])
async def test_sound_of_any_shape_becomes_mono_16_khz(tmp_path: Path, layout: str, rate: int) -> None:
    path = tmp_path / "sound.wav"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("pcm_s16le", rate=rate, layout=layout)
        wave = (np.sin(2 * np.pi * 440 * np.arange(rate * 2) / rate) * 8000).astype(np.int16)
        channels = stream.layout.nb_channels
        frame = av.AudioFrame.from_ndarray(np.repeat(wave, channels)[None], format="s16", layout=layout)
        frame.sample_rate = rate
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    watched = await watch(str(path))
    samples = np.concatenate([sound.samples() for sound in watched.sounds])
    assert len(samples) == pytest.approx(32_000, abs=100)
    spectrum = np.abs(np.fft.rfft(samples[8000:24_000]))
    assert spectrum.argmax() == 440


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.mp4", b"", "0 bytes"),
        ("notes.txt", b"this is no video\n" * 200, "not a video"),
        ("notes.mp4", b"this is no video\n" * 200, "not a video"),
        ("random.avi", np.random.default_rng(0).bytes(50_000), "not a video|damaged"),
    ],
)
async def test_a_file_that_is_no_video_fails_at_once_and_says_so(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    watched = await watch(str(path))
    (failure,) = watched.failures
    assert isinstance(failure.error, NotMediaError)
    with pytest.raises(NotMediaError, match=message):
        raise failure.error
    assert str(path) in str(failure.error)
    assert watched.states[-1] == (State.ENDED,)
    assert watched.of(CameraState)[-1].detail == str(failure.error)


async def test_a_missing_file_and_an_unset_name_are_told(tmp_path: Path) -> None:
    assert "no such file" in str((await watch(str(tmp_path / "none.mp4"))).failures[0].error)
    failure = (await watch("rtsp://${SCENEWATCH_NOT_SET}@host/1")).failures[0]
    assert isinstance(failure.error, ConfigError)


@pytest.fixture
def cut_clip(tmp_path: Path, clip: Path) -> Path:
    data = clip.read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data[: len(data) // 2])
    return tmp_path / "cut.mp4"


async def test_a_truncated_file_plays_as_far_as_it_goes(cut_clip: Path) -> None:
    watched = await watch(str(cut_clip), starts_at=BEGIN)
    assert 3 <= len(watched.frames) < 12
    assert watched.failures == ()
    assert sorted(watched.lasts()) == ["picture", "sound"]


async def test_a_file_without_its_index_is_told_to_be_cut_off(tmp_path: Path) -> None:
    source = make(tmp_path / "a.mkv", 2.0)
    with av.open(str(source)) as inp, av.open(str(tmp_path / "b.mp4"), "w") as out:
        streams = {stream.index: out.add_stream_from_template(stream) for stream in inp.streams}
        for packet in inp.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                out.mux(packet)
    data = (tmp_path / "b.mp4").read_bytes()
    (tmp_path / "b.mp4").write_bytes(data[: len(data) * 2 // 3])
    assert "cut off" in str((await watch(str(tmp_path / "b.mp4"))).failures[0].error)


@pytest.mark.parametrize("suffix", [".ts", ".mkv", ".mp4"])
async def test_garbage_in_the_middle_is_passed_over(tmp_path: Path, suffix: str) -> None:
    source = make(tmp_path / f"clip{suffix}", 6.0)
    data = bytearray(source.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 20_000] = np.random.default_rng(0).bytes(20_000)
    source.write_bytes(data)
    watched = await watch(str(source), starts_at=BEGIN)
    assert watched.failures == ()
    assert watched.frames[-1].at > BEGIN + 5
    assert watched.states[-1] == (State.ENDED,)


async def test_stamps_that_leap_in_the_middle_are_counted_and_time_goes_on(tmp_path: Path) -> None:
    first, second = make(tmp_path / "a.ts", 3.0), make(tmp_path / "b.ts", 3.0)
    with av.open(str(second)) as inp, av.open(str(tmp_path / "c.ts"), "w", options={"mpegts_copyts": "1"}) as out:
        streams = {stream.index: out.add_stream_from_template(stream) for stream in inp.streams}
        for packet in inp.demux():
            if packet.dts is not None:
                packet.pts, packet.dts = (value + 90_000 * 5000 for value in (packet.pts, packet.dts))
                packet.stream = streams[packet.stream.index]
                out.mux(packet)
    joined = tmp_path / "joined.ts"
    joined.write_bytes(first.read_bytes() + (tmp_path / "c.ts").read_bytes())
    watched = await watch(str(joined), starts_at=BEGIN, fps=25, decode="all")
    assert watched.frames[-1].at == pytest.approx(BEGIN + 6, abs=0.6)
    assert watched.metrics.clock_jumps.labels("a")._value.get() >= 1
    seen, heard = flashes(watched.frames), clicks(watched.sounds)
    assert min(abs(at - seen[-1]) for at in heard) < 0.08


async def test_a_folder_plays_its_clips_in_order_with_continuing_time(tmp_path: Path) -> None:
    for number, audio in ((10, "aac"), (2, None), (1, "aac")):
        make(tmp_path / f"clip{number}.mp4", 2.0, audio=audio)
    (tmp_path / "notes.txt").write_text("no clip\n")
    watched = await watch(str(tmp_path), starts_at=BEGIN)
    assert len(watched.frames) == pytest.approx(12, abs=1)
    assert {frame.modalities for frame in watched.frames} == {ALL}
    assert watched.frames[-1].at == pytest.approx(BEGIN + 5.5, abs=0.6)
    assert watched.sounds[-1].until == pytest.approx(BEGIN + 6, abs=0.6)
    assert any(mark.modality is Modality.SOUND and BEGIN + 2 < mark.until < BEGIN + 4.6 for mark in watched.of(Mark))
    assert watched.failures == ()


async def test_an_empty_folder_is_told(tmp_path: Path) -> None:
    assert "none of the 0 files" in str((await watch(str(tmp_path))).failures[0].error)


async def test_a_huge_picture_is_refused_and_a_large_one_is_made_smaller(tmp_path: Path) -> None:
    huge, large = tmp_path / "huge.png", tmp_path / "large.png"
    for path, size in ((huge, (10_000, 600)), (large, (4000, 3000))):
        with av.open(str(path), "w", format="image2", options={"update": "1"}) as out:
            stream = out.add_stream("png", rate=1)
            stream.width, stream.height, stream.pix_fmt = *size, "rgb24"
            out.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((size[1], size[0], 3), np.uint8), format="rgb24")))
            out.mux(stream.encode(None))
    assert "10000 x 600" in str((await watch(str(huge))).failures[0].error)
    (frame,) = (await watch(str(large))).frames
    assert (frame.width, frame.height) == (448, 336)


async def test_a_turned_recording_is_shown_upright(tmp_path: Path) -> None:
    upright = picture(0.0)
    path = tmp_path / "turned.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = HEIGHT, WIDTH, "yuv420p"
        stream.set_display_rotation(-90)
        for index in range(10):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(np.rot90(upright)), format="rgb24")
            frame.pts = index
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    frame = (await watch(str(path))).frames[0]
    assert (frame.width, frame.height) == (WIDTH, HEIGHT)
    shown = image(frame)
    assert shown[:50, :50].mean() > 200


@pytest.mark.parametrize(
    ("make_image", "expected"),
    [
        (lambda n: np.full((180, 320, 3), 16, np.uint8), State.BLIND),
        (lambda n: picture(0.5), State.FROZEN),
        (lambda n: picture(n / 25), State.LIVE),
    ],
)
async def test_black_and_frozen_pictures_are_told(tmp_path: Path, make_image: object, expected: State) -> None:
    images = [make_image(n) for n in range(100)]  # type: ignore[operator]
    source = make(tmp_path / "clip.mp4", 4.0, images=images, options={"g": "25", "crf": "20"}, audio=None)
    watched = await watch(str(source), settings=Capture(unhealthy_s=1.0))
    told = {state for states in watched.states for state in states}
    assert expected in told
    if expected is State.LIVE:
        assert not told & {State.BLIND, State.FROZEN}


async def test_cameras_come_go_and_change_while_others_run(clip: Path) -> None:
    camera = Camera(source=str(clip))
    async with watching() as (watched, worker):
        await worker.apply({"a": camera, "b": camera})
        await until(lambda: len(watched.of(Frame, "a")) > 1 and len(watched.of(Frame, "b")) > 1)
        await worker.apply({"b": camera, "c": camera})
        assert sorted(watched.lasts("a")) == ["picture", "sound"]
        await worker.apply({"b": camera, "c": camera})
        await worker.apply({"b": Camera(source=str(clip), fps=5), "c": camera})
        await until(lambda: len(watched.of(Frame, "c")) > 1)
        ends = [state for state in watched.of(CameraState, "b") if state.states == (State.ENDED,)]
        assert len(ends) == 1
        assert await asyncio.wait_for(worker.wait(), 30) == ()
    assert len(watched.lasts("c")) == 2


async def test_a_source_that_refuses_is_tried_again_and_said_to_be_stalled() -> None:
    async with watching() as (watched, worker):
        await worker.apply({"a": Camera(source="http://bob:hunter22@127.0.0.1:9/live.ts")})
        await until(lambda: watched.metrics.reconnects.labels("a")._value.get() >= 2)
        await worker.apply({})
        assert await worker.wait() == ()
    assert watched.states[:2] == [(State.CONNECTING,), (State.STALLED,)]
    assert watched.states[-1] == (State.ENDED,)
    assert "hunter22" not in repr(watched.messages)
    assert "refused" in watched.of(CameraState)[1].detail


async def test_nothing_to_watch_ends_at_once() -> None:
    async with watching(QUICK) as (_, worker):
        assert await worker.wait() == ()
