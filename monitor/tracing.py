"""One trace from a frame or an utterance to its alert, over every stage: a bus around the bus, where tracing is on.

Capture begins a trace for a share of the frames and sounds. Whatever a stage publishes has inputs: those records that it has read of the
same camera and time. Where one of them is followed, so is the output: its span is a child of the newest input's, linked to the others', and
lasts from when the stage was given its batch until the bus has the output. A span travels beside its record (W3C Trace Context).

Only imported where tracing is on: it needs opentelemetry-sdk and opentelemetry-exporter-otlp-proto-http.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any, Final, NamedTuple

import structlog
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, SpanKind, TraceFlags, Tracer, set_span_in_context

from monitor import config
from monitor.bus import UNTRACED, Batch, Bus, Health, Place, Record, Subscription, Traces, trace_id
from monitor.messages import Alert, Embedding, Frame, Mark, Message, Modality, Sound, Stamped, Topic, Transcript

KEPT: Final = 64
"""Followed records of a camera that a stage remembers as possible inputs."""
ANSWER_S: Final = 3.0
"""A collector may take so long: what it does not take is lost, and holds up nobody, not even the end of a process."""
CLOSE_S: Final = 1e-6
"""Spans of time that touch do not overlap."""
STAGES: Final = {
    Topic.VIDEO: "capture",
    Topic.AUDIO: "capture",
    Topic.TRANSCRIPTS: "transcribe",
    Topic.EMBEDDINGS: "encode",
    Topic.SCORES: "fuse",
    Topic.ALERTS: "alert",
}
"""Who publishes what."""

log: Any = structlog.get_logger()


class Seen(NamedTuple):
    """A record that is followed."""

    at: float
    until: float
    modality: Modality | None
    span: SpanContext


@dataclass(slots=True)
class Reader:
    """What one group of consumers has read."""

    since: int = 0
    """When it was given its batch: nanoseconds since the epoch."""
    cameras: dict[str, deque[Seen]] = field(default_factory=dict)
    delivering: list[Span] = field(default_factory=list)
    """Spans that end when the batch is processed: of a stage that publishes nothing."""


class TracedBus:
    """A `Bus` that follows what goes over another."""

    def __init__(self, bus: Bus, tracer: Tracer) -> None:
        self._bus = bus
        self._tracer = tracer
        self._readers: dict[str, Reader] = {}

    async def publish(self, topic: Topic, messages: Sequence[Message], traces: Traces = UNTRACED) -> None:
        """Publish with the spans of what is followed."""
        with self.spans(topic, messages) as followed:
            await self._bus.publish(topic, messages, {**traces, **followed})

    @asynccontextmanager
    async def subscribe(
        self, *topics: Topic, group: str, limit: int = 256, once: bool = False, idle_s: float | None = None
    ) -> AsyncIterator[TracedSubscription]:
        """Join a group, and remember what is followed of its batches."""
        async with self._bus.subscribe(*topics, group=group, limit=limit, once=once, idle_s=idle_s) as batches:
            reader = self._readers[group] = Reader()
            yield TracedSubscription(self, batches, group)
            self.processed(reader)

    async def newest(self, topic: Topic, partitions: Collection[int], limit: int) -> list[Record[Message]]:
        """Read back the end of partitions."""
        return await self._bus.newest(topic, partitions, limit)

    async def lag(self, group: str) -> int:
        """How many records of its topics a group has not processed yet."""
        return await self._bus.lag(group)

    async def health(self) -> Health | None:
        """How the brokers are."""
        return await self._bus.health()

    async def drain(self) -> None:
        """Wait until everything is processed."""
        await self._bus.drain()

    def end(self) -> None:
        """Give no further batch."""
        self._bus.end()

    async def close(self) -> None:
        """Flush, and let go of the broker."""
        await self._bus.close()

    def took(self, group: str, batch: Batch) -> None:
        """Remember what is followed of a batch; what comes again was followed before."""
        reader = self._readers[group]
        reader.since = time.time_ns()
        for record in () if batch.again else batch:
            if record.trace and isinstance(record.message, Stamped):
                self._remember(group, reader, record.message, record)

    def processed(self, reader: Reader) -> None:
        """End the spans of what a stage without outputs did."""
        for span in reader.delivering:
            span.end()
        reader.delivering.clear()

    @contextmanager
    def spans(self, topic: Topic, messages: Sequence[Message]) -> Iterator[Traces]:
        """Begin the spans of what is followed of these messages, and end them behind the body; gives their traceparents."""
        begun = {number: span for number, message in enumerate(messages) if (span := self._begin(topic, message)) is not None}
        try:
            yield {number: traceparent(span.get_span_context()) for number, span in begun.items()} or UNTRACED
        finally:
            for number, span in begun.items():
                span.end()
                _tell(messages[number], span)

    def _remember(self, group: str, reader: Reader, message: Stamped, record: Record[Message]) -> None:
        span = parsed(record.trace)
        if isinstance(message, Alert):
            attributes = _attributes(record.ref.topic, message)
            reader.delivering.append(self._tracer.start_span(group, _below(span), SpanKind.CONSUMER, attributes))
            return
        seen = reader.cameras.setdefault(message.camera, deque(maxlen=KEPT))
        seen.append(Seen(message.at, message.until, _modality(message), span))

    def _begin(self, topic: Topic, message: Message) -> Span | None:
        """Begin an output's span; None where it is not followed."""
        if topic not in STAGES or isinstance(message, Mark) or not isinstance(message, Stamped):
            return None
        stage, attributes = STAGES[topic], _attributes(topic, message)
        if stage == "capture":
            span = self._tracer.start_span(stage, Context(), SpanKind.PRODUCER, attributes, start_time=int(message.captured * 1e9))
            return span if span.get_span_context().trace_flags.sampled else None
        reader = self._readers.get(stage)
        inputs = [] if reader is None else _inputs(reader, message)
        if reader is None or not inputs:
            return None
        *others, parent = (seen.span for seen in inputs)
        links = [Link(other) for other in others if other.trace_id != parent.trace_id]
        return self._tracer.start_span(stage, _below(parent), SpanKind.PRODUCER, attributes, links, start_time=reader.since)


