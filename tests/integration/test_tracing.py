"""From a frame, and from an utterance, to its alert in one trace, over every stage and over both buses."""

from __future__ import annotations

import asyncio
import itertools
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
import structlog
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import Tracer
from saying import Read

from monitor import config, events
from monitor.align import Aligner, Window
from monitor.brokers import brokers
from monitor.bus import Bus, is_traceparent, trace_id
from monitor.config import Alerts, Fusion, Phrase, Rule
from monitor.decide import Decider
from monitor.guard import Evidence, Outcome
from monitor.jpeg import Image, encode_jpeg
from monitor.kafka import KafkaBus
from monitor.memory import MemoryBus
from monitor.messages import SOUND_HZ, Alert, Frame, Judgement, Mark, Message, Modality, Sound, Topic, Transcript
from monitor.metrics import Metrics
from monitor.speech import Heard
from monitor.tracing import TracedBus
from monitor.utterances import WINDOW, Rules
from monitor.vision import PictureFeatures
from monitor.voice import Memory, Samples, Segmenter, Utterance
from workers import alert, build, deliver, encode, fuse, transcribe
from workers.bus import followed
from workers.stage import Stage

HAS = (Modality.PICTURE, Modality.SOUND, Modality.TEXT)
BEHIND = tuple(stage for stage in Stage if stage is not Stage.CAPTURE)
PREFIXES = (f"traced{number}." for number in itertools.count())
SECONDS = 8
BY = Rules(threshold=0.5, release=0.35, silence=10, longest=150, shortest=3, padding=6)
ALERTS = Alerts(rules={"fight": Rule(raise_after=1, clear_after=2)}, watch={"help": Phrase(phrases=("help me",))}, cameras=False)


class Pictures:
    name, at_once = "pictures", 64

    def __call__(self, images: Sequence[Image]) -> PictureFeatures:
        return PictureFeatures(np.zeros((len(images), 8), np.float32), np.zeros((len(images), 7, 7, 112), np.float32))


class Seconds:
    name = "seconds"

    def __call__(self, sounds: np.ndarray) -> np.ndarray:
        return sounds.mean(1, keepdims=True)


class Words(Read):
    name = "words"

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        return np.zeros((len(texts), 1), np.float32)


class Fights:
    """A network that sees a fight in every window that ends after four seconds."""

    name = "fights"

    def __call__(self, windows: Sequence[Window], /) -> list[tuple[Judgement, ...]]:
        return [(Judgement(kind="fight", probability=float(window.until > 4)),) for window in windows]


class Kept:
    """A sink that keeps each event as JSON."""

    name = "kept"

    def __init__(self) -> None:
        self.events: list[bytes] = []

    async def send(self, alert: Alert) -> None:
        self.events.append(events.to_json(alert))

    async def close(self) -> None:
        pass


def loudness(samples: Samples, memory: Memory) -> tuple[list[float], Memory]:
    return [float(np.abs(window).mean() > 0.1) for window in samples.reshape(-1, WINDOW)], memory


def write(spoken: Sequence[Utterance]) -> list[Heard]:
    return [heard(utterance) for utterance in spoken]


def heard(said: Utterance) -> Heard:
    evidence = Evidence(text="Help me!", seconds=said.seconds, speech=1, confidence=1, no_speech=0, language=1)
    text = Transcript(
        camera=said.camera,
        at=said.at,
        until=said.until,
        captured=said.captured,
        modalities=said.modalities,
        text="Help me!",
        language="en",
        confidence=1,
        no_speech=0,
    )
    return Heard(outcome=Outcome.ACCEPTED, evidence=evidence, transcript=text)


def scene() -> list[tuple[Topic, list[Message]]]:
    """Pictures and sounds by half seconds, somebody speaking from 2 to 3, and their ends."""
    samples = np.zeros(SECONDS * SOUND_HZ, "<i2")
    samples[2 * SOUND_HZ : 3 * SOUND_HZ] = 16000
    jpeg = encode_jpeg(np.zeros((36, 64, 3), np.uint8))
    halves = [{"camera": "hall", "at": n / 2, "until": (n + 1) / 2, "captured": 1e9 + n / 2, "modalities": HAS} for n in range(2 * SECONDS)]
    frames: list[Message] = [Frame(**half, seq=n, jpeg=jpeg, width=64, height=36) for n, half in enumerate(halves)]
    sounds: list[Message] = [Sound(**half, seq=n, pcm=samples[n * 8000 : (n + 1) * 8000].tobytes()) for n, half in enumerate(halves)]
    end = {"camera": "hall", "at": SECONDS, "until": SECONDS, "captured": 1e9 + SECONDS, "modalities": HAS, "last": True}
    frames.append(Mark(**end, modality=Modality.PICTURE))
    sounds.append(Mark(**end, modality=Modality.SOUND))
    return [(Topic.VIDEO, frames), (Topic.AUDIO, sounds)]


def tracing(sample: float) -> tuple[Tracer, InMemorySpanExporter]:
    kept = InMemorySpanExporter()
    provider = TracerProvider(sampler=ParentBased(TraceIdRatioBased(sample)))
    provider.add_span_processor(SimpleSpanProcessor(kept))
    return provider.get_tracer("test"), kept


