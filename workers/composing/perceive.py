"""Films to embeddings, by the stages that run live: capture, transcribe and encode, one after the other."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Final

from monitor.align import Window
from monitor.cache import sha256
from monitor.config import Camera, Config
from monitor.errors import SourceError
from monitor.messages import Embedding, Mark, Message, Modality, Topic
from monitor.metrics import Metrics
from monitor.models import locate
from workers import build, capture, encode, features
from workers.bench.tape import Tape
from workers.build import Run
from workers.features import Item
from workers.stage import Stage

VERSION: Final = 9
"""Counts up when the stages make something else of the same film."""

Recorded = Sequence[tuple[Topic, Message]]


class Perception:
    """Runs films through the stages, or reads what they made of them before; models are loaded when they are first needed."""

    def __init__(self, settings: Config, folder: Path | None = None) -> None:
        self.folder = folder or features.store()
        # flow is measured, so that networks which read it and which don't can be compared on the same streams
        capture = settings.capture.model_copy(update={"flow": True})
        self._settings = settings = settings.model_copy(update={"capture": capture})
        models = (settings.models.picture, settings.models.sound, settings.models.text, settings.speech.model)
        said = (VERSION, settings.capture, settings.speech, [*(locate(name).version for name in models), *encode.looks(settings.models)])
        self._key = repr(said)

    def __call__(self, film: Path, pictures_of: Path | None = None) -> list[Item]:
        """What is seen, heard and said in a film, in each modality's order; or with the pictures of another one that is as long."""
        items = self._kept(film, None)
        if pictures_of is None:
            return items
        return [*self._kept(pictures_of, film.stem), *(item for item in items if item.modality is not Modality.PICTURE)]

    def made(self, film: Path) -> Path:
        """The file in the feature store of what is seen, heard and said in a film; it is made if it is not there yet."""
        return self._stored(film, None)

    def _kept(self, film: Path, name: str | None) -> list[Item]:
        return features.read(self._stored(film, name))

    def _stored(self, film: Path, name: str | None) -> Path:
        """In the feature store, by the film's own bytes; with a name, its pictures alone, as a camera's of that name."""
        digest = sha256(film)
        key = hashlib.sha256(f"{self._key} {name or film.stem} {name is None} {digest}".encode()).hexdigest()[:20]
        path = self.folder / f"{film.stem}-{key}.safetensors"
        if not path.is_file():
            items = self._perceive(film, name or film.stem, alone=name is not None)
            features.write(path, items, {"recording": film.name, "sha256": digest, "made_by": self._key})
        return path

    def _perceive(self, film: Path, name: str, *, alone: bool) -> list[Item]:
        camera = Camera(source=str(film.resolve()), starts_at=0.0)
        recorded = self._captured(name, camera)
        if alone:
            recorded = [each for each in recorded if each[0] is Topic.VIDEO]
        else:
            recorded = [*recorded, *_played(self._runs[Stage.TRANSCRIBE], recorded)]
        made = [message for topic, message in _played(self._runs[Stage.ENCODE], recorded) if topic is Topic.EMBEDDINGS]
        return [message for message in made if isinstance(message, Embedding | Mark)]

    def _captured(self, name: str, camera: Camera) -> list[tuple[Topic, Message]]:
        tape = Tape()
        failures = asyncio.run(capture.run(tape, {name: camera}, self._settings.capture, Metrics(), fast=True))
        if failures:
            raise SourceError(f"{camera.source}: it can't be watched: {failures[0].error}")
        return tape.published

    @cached_property
    def _runs(self) -> dict[Stage, Run]:
        return {stage: build.consumer(stage, self._settings, Metrics(), (), fast=True) for stage in (Stage.TRANSCRIBE, Stage.ENCODE)}


def windows(items: Sequence[Item], settings: Config) -> list[Window]:
    """The windows that the fuse stage would judge, in their order, of both revisions."""
    aligner = build.aligner(settings, fast=True)
    return [window for item in items for window in aligner.push(item)]


def _played(run: Run, recorded: Recorded) -> Recorded:
    tape = Tape(recorded)

    async def play() -> None:
        await run(tape)

    asyncio.run(play())
    return tape.published