@dataclass(frozen=True, slots=True)
class TracedSubscription:
    """The batches of one member, with what is followed of them."""

    bus: TracedBus
    inner: Subscription
    group: str

    def __aiter__(self) -> TracedSubscription:
        return self

    async def __anext__(self) -> Batch:
        """Give the next batch; the one before is processed."""
        self.bus.processed(self.bus._readers[self.group])  # noqa: SLF001 (both are of this module)
        batch = await anext(self.inner)
        self.bus.took(self.group, batch)
        return batch

    def keep(self, places: Mapping[Place, int]) -> None:
        """Let these records come again to whoever reads on."""
        self.inner.keep(places)

    async def answer(self, topic: Topic, messages: Sequence[Message], traces: Traces = UNTRACED) -> None:
        """Publish with the spans of what is followed, together with the position behind the batch."""
        with self.bus.spans(topic, messages) as followed:
            await self.inner.answer(topic, messages, {**traces, **followed})


def traceparent(span: SpanContext) -> str:
    """A span as W3C Trace Context names it."""
    return f"00-{span.trace_id:032x}-{span.span_id:016x}-{int(span.trace_flags):02x}"


def parsed(text: str) -> SpanContext:
    """The span that a traceparent names."""
    _, trace, span, flags = text.split("-")
    return SpanContext(int(trace, 16), int(span, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16)))


def _below(span: SpanContext) -> Context:
    """Where children of a span begin."""
    return set_span_in_context(NonRecordingSpan(span), Context())


def provider(settings: config.Tracing) -> TracerProvider:
    """What samples spans and sends them to the configured endpoint, in a thread of its own."""
    resource = Resource.create({"service.name": "scenewatch", "service.version": version("scenewatch")})
    made = TracerProvider(sampler=ParentBased(TraceIdRatioBased(settings.sample)), resource=resource)
    made.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=settings.endpoint, timeout=ANSWER_S)))
    return made


def _inputs(reader: Reader, output: Stamped) -> list[Seen]:
    """What is followed of an output's camera and time: the newest last, before it what ends later than the output."""
    found = [
        seen
        for seen in reader.cameras.get(output.camera, ())
        if seen.at < output.until - CLOSE_S and seen.until > output.at + CLOSE_S and _feeds(seen.modality, output)
    ]
    return sorted(found, key=lambda seen: (seen.until <= output.until + CLOSE_S, seen.until))


def _feeds(modality: Modality | None, output: Stamped) -> bool:
    """Whether an output comes of such inputs: encoders keep modalities apart, phrases are found in words, other alerts in scores."""
    match output:
        case Embedding():
            return modality is output.modality
        case Alert(kind=kind):
            return modality is (Modality.TEXT if kind.startswith("phrase:") else None)
        case _:
            return True


def _modality(message: Stamped) -> Modality | None:
    match message:
        case Frame():
            return Modality.PICTURE
        case Sound():
            return Modality.SOUND
        case Transcript():
            return Modality.TEXT
        case _:
            return None


def _attributes(topic: Topic, message: Stamped) -> dict[str, str | float]:
    """What a span says."""
    said: dict[str, str | float] = {
        "messaging.destination.name": topic.value,
        "scenewatch.camera": message.camera,
        "scenewatch.at": message.at,
    }
    if isinstance(message, Alert):
        said |= {"scenewatch.alert": message.id, "scenewatch.kind": message.kind, "scenewatch.phase": message.phase.value}
    return said


def _tell(message: Message, span: Span) -> None:
    """Write down which trace led to an alert."""
    if isinstance(message, Alert):
        trace = trace_id(traceparent(span.get_span_context()))
        log.info("alert", camera=message.camera, stage="alert", kind=message.kind, phase=message.phase.value, alert=message.id, trace=trace)
