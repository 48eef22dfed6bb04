"""The encode stage: pictures, sounds and words become embeddings, in batches over the cameras."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from heapq import merge
from typing import Any, Final, TypeVar

import structlog

from monitor import config
from monitor.bus import Bus, Record
from monitor.codec import dead_letter
from monitor.embedding import ALL, Encoded, Layers, Rejected, Sounds, Takes, pictures, remember, texts
from monitor.errors import ModelError
from monitor.hearing import SoundEncoder, sound_encoder
from monitor.holding import Holding
from monitor.language import TextEncoder, text_encoder
from monitor.layers import voice_encoder
from monitor.logs import named
from monitor.messages import DeadLetter, Frame, Message, Sound, Stamped, Topic
from monitor.metrics import Metrics
from monitor.models import locate
from monitor.objects import DETECTOR, POSER, detector, poser
from monitor.sentiment import Sentiment
from monitor.sightings import Sightings
from monitor.vision import PictureEncoder, picture_encoder
from workers.stage import READS, Stage

log: Any = structlog.get_logger()

STAGE: Final = "encode"
LIMIT: Final = 64
"""Records a batch: more would make the first of a backlog wait for the last."""

Encode = Callable[[Sequence[Record[Message]]], Encoded]
Made = TypeVar("Made")


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoders:
    """The three encoders; each is called from one thread of its own."""

    picture: PictureEncoder
    sound: SoundEncoder
    text: TextEncoder
    sightings: Sightings | None = None
    """Looks for people and things, in the pictures' thread; None where nobody looks."""
    sentiment: Sentiment | None = None
    """Says how favourable what is said is, in the text encoder's thread."""
    layers: Layers | None = None
    """What tells the tone of voices, in the sound encoder's thread; None where that is off."""

    @property
    def names(self) -> dict[str, str]:
        """Model and version by what it is for."""
        names = {"picture": self.picture.name, "sound": self.sound.name, "text": self.text.name}
        return names if self.sightings is None else names | {"objects": self.sightings.detector.name}


def load(models: config.Models) -> Encoders:
    """Load the encoders that the configuration names. Raises ModelError saying what to install."""
    return Encoders(
        picture=picture_encoder(models),
        sound=sound_encoder(models),
        text=text_encoder(models),
        sightings=sightings_of(models),
        sentiment=Sentiment.load(),
        layers=voice_encoder(models.threads) if models.tone else None,
    )


def sightings_of(models: config.Models) -> Sightings | None:
    """What looks for people and things, if the configuration wants it and, for `auto`, its weights are there. Raises ModelError."""
    return _wanted(models, lambda: Sightings(detector(models), poser(models)))


def looks(models: config.Models) -> tuple[str, ...]:
    """Names and versions of what would look for them, without loading it; none where nothing does. Raises ModelError."""
    return _wanted(models, lambda: tuple(locate(name).version for name in (DETECTOR, POSER))) or ()


def _wanted(models: config.Models, make: Callable[[], Made]) -> Made | None:
    """What needs the weights for people and things; None where that is off or, for `auto`, some are missing. Raises ModelError."""
    if models.objects == "off":
        return None
    try:
        return make()
    except ModelError as error:
        if models.objects == "on":
            raise
        log.warning("people and things are not looked for", reason=str(error))
        return None


async def run(bus: Bus, encoders: Encoders, metrics: Metrics, takes: Takes = ALL) -> None:
    """Encode what arrives, and pass the marks on behind what they promise; not what `takes` leaves out."""
    sounds, sightings, holding = Sounds(encoders.sound, takes, encoders.layers), encoders.sightings, Holding()
    encodes: dict[Topic, Encode] = {
        Topic.VIDEO: partial(pictures, encoders.picture, takes=takes, sightings=sightings),
        Topic.AUDIO: sounds,
        Topic.TRANSCRIPTS: partial(texts, encoders.text, sentiment=encoders.sentiment),
    }
    with ExitStack() as stack:
        threads = {topic: stack.enter_context(ThreadPoolExecutor(1, f"encode-{topic.value}", named(STAGE))) for topic in encodes}
        async with bus.subscribe(*READS[Stage.ENCODE], group=STAGE, limit=LIMIT) as batches:
            async for batch in batches:
                with metrics.working(STAGE, batch):
                    for camera in holding.forget(batch.lost):
                        sounds.forget(camera)
                        if sightings:
                            sightings.forget(camera)
                    heard = [record for record in batch if record.ref.topic is Topic.AUDIO]
                    seen = [record for record in batch if sightings and record.ref.topic is Topic.VIDEO]
                    if batch.again:
                        sounds.remember(heard)
                        if sightings:
                            remember(sightings, seen)
                    else:
                        tasks = []
                        async with asyncio.TaskGroup() as group:
                            for topic, encode in encodes.items():
                                if records := [record for record in batch if record.ref.topic is topic]:
                                    tasks.append(group.create_task(_encoded(topic, records, encode, threads[topic], bus, metrics)))
                        made = list(merge(*(task.result() for task in tasks), key=_captured))
                        await bus.publish(Topic.EMBEDDINGS, made)
                        metrics.published(STAGE, Topic.EMBEDDINGS, made)
                    for record in (*heard, *seen):
                        holding.saw(record)
                    batches.keep(holding.keep(partial(_needed, sounds, sightings)))


def _needed(sounds: Sounds, sightings: Sightings | None, topic: Topic, camera: str) -> float:
    """From what event time on a camera's records of a topic are needed."""
    return sightings.needed(camera) if sightings and topic is Topic.VIDEO else sounds.needed(camera)


async def _encoded(
    topic: Topic, records: Sequence[Record[Message]], encode: Encode, thread: ThreadPoolExecutor, bus: Bus, metrics: Metrics
) -> Sequence[Message]:
    """Encode the records of one topic in its own thread, in their order."""
    if topic is Topic.AUDIO:  # this counter begins at 0, so that its first increase is seen
        for camera in {record.message.camera for record in records}:
            metrics.sound_unheard.labels(metrics.camera(camera))
    encoded = await asyncio.get_running_loop().run_in_executor(thread, encode, records)
    if encoded.rejected:
        await bus.publish(Topic.DEAD_LETTER, [_dead_letter(rejected) for rejected in encoded.rejected])
    _count(metrics, encoded, topic)
    return encoded.items


def _captured(message: Message) -> float:
    return message.captured if isinstance(message, Stamped) else 0.0


def _count(metrics: Metrics, encoded: Encoded, topic: Topic) -> None:
    """What came in is either embedded, a mark, or dropped: the counters add up."""
    metrics.encoded.labels(encoded.modality.value).inc(encoded.embeddings)
    for lost in encoded.left_out:
        _drop(metrics, lost, "pressure")
    for sound in encoded.unheard:
        metrics.sound_unheard.labels(metrics.camera(sound.camera)).inc(sound.until - sound.at)
    for rejected in encoded.rejected:
        metrics.dead_letters.labels(topic.value, rejected.error.reason).inc()
        _drop(metrics, rejected.message, rejected.error.reason)


def _drop(metrics: Metrics, lost: Frame | Sound, reason: str) -> None:
    if isinstance(lost, Frame):
        metrics.frames_dropped.labels(metrics.camera(lost.camera), reason).inc()
    else:
        metrics.sound_dropped.labels(metrics.camera(lost.camera), reason).inc(lost.until - lost.at)


def _dead_letter(rejected: Rejected) -> DeadLetter:
    lost = rejected.message
    data = lost.jpeg if isinstance(lost, Frame) else lost.pcm
    return dead_letter(lost.camera, rejected.ref, data, rejected.error, time.time())
