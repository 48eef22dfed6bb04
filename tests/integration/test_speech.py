"""The real voice detector and the real Whisper."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from faster_whisper.vad import get_vad_model
from msgspec.structs import replace

from monitor.config import Models, Speech
from monitor.guard import Outcome
from monitor.messages import SOUND_HZ
from monitor.models import locate
from monitor.speech import Heard, Transcriber, transcriber
from monitor.utterances import WINDOW
from monitor.voice import Samples, Utterance, VoiceDetector, no_memory, segmenters
from workers.evaluate.speech import Listening, pieces, plain
from workers.training.sounds import samples_of

DATA = Path(os.environ.get("SCENEWATCH_DATA", "../shared/data"))
WER = DATA / "speech" / "wer"

pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not WER.is_dir(), reason=f"no real data at {DATA}: set SCENEWATCH_DATA"),
]


@pytest.fixture(scope="module")
def recogniser() -> Transcriber:
    return transcriber(Speech(), Models())


@pytest.fixture(scope="module")
def typography() -> Samples:
    return samples_of(WER / "LJ001-0107.flac")


def hear(recogniser: Transcriber, *recordings: Samples, speech: Speech | None = None) -> list[list[Heard]]:
    return Listening(segmenter=segmenters(speech or Speech()), transcribe=recogniser)(recordings)


def words(heard: list[Heard]) -> str:
    return plain(" ".join(item.transcript.text for item in heard if item.transcript), "en")


def test_voice_in_pieces_is_the_voice_of_the_whole(typography: Samples):
    samples = typography[: typography.size // WINDOW * WINDOW]
    detector, memory, streamed = VoiceDetector(locate("silero-vad")), no_memory(), []
    for first in range(0, samples.size, 7 * WINDOW):
        probabilities, memory = detector(samples[first : first + 7 * WINDOW], memory)
        streamed += probabilities
    whole = get_vad_model()(samples.copy())
    assert np.allclose(streamed[:-1], whole[:-1], atol=1e-4)  # the library clears the end of the last window


def test_a_sentence_is_written_down_with_the_times_of_its_words(recogniser: Transcriber, typography: Samples):
    (heard,) = hear(recogniser, typography)
    transcript = heard[0].transcript
    assert transcript is not None
    assert words(heard).startswith("to say a few words on the principles of design")
    assert (transcript.language, transcript.model) == ("en", locate("whisper-base").version)
    assert [word.text for word in transcript.words][:3] == ["to", "say", "a"]
    times = [time for word in transcript.words for time in (word.at, word.until)]
    assert times == sorted(times)
    assert transcript.at <= times[0] <= times[-1] <= transcript.until


def test_many_at_once_are_what_each_is_alone(recogniser: Transcriber, typography: Samples):
    others = [samples_of(WER / name) for name in ("cheetah_de.flac", "leopard_ko.flac", "cards_005.flac")]
    together = hear(recogniser, typography, *others)
    languages = [item.transcript.language for heard in together for item in heard if item.transcript]
    assert languages == ["en", "de", "ko", "en"]
    for recording, heard in zip((typography, *others), together, strict=True):
        assert hear(recogniser, recording) == [heard]  # to the last digit: the same records give the same alerts


def test_two_sentences_with_a_pause_are_two_utterances(recogniser: Transcriber, typography: Samples):
    (heard,) = hear(recogniser, np.concatenate([typography, np.zeros(SOUND_HZ, np.float32), typography]))
    assert len(heard) == 2
    assert heard[0].transcript is not None
    assert heard[1].transcript is not None
    assert heard[1].transcript.at > heard[0].transcript.until


def test_nothing_is_heard_in_silence_and_hiss(recogniser: Transcriber):
    hiss = np.random.default_rng(1).normal(0, 0.01, 20 * SOUND_HZ).astype(np.float32)
    assert hear(recogniser, np.zeros(20 * SOUND_HZ, np.float32), hiss) == [[], []]


def test_what_whisper_invents_on_hiss_is_rejected(recogniser: Transcriber):
    hiss = np.random.default_rng(1).normal(0, 0.05, 3 * SOUND_HZ).astype(np.float32)
    utterance = Utterance(camera="a", at=0, until=3, captured=0, modalities=(), samples=hiss, speech=0.3)
    (heard,) = recogniser([utterance])
    assert heard.outcome is not Outcome.ACCEPTED
    assert heard.transcript is None


def test_a_language_that_is_known_is_not_guessed(recogniser: Transcriber, typography: Samples):
    segmenter = segmenters(Speech())("door")
    ended = [
        utterance for sound in pieces(typography) for utterance in segmenter.push(replace(sound, language="de"))[0]
    ] + segmenter.flush()[0]
    (heard,) = recogniser(ended)
    assert heard.transcript is not None
    assert heard.transcript.language == "de"


def test_the_small_model_writes_english(typography: Samples):
    small = transcriber(Speech(model="whisper-tiny-en"), Models())
    (heard,) = hear(small, typography)
    assert "principles of design" in words(heard)
