from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from monitor.guard import Evidence, Outcome
from monitor.memory import MemoryBus
from monitor.messages import SOUND_HZ, Mark, Message, Modality, Sound, Topic, Transcript
from monitor.metrics import Metrics
from monitor.speech import Heard
from monitor.utterances import WINDOW, Rules
from monitor.voice import Memory, Samples, Segmenter, Utterance
from workers import transcribe

BY = Rules(threshold=0.5, release=0.35, silence=10, longest=150, shortest=3, padding=6)
BOTH = (Modality.SOUND, Modality.TEXT)


def loudness(samples: Samples, memory: Memory) -> tuple[list[float], Memory]:
    return [float(np.abs(window).mean() > 0.1) for window in samples.reshape(-1, WINDOW)], memory


def segmenter(camera: str) -> Segmenter:
    return Segmenter(camera, loudness, BY)


def write(spoken: Sequence[Utterance]) -> list[Heard]:
    """Write down how long each utterance was; what is longer than two seconds is not believed."""
    return [heard(utterance) for utterance in spoken]


def heard(utterance: Utterance) -> Heard:
    outcome = Outcome.ACCEPTED if utterance.seconds < 2 else Outcome.REPETITION
    text = f"{utterance.seconds:.1f} seconds"
    evidence = Evidence(text=text, seconds=utterance.seconds, speech=1, confidence=1, no_speech=0, language=1)
    return Heard(outcome=outcome, evidence=evidence, transcript=transcript(utterance, text) if outcome is Outcome.ACCEPTED else None)


def transcript(utterance: Utterance, text: str) -> Transcript:
    return Transcript(
        camera=utterance.camera,
        at=utterance.at,
        until=utterance.until,
        captured=utterance.captured,
        modalities=utterance.modalities,
        text=text,
        language="en",
        confidence=1,
        no_speech=0,
    )


def camera(name: str, *loud: tuple[float, float], seconds: int) -> list[Message]:
    samples = np.zeros(seconds * SOUND_HZ, "<i2")
    for begin, end in loud:
        samples[round(begin * SOUND_HZ) : round(end * SOUND_HZ)] = 16000
    made: list[Message] = [
        Sound(
            camera=name, at=n / 2, until=(n + 1) / 2, captured=0, modalities=BOTH, seq=n, pcm=samples[n * 8000 : (n + 1) * 8000].tobytes()
        )
        for n in range(2 * seconds)
    ]
    return [*made, Mark(camera=name, at=0, until=seconds, captured=0, modalities=BOTH, modality=Modality.SOUND, last=True)]


async def told(messages: Sequence[Message]) -> tuple[list[Message], Metrics]:
    """What the stage makes of messages until every camera has ended."""
    metrics = Metrics()
    bus = MemoryBus(metrics, groups={transcribe.STAGE: [Topic.AUDIO], "test": [Topic.TRANSCRIPTS]})
    ends = sum(isinstance(message, Mark) for message in messages)
    stage = asyncio.create_task(transcribe.run(bus, segmenter, write, metrics))
    await bus.publish(Topic.AUDIO, messages)
    got: list[Message] = []
    async with bus.subscribe(Topic.TRANSCRIPTS, group="test") as batches:
        while sum(isinstance(message, Mark) and message.last for message in got) < ends:
            got += [record.message for record in await anext(batches)]
    stage.cancel()
    await asyncio.wait([stage])
    return got, metrics


async def test_utterances_become_transcripts_before_the_marks_that_pass_them():
    got, _ = await told(camera("door", (1, 2), (4, 5), seconds=8))
    assert [message.text for message in got if isinstance(message, Transcript)] == ["1.4 seconds", "1.4 seconds"]
    for before, after in pairwise(got):
        assert not isinstance(before, Mark) or after.at >= before.until or isinstance(after, Mark)


async def test_what_the_guard_rejects_is_counted_and_not_published():
    got, metrics = await told(camera("door", (1, 4), (6, 7), seconds=9))
    assert len([message for message in got if isinstance(message, Transcript)]) == 1
    outcomes = {
        outcome: metrics.registry.get_sample_value("scenewatch_utterances_total", {"outcome": outcome})
        for outcome in ("accepted", "repetition")
    }
    assert outcomes == {"accepted": 1, "repetition": 1}
    rejected = metrics.registry.get_sample_value("scenewatch_utterances_rejected_total", {"reason": "repetition"})
    assert (rejected, metrics.registry.get_sample_value("scenewatch_utterances_rejected_total", {"reason": "phantom"})) == (1, 0)
    spoke = metrics.registry.get_sample_value("scenewatch_camera_speech_last_timestamp_seconds", {"camera": "door"})
    assert spoke is None, "the camera has ended"
    assert (metrics.registry.get_sample_value("scenewatch_speech_seconds_total") or 0) > 4


async def test_each_camera_keeps_its_own_order():
    got, _ = await told([*camera("door", (1, 2), seconds=4), *camera("yard", (0.5, 1), seconds=4)])
    for name in ("door", "yard"):
        marks = [message.until for message in got if isinstance(message, Mark) and message.camera == name]
        assert marks == sorted(marks)
        assert len([message for message in got if isinstance(message, Transcript) and message.camera == name]) == 1


def test_marks_of_a_camera_that_is_silent_do_not_wait():
    mark = Mark(camera="yard", at=0, until=1, captured=0, modalities=BOTH, modality=Modality.TEXT)
    later = Mark(camera="door", at=0, until=3, captured=0, modalities=BOTH, modality=Modality.TEXT)
    spoken = Utterance(camera="door", at=1, until=2, captured=0, modalities=BOTH, samples=np.zeros(16000, np.float32), speech=1)
    assert transcribe.at_once([spoken, mark, later]) == ([mark], [spoken, later])
