"""The one place that builds things: from a configuration to stages that can be started.

What a stage alone needs is imported when it is built: a process that delivers alerts loads no neural networks.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from monitor.bus import Bus
from monitor.config import Config
from monitor.messages import Modality, Topic
from monitor.metrics import Metrics
from workers import deliver
from workers.stage import READS, Stage

if TYPE_CHECKING:
    from monitor.align import Aligner
    from monitor.lookfor import Looking
    from monitor.sinks import Sink
    from workers import fuse
    from workers.alert import News
    from workers.reasons import Listening

Run = Callable[[Bus], Awaitable[None]]
"""Reads and writes a bus until it is cancelled."""
Builder: TypeAlias = "Callable[[Config, Metrics, Sequence[Sink], bool], Run]"


def groups(stages: Collection[Stage], sinks: Sequence[Sink]) -> Mapping[str, Sequence[Topic]]:
    """The consumer groups of these stages: a bus that knows them beforehand keeps everything for them."""
    return {
        group: READS[stage]
        for stage in stages
        if READS[stage]
        for group in (deliver.groups(sinks) if stage is Stage.DELIVER else (stage.value,))
    }


def consumers(config: Config) -> tuple[Stage, ...]:
    """The stages behind capture that a configuration needs."""
    unused = {Stage.CAPTURE} if config.speech.enabled else {Stage.CAPTURE, Stage.TRANSCRIBE}
    return tuple(stage for stage in Stage if stage not in unused)


def consumer(stage: Stage, config: Config, metrics: Metrics, sinks: Sequence[Sink], *, fast: bool) -> Run:
    """Load what a stage needs, once, and return what runs it; raises ModelError saying what to install."""
    metrics.expect(stage, READS[stage])
    run = BUILDERS[stage](config, metrics, sinks, fast)
    if (torch := sys.modules.get("torch")) is not None and torch.cuda.is_available():  # who has not loaded it has no use for a GPU
        from monitor.gpu import watch  # noqa: PLC0415

        watch(torch.cuda, metrics.registry)
    return run


def _encode(config: Config, metrics: Metrics, _sinks: Sequence[Sink], fast: bool) -> Run:
    from monitor.embedding import ALL  # noqa: PLC0415
    from monitor.pressure import Relief  # noqa: PLC0415
    from workers import encode  # noqa: PLC0415

    encoders, limits = encode.load(config.models), config.capture.pressure
    for role, name in encoders.names.items():
        metrics.loaded(role, name, config.models.device)
    takes = Relief(limits, time.time, time.monotonic) if limits.enabled and not fast else ALL
    return lambda bus: encode.run(bus, encoders, metrics, takes)


def _transcribe(config: Config, metrics: Metrics, _sinks: Sequence[Sink], _fast: bool) -> Run:
    from monitor.speech import transcriber  # noqa: PLC0415
    from monitor.voice import segmenters  # noqa: PLC0415
    from workers import transcribe  # noqa: PLC0415

    transcribes = transcriber(config.speech, config.models)
    hears = segmenters(config.speech)
    metrics.loaded("speech", transcribes.name, config.models.device)
    return lambda bus: transcribe.run(bus, hears, transcribes, metrics)


def judges(config: Config, metrics: Metrics | None = None) -> fuse.Judges:
    """The networks, and what makes each camera's normality; raises ModelError saying what to install."""
    from monitor import anomaly  # noqa: PLC0415
    from monitor.explain import Explainer, Spoken  # noqa: PLC0415
    from monitor.intent import KINDS, Intent  # noqa: PLC0415
    from monitor.keeping import Remembered  # noqa: PLC0415
    from monitor.language import text_encoder  # noqa: PLC0415
    from monitor.models import locate  # noqa: PLC0415
    from monitor.tone import Tone  # noqa: PLC0415
    from workers import reasons  # noqa: PLC0415

    judging, texts = listening(config), text_encoder(config.models)
    tone = Tone.load(heard=judging.heard)
    meaning = Intent.load(tone)
    heads: list[fuse.Network] = [judging, *([tone] if config.models.tone else []), meaning]
    looking = _looking(config)
    if metrics is not None:
        for role, name in {"fusion": judging.fusion.name, "text": texts.name, "tone": tone.name}.items():
            metrics.loaded(role, name, config.models.device)
    return reasons.Reasoned(
        reasons.Beside([*heads, *looking]),
        partial(Remembered, config.normality) if config.normality.enabled else _nothing,
        explain=Explainer(judging.probabilities, judging.kinds, texts, Spoken(meaning.probabilities, tuple(KINDS))),
        anomaly=anomaly.fitted(locate(config.models.fusion)),
        forgets=[each.forget for each in looking],
        shadow=_shadow(config),
    )


