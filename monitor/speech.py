"""From an utterance to words: Whisper writes it down, the guard believes it or not."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, NamedTuple

import ctranslate2
import numpy as np
from faster_whisper import WhisperModel
from faster_whisper.tokenizer import Tokenizer
from faster_whisper.transcribe import get_suppressed_tokens, merge_punctuations

from monitor import config
from monitor.guard import Evidence, Outcome, verdict
from monitor.messages import SOUND_HZ, Transcript, Word
from monitor.models import Located, locate
from monitor.voice import Utterance

BATCH: Final = 8
"""Utterances that are transcribed at once."""
LENGTHS_S: Final = 2
"""Lengths are rounded up to a multiple of this, so that utterances of like length share a batch."""
TAIL_S: Final = 4.0
"""Silence put after an utterance; with less, Whisper, which was trained on thirty seconds, says things twice."""
WHOLE_S: Final = 30.0
"""What Whisper was trained on."""
TOKENS_PER_SECOND: Final = 15
"""More is not speech but a loop, which would cost seconds to write to its end."""
OPENING: Final = "\"'“¿([{-"
"""Belongs to the word after it."""
CLOSING: Final = "\"'.。,，!！?？:：”)]}、"  # noqa: RUF001 (East Asian punctuation is meant)
"""Belongs to the word before it."""
AGAIN: Final = frozenset({Outcome.REPETITION, Outcome.TOO_FAST})
"""What is heard a second time, within the whole thirty seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What became of an utterance."""

    outcome: Outcome
    evidence: Evidence
    transcript: Transcript | None
    """None if the guard rejected it."""


class _Text(NamedTuple):
    """What Whisper wrote."""

    tokens: list[int]
    evidence: Evidence


class Transcriber:
    """Whisper on CTranslate2, many utterances at once, then the guard; one thread at a time.

    What comes of an utterance does not depend on those beside it: each batch is of one padded length, and words are timed one
    utterance at a time.
    """

    def __init__(self, located: Located, speech: config.Speech, models: config.Models) -> None:
        self.name = located.version
        self._guard = speech.guard
        self._beam_size = speech.beam_size
        self._whisper: Any = WhisperModel(
            str(located.folder),
            device=models.device,
            compute_type="int8" if models.device == "cpu" else "auto",
            cpu_threads=models.threads or min(4, os.cpu_count() or 1),
        )
        self._tokenizer = cache(self._make_tokenizer)

    def __call__(self, spoken: Sequence[Utterance]) -> list[Heard]:
        """Transcribe; one result for each utterance, in their order."""
        heard = self._all(spoken, TAIL_S)
        again = [n for n, item in enumerate(heard) if item.outcome in AGAIN]
        for n, item in zip(again, self._all([spoken[n] for n in again], WHOLE_S), strict=True):
            heard[n] = item
        return heard

    def _all(self, spoken: Sequence[Utterance], tail_s: float) -> list[Heard]:
        """Batches of one rounded length, with at least so much silence after each utterance."""
        lengths = [LENGTHS_S * math.ceil(utterance.seconds / LENGTHS_S) for utterance in spoken]
        heard: dict[int, Heard] = {}
        for seconds in sorted(set(lengths)):
            alike = [n for n, length in enumerate(lengths) if length == seconds]
            for first in range(0, len(alike), BATCH):
                batch = alike[first : first + BATCH]
                heard.update(zip(batch, self._batch([spoken[n] for n in batch], seconds, tail_s), strict=True))
        return [heard[n] for n in range(len(spoken))]

    def _batch(self, spoken: list[Utterance], seconds: int, tail_s: float) -> list[Heard]:
        """Utterances of at most so many seconds."""
        encoded = self._encode(spoken, min(WHOLE_S, seconds + tail_s))
        languages = self._languages(spoken, encoded)
        heard: dict[int, Heard] = {}
        for language in sorted({language for language, _ in languages}):
            chosen = [n for n, (one, _) in enumerate(languages) if one == language]
            part = encoded if len(chosen) == len(spoken) else _rows(encoded, chosen)
            results = self._heard([spoken[n] for n in chosen], part, language, [languages[n][1] for n in chosen], seconds)
            heard.update(zip(chosen, results, strict=True))
        return [heard[n] for n in range(len(spoken))]

    def _encode(self, spoken: list[Utterance], seconds: float) -> Any:
        """Utterances, silence after them, to the encoder's output [n, seconds * 50, width]."""
        padded = np.zeros((len(spoken), round(seconds * SOUND_HZ)), np.float32)
        for row, utterance in zip(padded, spoken, strict=True):
            row[: utterance.samples.size] = utterance.samples[: row.size]
        features = np.stack([self._whisper.feature_extractor(row, padding=0) for row in padded])  # [n, 80, seconds * 100]
        return self._whisper.model.encode(ctranslate2.StorageView.from_array(np.ascontiguousarray(features)), to_cpu=True)

    def _languages(self, spoken: list[Utterance], encoded: Any) -> list[tuple[str, float]]:
        """Each utterance's language and its probability: what is known, or what is recognised."""
        if not self._whisper.model.is_multilingual:
            return [("en", 1.0)] * len(spoken)
        if all(utterance.language for utterance in spoken):
            return [(utterance.language or "", 1.0) for utterance in spoken]
        found = [(ranked[0][0].strip("<|>"), float(ranked[0][1])) for ranked in self._whisper.model.detect_language(encoded)]
        return [(utterance.language, 1.0) if utterance.language else best for utterance, best in zip(spoken, found, strict=True)]

    def _heard(self, spoken: list[Utterance], encoded: Any, language: str, sure: list[float], seconds: int) -> list[Heard]:
        """Utterances of one language."""
        texts = self._texts(spoken, encoded, language, sure, seconds)
        outcomes = [verdict(text.evidence) for text in texts]
        believed = [n for n, outcome in enumerate(outcomes) if outcome is Outcome.ACCEPTED or self._believes(outcome)]
        words = self._words([spoken[n] for n in believed], [texts[n] for n in believed], encoded, believed, language)
        transcripts = {n: self._transcript(spoken[n], texts[n], words[k], language) for k, n in enumerate(believed)}
        return [
            Heard(outcome=o, evidence=t.evidence, transcript=transcripts.get(n))
            for n, (o, t) in enumerate(zip(outcomes, texts, strict=True))
        ]

    def _believes(self, outcome: Outcome) -> bool:
        return not self._guard and outcome is not Outcome.EMPTY

    def _texts(self, spoken: list[Utterance], encoded: Any, language: str, sure: list[float], seconds: int) -> list[_Text]:
        tokenizer = self._tokenizer(language)
        prompt = [*tokenizer.sot_sequence, tokenizer.no_timestamps]
        results = self._whisper.model.generate(
            encoded,
            [prompt] * len(spoken),
            beam_size=self._beam_size,
            max_length=min(self._whisper.max_length, len(prompt) + TOKENS_PER_SECOND * seconds),
            suppress_tokens=list(get_suppressed_tokens(tokenizer, [-1])),
            return_scores=True,
            return_no_speech_prob=True,
            sampling_temperature=0,
        )
        return [_text(*each, tokenizer) for each in zip(spoken, results, sure, strict=True)]

    def _words(self, spoken: list[Utterance], texts: list[_Text], encoded: Any, rows: list[int], language: str) -> list[tuple[Word, ...]]:
        """When each word was said, from the decoder's attention to the sound (dynamic time warping)."""
        tokenizer = self._tokenizer(language)
        timed = []
        for utterance, text, row in zip(spoken, texts, rows, strict=True):
            part = encoded if encoded.shape[0] == 1 else _rows(encoded, [row])
            [words] = self._whisper.find_alignment(tokenizer, [text.tokens], part, [math.ceil(utterance.seconds * 100)])
            timed.append(_timed(utterance, words))
        return timed

    def _transcript(self, utterance: Utterance, text: _Text, words: tuple[Word, ...], language: str) -> Transcript:
        return Transcript(
            camera=utterance.camera,
            at=utterance.at,
            until=utterance.until,
            captured=utterance.captured,
            modalities=utterance.modalities,
            text=text.evidence.text,
            language=language,
            confidence=text.evidence.confidence,
            no_speech=text.evidence.no_speech,
            words=words,
            source=utterance.source,
            model=self.name,
        )

    def _make_tokenizer(self, language: str) -> Tokenizer:
        return Tokenizer(self._whisper.hf_tokenizer, self._whisper.model.is_multilingual, task="transcribe", language=language)


