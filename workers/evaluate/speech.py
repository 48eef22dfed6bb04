"""`scenewatch eval speech`: words that were said, and words that were invented, by the very parts that run live.

Word error rate (character error rate where words are not parted by spaces) on read and spoken clips; invented words a
minute on sounds in which nobody speaks, against the same library called as its manual says, without our guard.
"""

from __future__ import annotations

import csv
import re
import time
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import jiwer
import numpy as np
from faster_whisper import WhisperModel
from rich.progress import track

from monitor.config import Config, Models
from monitor.errors import SourceError
from monitor.guard import Outcome
from monitor.messages import SOUND_HZ, Modality, Sound
from monitor.models import locate
from monitor.speech import Heard, Transcriber, transcriber
from monitor.voice import Samples, Segmenter, Utterance, segmenters
from workers.evaluate import Task
from workers.training.rows import Row, held_out, trainable
from workers.training.sounds import samples_of

PIECE: Final = SOUND_HZ // 2
UNSPACED: Final = frozenset({"ja", "ko", "zh"})
"""Languages whose errors are counted in characters (Korean too, as is usual: its spacing is loose)."""
VOICES: Final = ("sound:children_playing", "sound:street_music")
"""Classes of UrbanSound in which people really call and sing: told apart, and no part of `invented_wpm`."""
BARE_STEP: Final = 60
"""The library alone takes seconds a clip, because it tries again up to six times what it doubts: it hears every sixtieth."""