@pytest.fixture(params=["memory", "tansu", pytest.param("apache", marks=pytest.mark.kafka)])
async def bus(request: pytest.FixtureRequest) -> AsyncIterator[MemoryBus | KafkaBus]:
    groups = build.groups(BEHIND, (Kept(),))
    if request.param == "memory":
        yield MemoryBus(Metrics(), groups=groups)
        return
    address = request.getfixturevalue({"tansu": "kafka_url", "apache": "apache_url"}[request.param])
    kafka = KafkaBus(brokers(address), Metrics(), prefix=next(PREFIXES), kafka=config.Kafka(partitions=1), groups=groups)
    await kafka.start()
    yield kafka
    await kafka.close()


@asynccontextmanager
async def stages(bus: Bus, sink: Kept) -> AsyncIterator[None]:
    metrics = Metrics()
    encoders = encode.Encoders(picture=Pictures(), sound=Seconds(), text=Words())
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(encode.run(bus, encoders, metrics))
        tasks.create_task(transcribe.run(bus, lambda camera: Segmenter(camera, loudness, BY), write, metrics))
        tasks.create_task(fuse.run(bus, Aligner(Fusion(), live=False), fuse.Judges(Fights(), lambda: None), metrics))
        tasks.create_task(alert.run(bus, Decider(ALERTS), metrics, live=False))
        tasks.create_task(deliver.run(bus, (sink,), metrics))
        yield
        bus.end()


async def watched(bus: Bus) -> list[bytes]:
    sink = Kept()
    async with asyncio.timeout(60), stages(bus, sink):
        for topic, messages in scene():
            await bus.publish(topic, messages)
        while sum(b'"phase":"end"' in event for event in sink.events) < 2:  # noqa: ASYNC110 - a test watches from outside
            await asyncio.sleep(0.02)
    return sink.events


def way(spans: Sequence[ReadableSpan], last: ReadableSpan) -> list[str]:
    """The names of the spans that led to one, the first one first."""
    by_id = {span.context.span_id: span for span in spans}
    names, span = [last.name], last
    while span.parent is not None:
        span = by_id[span.parent.span_id]
        names.append(span.name)
    return names[::-1]


async def test_one_trace_leads_from_the_frame_and_from_the_utterance_to_the_alert(bus: MemoryBus | KafkaBus) -> None:
    tracer, kept = tracing(1.0)
    with structlog.testing.capture_logs() as lines:
        told = [json.loads(event) for event in await watched(TracedBus(bus, tracer))]
    spans = kept.get_finished_spans()
    delivered = {span.attributes["scenewatch.kind"]: span for span in spans if span.name == "deliver"}
    assert way(spans, delivered["fight"]) in (
        ["capture", "encode", "fuse", "alert", "deliver"],
        ["capture", "transcribe", "encode", "fuse", "alert", "deliver"],
    )
    assert way(spans, delivered["phrase:help"]) == ["capture", "transcribe", "alert", "deliver"]
    assert any(span.links for span in spans if span.name == "fuse"), "a window has many inputs"
    by_span = {span.context.span_id: span for span in spans}
    for event in told:
        assert is_traceparent(event["traceparent"])
        span = by_span[int(event["traceparent"].split("-")[2], 16)]
        assert (span.name, span.attributes["scenewatch.alert"]) == ("alert", event["data"]["id"])
        assert any(line["event"] == "alert" and line["trace"] == trace_id(event["traceparent"]) for line in lines)
    assert {span.attributes["scenewatch.camera"] for span in spans} == {"hall"}


async def test_what_is_not_sampled_is_not_followed(bus: MemoryBus | KafkaBus) -> None:
    tracer, kept = tracing(0.0)
    told = await watched(TracedBus(bus, tracer))
    assert kept.get_finished_spans() == ()
    assert not any(b"traceparent" in event for event in told)


async def test_alerts_are_the_same_with_and_without_tracing_but_for_their_trace() -> None:
    tracer, _ = tracing(1.0)
    groups = build.groups(BEHIND, (Kept(),))
    without = await watched(MemoryBus(Metrics(), groups=groups))
    traced = await watched(TracedBus(MemoryBus(Metrics(), groups=groups), tracer))
    plain = [{name: value for name, value in json.loads(event).items() if name != "traceparent"} for event in traced]
    key = lambda event: (event["id"], event["type"])  # noqa: E731
    assert sorted(plain, key=key) == sorted(map(json.loads, without), key=key)
    assert not any(b"traceparent" in event for event in without)


async def test_where_tracing_is_off_the_bus_is_the_bus() -> None:
    bus = MemoryBus(Metrics())
    async with followed(bus, config.Tracing()) as same:
        assert same is bus


async def test_spans_go_to_the_endpoint() -> None:
    taken: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
        taken.append(head.split(b"\r\n")[0] + await reader.readexactly(length))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    endpoint = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/traces"
    (_, frames), _ = scene()
    async with followed(MemoryBus(Metrics()), config.Tracing(endpoint=endpoint, sample=1.0)) as bus:
        await bus.publish(Topic.VIDEO, frames[:3])
    server.close()
    assert taken
    assert taken[0].startswith(b"POST /v1/traces")


def test_nothing_of_opentelemetry_is_loaded_where_tracing_is_off() -> None:
    script = (
        "import sys, workers.local, workers.bus, monitor.kafka; sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parents[2], check=False).returncode == 0
