from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from av.video.frame import VideoFrame

from monitor.messages import SOUND_HZ, floats
from monitor.motion import MOTION
from workers.training.render import LENGTH_S, film, refilmed, sampled, there_and_back
from workers.training.rows import Row
from workers.training.sounds import Recording, active, coloured, scene, seconds
from workers.training.texts import recognised


def frames(count: int, move: int) -> list[VideoFrame]:
    """A bright square that moves so many pixels a frame."""
    pictures = []
    for n in range(count):
        image = np.zeros((60, 80, 3), np.uint8)
        image[20:40, n * move : n * move + 20] = 220
        frame = VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p")
        frame.pts, frame.time_base = n, Fraction(1, 10)
        pictures.append(frame)
    return pictures


def test_a_clip_is_played_forward_and_back() -> None:
    assert there_and_back(3, 7) == [0, 1, 2, 1, 0, 1, 2]
    assert there_and_back(3, 3, start=2) == [2, 1, 0]
    assert there_and_back(1, 3) == [0, 0, 0]


def test_pictures_are_sampled_twice_a_second_with_their_motion() -> None:
    samples = list(sampled((n / 10, frame) for n, frame in enumerate(frames(20, 2))))
    assert [sample.at for sample in samples] == [0.0, 0.5, 1.0, 1.5]
    assert all(len(floats(sample.motion)) == MOTION for sample in samples)
    assert floats(samples[1].motion)[16] > 0


def test_a_variant_fills_a_window_and_moves_as_the_clip_does() -> None:
    how = replace(film(np.random.default_rng(0)), noise=0.0, every=1)
    fast, slow = (refilmed(frames(20, move), how, 0) for move in (2, 0))
    assert fast[0].at == 0
    assert LENGTH_S - 1 < fast[-1].at <= LENGTH_S
    assert floats(fast[3].motion)[16] > 2 * floats(slow[3].motion)[16]


def test_each_half_second_is_heard_with_the_one_before() -> None:
    heard = seconds(np.arange(3 * SOUND_HZ // 2, dtype=np.float32))
    assert heard.shape == (3, SOUND_HZ)
    assert not heard[0, : SOUND_HZ // 2].any()
    assert heard[1, 0] == 0
    assert heard[2, 0] == SOUND_HZ // 2
    assert heard[2, -1] == 3 * SOUND_HZ // 2 - 1


def test_a_recording_is_active_where_it_is_loud() -> None:
    samples = np.zeros(4 * SOUND_HZ, np.float32)
    samples[SOUND_HZ : 2 * SOUND_HZ] = 0.5
    assert active(samples) == [(1.0, 2.0)]
    assert active(np.zeros(SOUND_HZ, np.float32)) == []


def test_a_scene_says_when_its_incidents_are_to_be_heard() -> None:
    rng = np.random.default_rng(3)
    recordings = [
        Recording(Row(path=None, name=name, label=name, group="", fold=0), kind, name, not kind, coloured(3 * SOUND_HZ, 1, rng))  # type: ignore[arg-type]
        for name, kind in (("rain", ""), ("made:hum", ""), ("fire", "fire"), ("cry", "crying"), ("anger", "aggression"))
    ]
    found = set()
    for _ in range(8):
        samples, spans = scene(recordings, rng)
        assert samples.shape == (8 * SOUND_HZ,)
        assert np.abs(samples).max() <= 1
        assert all(0 <= span.at < span.until <= 8 for span in spans)
        found |= {span.kind for span in spans}
    assert found == {"fire", "crying", "aggression"}


@pytest.mark.parametrize("text", ["Help me, I can't get up!", "Hilfe!", "你好", "One, two, three."])
def test_a_recogniser_writes_no_marks_and_never_nothing(text: str) -> None:
    rng = np.random.default_rng(0)
    for errors in (False, True):
        heard = recognised(text, rng, errors=errors)
        assert heard
        assert heard == heard.lower()
        assert not set(heard) & set(",.!?")