def _rows(encoded: Any, chosen: list[int]) -> Any:
    return ctranslate2.StorageView.from_array(np.ascontiguousarray(np.asarray(encoded)[chosen]))


def _text(utterance: Utterance, result: Any, sure: float, tokenizer: Tokenizer) -> _Text:
    tokens = result.sequences_ids[0]
    mean = result.scores[0] * len(tokens) / (len(tokens) + 1)  # CTranslate2 leaves the end token out of the length
    return _Text(
        [token for token in tokens if token < tokenizer.eot],
        Evidence(
            text=tokenizer.decode(tokens).strip(),
            seconds=utterance.seconds,
            speech=utterance.speech,
            confidence=math.exp(mean),
            no_speech=float(result.no_speech_prob),
            language=sure,
        ),
    )


def _timed(utterance: Utterance, words: list[dict[str, Any]]) -> tuple[Word, ...]:
    """Faster-whisper's words as ours, in event time, within the utterance."""
    merge_punctuations(words, OPENING, CLOSING)
    return tuple(
        Word(
            text=word["word"].strip(),
            at=min(utterance.at + float(word["start"]), utterance.until),
            until=min(utterance.at + float(word["end"]), utterance.until),
            probability=float(word["probability"]),
        )
        for word in words
        if word["word"].strip()
    )


def transcriber(speech: config.Speech, models: config.Models) -> Transcriber:
    """The recogniser that the configuration names. Raises ModelError saying what to install."""
    return Transcriber(locate(speech.model), speech, models)