WORD: Final = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|(?:[^\W\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|')+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """A clip, what is said in it, and what was written down."""

    language: str
    reference: str
    text: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """A recording without speech, and what was heard in it."""

    name: str
    label: str
    seconds: float
    heard: tuple[Heard, ...]

    def words(self, *, guarded: bool) -> int:
        """Words that the guard let pass; or all that the recogniser wrote."""
        return sum(count(item.evidence.text) for item in self.heard if not guarded or item.outcome is Outcome.ACCEPTED)


@dataclass(slots=True, kw_only=True)
class Listening:
    """Listens as the live stage does; `took_s`: the wall clock that it cost, `cpu_s`: the processor's time."""

    segmenter: Callable[[str], Segmenter]
    transcribe: Transcriber
    took_s: float = 0.0
    cpu_s: float = 0.0

    def cut(self, samples: Samples) -> list[Utterance]:
        """The utterances of a recording, which arrives in half seconds."""
        segmenter = self.segmenter("eval")
        ended = [utterance for sound in pieces(samples) for utterance in segmenter.push(sound)[0]]
        return ended + segmenter.flush()[0]

    def __call__(self, recordings: Sequence[Samples]) -> list[list[Heard]]:
        """What is heard in each recording; the utterances of all of them are transcribed together, as in a backlog."""
        wall, cpu = time.perf_counter(), time.process_time()
        cut = [self.cut(samples) for samples in recordings]
        heard = iter(self.transcribe([utterance for utterances in cut for utterance in utterances]))
        result = [[next(heard) for _ in utterances] for utterances in cut]
        self.took_s += time.perf_counter() - wall
        self.cpu_s += time.process_time() - cpu
        return result


def speech(task: Task) -> dict[str, float]:
    """Error rates, the real-time factor, and invented words a minute. Raises SourceError if the data is not there."""
    data, config = task.data, task.config
    listening = Listening(segmenter=segmenters(config.speech), transcribe=transcriber(config.speech, config.models))
    spoken = _spoken(data, listening)
    seconds = sum(clip.seconds for clip in spoken)
    speed = {"realtime_factor": listening.took_s / seconds, "realtime_factor_cpu": listening.cpu_s / seconds}
    esc, urban = trainable(data, "sounds/esc10"), held_out(data, "sounds/urbansound8k")
    noises = {"esc10": _noises("esc10", esc, listening), "urbansound8k": _noises("urbansound8k", urban, listening)}
    bare = _bare([*esc, *urban], config)
    return {**error_rates(spoken), **speed, "speech_clips": len(spoken), "speech_s": seconds, **invented(noises), **bare}


def error_rates(clips: Sequence[Spoken]) -> dict[str, float]:
    """`wer` is English; `wer_xx` other languages; `cer_xx` those counted in characters; `wer_normalised` reads numbers as digits."""
    figures = {}
    for language, group in groupby(sorted(clips, key=lambda clip: clip.language), lambda clip: clip.language):
        said = list(group)
        name = "wer" if language == "en" else f"{'cer' if language in UNSPACED else 'wer'}_{language}"
        figures[name] = _rate([plain(clip.reference, language) for clip in said], [plain(clip.text, language) for clip in said])
        if language == "en":
            from transformers.models.whisper.english_normalizer import EnglishTextNormalizer  # noqa: PLC0415 (takes seconds)

            english: Callable[[str], str] = EnglishTextNormalizer({})  # type: ignore[no-untyped-call]
            figures["wer_normalised"] = _rate([english(clip.reference) for clip in said], [english(clip.text) for clip in said])
    return figures


def invented(noises: Mapping[str, Sequence[Noise]]) -> dict[str, float]:
    """Words a minute where nobody speaks; `vad_only`: our segmentation without the guard; `all`: `voices` too."""
    figures = {}
    quiet = {name: [noise for noise in some if noise.label not in VOICES] for name, some in noises.items()}
    voices = [noise for some in noises.values() for noise in some if noise.label in VOICES]
    every = [noise for some in quiet.values() for noise in some]
    sets = {"": every, **{f"_{name}": some for name, some in quiet.items()}, "_voices": voices, "_all": [*every, *voices]}
    for name, some in sets.items():
        figures[f"invented_wpm{name}"] = _per_minute(some, guarded=True)
        figures[f"invented_wpm{name}_vad_only"] = _per_minute(some, guarded=False)
    return figures | {"sounds_minutes": sum(noise.seconds for noise in every) / 60}


def pieces(samples: Samples) -> Iterator[Sound]:
    """A recording as capture would publish it: half seconds, the last one shorter."""
    pcm = np.clip(np.round(samples * 32768), -32768, 32767).astype("<i2")
    for seq, first in enumerate(range(0, len(pcm), PIECE)):
        piece = pcm[first : first + PIECE]
        yield Sound(
            camera="eval",
            at=first / SOUND_HZ,
            until=(first + piece.size) / SOUND_HZ,
            captured=0.0,
            modalities=(Modality.SOUND, Modality.TEXT),
            seq=seq,
            pcm=piece.tobytes(),
        )


def plain(text: str, language: str) -> str:
    """Lower case without punctuation; characters parted by spaces where the language has no words to count."""
    lower = unicodedata.normalize("NFKC", text).lower().replace("’", "'")  # noqa: RUF001 (the typographic apostrophe is meant)
    bare = re.sub(r"[^\w\s']", " ", lower)
    return " ".join(bare.replace(" ", "") if language in UNSPACED else bare.split())


def count(text: str) -> int:
    """Words of any language: each character of a script without spaces is one."""
    return len(WORD.findall(plain(text, "")))


def _rate(references: list[str], texts: list[str]) -> float:
    return float(jiwer.wer(references, texts))


def _per_minute(noises: Iterable[Noise], *, guarded: bool) -> float:
    some = list(noises)
    minutes = sum(noise.seconds for noise in some) / 60
    return sum(noise.words(guarded=guarded) for noise in some) / minutes if minutes else 0.0


def _spoken(data: Path, listening: Listening) -> list[Spoken]:
    clips = []
    for row in track(_references(data), "speech"):
        samples = samples_of(data / row["path"])
        (heard,) = listening([samples])
        text = " ".join(item.transcript.text for item in heard if item.transcript)
        clips.append(Spoken(language=row["lang"], reference=row["reference"], text=text, seconds=samples.size / SOUND_HZ))
    return clips


def _references(data: Path) -> list[dict[str, str]]:
    path = data / "speech" / "references.csv"
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))
    except OSError as error:
        raise SourceError(
            f"{path} can't be read: {error.strerror}. Name the folder of the real data: --data DIR or SCENEWATCH_DATA."
        ) from error


def _noises(name: str, rows: Sequence[Row], listening: Listening) -> list[Noise]:
    noises = []
    for row in track(rows, name):
        samples = samples_of(row.path)
        (heard,) = listening([samples])
        noises.append(Noise(name=row.name, label=row.label, seconds=samples.size / SOUND_HZ, heard=tuple(heard)))
    return noises


def _bare(rows: Sequence[Row], config: Config) -> dict[str, float]:
    """The library's own call with its defaults, greedy, without voice detection and guard, on every sixtieth sound."""
    model = _whisper(config.models, config.speech.model)
    words, seconds = 0, 0.0
    chosen = [row for row in rows if row.label not in VOICES][::BARE_STEP]
    for row in track(chosen, "the library alone"):
        samples = samples_of(row.path)
        segments, _ = model.transcribe(samples, beam_size=config.speech.beam_size)
        words += count(" ".join(segment.text for segment in segments))
        seconds += samples.size / SOUND_HZ
    return {"invented_wpm_unguarded": words / (seconds / 60) if seconds else 0.0, "unguarded_minutes": seconds / 60}


def _whisper(models: Models, name: str) -> Any:
    compute = "int8" if models.device == "cpu" else "auto"
    return WhisperModel(str(locate(name).folder), device=models.device, compute_type=compute, cpu_threads=models.threads)