def listening(config: Config) -> Listening:
    """The fusion network with the heads beside it, the one for sounds if the encoder is the one that it reads; raises ModelError."""
    from monitor.fusion import Fusion  # noqa: PLC0415
    from monitor.heard import Heard  # noqa: PLC0415
    from monitor.moving import Moving  # noqa: PLC0415
    from workers.reasons import Listening  # noqa: PLC0415

    return Listening(Fusion.load(config.models), Heard.load() if config.models.sound == "yamnet" else None, Moving.load())


def _shadow(config: Config) -> fuse.Shadow | None:
    """The candidate that judges beside the network, if there is one."""
    if not config.models.shadow:
        return None
    from monitor.fusion import Fusion  # noqa: PLC0415
    from workers.shadow import Beside  # noqa: PLC0415

    return Beside(Fusion.load(config.models.model_copy(update={"fusion": config.models.shadow})), config.alerts.rule)


def _looking(config: Config) -> Sequence[Looking]:
    """What looks for what was said in words, if anything was."""
    if not config.alerts.look_for:
        return ()
    from monitor.lookfor import Looking  # noqa: PLC0415
    from monitor.zeroshot import space  # noqa: PLC0415

    return (Looking(space(config.models), config.alerts.look_for, config.normality.warm_up_s),)


def aligner(config: Config, *, fast: bool) -> Aligner:
    """What lets the modalities that the configuration uses meet."""
    from monitor.align import Aligner  # noqa: PLC0415

    uses = frozenset(Modality) if config.speech.enabled else frozenset({Modality.PICTURE, Modality.SOUND})
    return Aligner(config.fusion, live=not fast, uses=uses)


def _fuse(config: Config, metrics: Metrics, _sinks: Sequence[Sink], fast: bool) -> Run:
    from workers import fuse  # noqa: PLC0415

    judging = judges(config, metrics)
    return lambda bus: fuse.run(bus, aligner(config, fast=fast), judging, metrics)


def _nothing() -> None:
    """No normality."""


def _alert(config: Config, metrics: Metrics, _sinks: Sequence[Sink], fast: bool) -> Run:
    from monitor.decide import Decider  # noqa: PLC0415
    from workers import alert  # noqa: PLC0415

    news = _verdicts(Path(config.alerts.feedback)) if config.alerts.feedback else None
    return lambda bus: alert.run(bus, Decider(config.alerts), metrics, live=not fast, feedback=news)


def _verdicts(path: Path) -> News:
    """What gives the newest verdicts."""
    from workers import feedback  # noqa: PLC0415

    return feedback.Store(path).news


def _deliver(config: Config, metrics: Metrics, sinks: Sequence[Sink], _fast: bool) -> Run:
    from workers import evidence  # noqa: PLC0415

    return lambda bus: deliver.run(bus, evidence.reading(sinks, config, bus), metrics)


BUILDERS: Final[Mapping[Stage, Builder]] = {
    Stage.ENCODE: _encode,
    Stage.TRANSCRIBE: _transcribe,
    Stage.FUSE: _fuse,
    Stage.ALERT: _alert,
    Stage.DELIVER: _deliver,
}
