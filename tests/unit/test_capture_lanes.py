import asyncio
import threading

from monitor.config import Capture
from monitor.messages import CameraState, Frame, Mark, Modality, Sound, State, Topic
from monitor.metrics import Metrics
from workers.capture import Lane, topic_of

SETTINGS = Capture(frames_buffer=3, sound_buffer_s=2)


def frame(seq: int) -> Frame:
    return Frame(camera="a", at=seq, until=seq + 1, captured=0, modalities=(Modality.PICTURE,), seq=seq, jpeg=b"", width=1, height=1)


def sound(seq: int) -> Sound:
    return Sound(camera="a", at=seq / 2, until=seq / 2 + 0.5, captured=0, modalities=(Modality.SOUND,), seq=seq, pcm=b"")


def mark(modality: Modality) -> Mark:
    return Mark(camera="a", at=0, until=0, captured=0, modalities=(modality,), modality=modality)


def test_each_item_has_its_topic() -> None:
    state = CameraState(camera="a", at=0, states=(State.LIVE,))
    topics = [topic_of(item) for item in (frame(0), sound(0), mark(Modality.PICTURE), mark(Modality.SOUND), state)]
    assert topics == [Topic.VIDEO, Topic.AUDIO, Topic.VIDEO, Topic.AUDIO, Topic.CAMERAS]


async def test_a_full_lane_drops_the_oldest_frame_and_counts_it() -> None:
    metrics = Metrics()
    lane = Lane(SETTINGS, metrics, "a", wait=False)
    lane.put(mark(Modality.PICTURE))
    for seq in range(5):
        lane.put(frame(seq))
    taken = await lane.take()
    assert [item.seq for item in taken if isinstance(item, Frame)] == [2, 3, 4]
    assert isinstance(taken[0], Mark)
    assert metrics.frames_captured.labels("a")._value.get() == 5
    assert metrics.frames_dropped.labels("a", "overflow")._value.get() == 2


async def test_sound_is_bounded_by_its_seconds() -> None:
    metrics = Metrics()
    lane = Lane(SETTINGS, metrics, "a", wait=False)
    for seq in range(6):
        lane.put(sound(seq))
    assert [item.seq for item in await lane.take() if isinstance(item, Sound)] == [2, 3, 4, 5]
    assert metrics.sound_dropped.labels("a", "overflow")._value.get() == 1
    assert metrics.sound_captured.labels("a")._value.get() == 3


async def test_a_patient_lane_waits_for_room_and_loses_nothing() -> None:
    lane = Lane(SETTINGS, Metrics(), "a", wait=True)

    def write() -> None:
        for seq in range(50):
            lane.put(frame(seq))
        lane.close()

    thread = threading.Thread(target=write)
    thread.start()
    taken: list[int] = []
    while items := await lane.take():
        assert len(items) <= SETTINGS.frames_buffer + 1
        taken += [item.seq for item in items if isinstance(item, Frame)]
        await asyncio.sleep(0)
    thread.join()
    assert taken == list(range(50))


async def test_closing_lets_a_waiting_thread_go() -> None:
    lane = Lane(SETTINGS, Metrics(), "a", wait=True)
    thread = threading.Thread(target=lambda: [lane.put(frame(seq)) for seq in range(10)])
    thread.start()
    while len(lane) < 4:  # noqa: ASYNC110 (a thread fills it)
        await asyncio.sleep(0.001)
    lane.close(mark(Modality.PICTURE))
    thread.join(5)
    assert not thread.is_alive()
    assert isinstance((await lane.take())[-1], Mark)
    assert await lane.take() == []
