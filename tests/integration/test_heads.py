"""The shipped heads on real encoders: what is heard live is what they were taught on."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from saying import HAS, window

from monitor import config
from monitor.bus import Record
from monitor.embedding import Sounds
from monitor.errors import ModelError, SourceError
from monitor.hearing import WHISPER, sound_encoder
from monitor.intent import Intent
from monitor.language import text_encoder
from monitor.layers import LayeredSounds, VoiceEncoder, read, voice_encoder
from monitor.messages import Embedding, Modality, Ref, Sound, Topic, Transcript, floats, pack
from monitor.sentiment import Sentiment
from monitor.tone import Tone
from workers.evaluate import Task
from workers.evaluate.sounds import sounds
from workers.evaluate.tone import tone
from workers.training.layered import layers_of
from workers.training.sounds import samples_of

DATA = Path(os.environ.get("SCENEWATCH_DATA", "../shared/data"))
ANGRY, NEUTRAL = DATA / "emotion/emodb/03a01Wa.opus", DATA / "emotion/emodb/03a01Nc.opus"
needs_data = pytest.mark.skipif(not ANGRY.exists(), reason=f"{ANGRY} is absent: set SCENEWATCH_DATA")


@pytest.fixture(scope="module")
def voices() -> VoiceEncoder:
    return voice_encoder(threads=1)


@pytest.fixture(scope="module")
def layers(voices: VoiceEncoder) -> LayeredSounds:
    return voices.layers


def noise(count: int) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.1, (count, 16_000)).astype(np.float32)


def test_the_last_layer_is_what_whisper_as_an_encoder_hears(layers: LayeredSounds):
    """CTranslate2 rounds its weights to eight bits; here they are as they are."""
    vectors, found = sound_encoder(config.Models(sound=WHISPER, threads=1))(noise(3)), layers(noise(3))
    assert found.shape == (3, 5, 2, 384)
    assert np.corrcoef(vectors[:, :384].ravel(), found[:, -1, 0].ravel())[0, 1] > 0.99
    assert np.corrcoef(vectors[:, 384:768].ravel(), found[:, -1, 1].ravel())[0, 1] > 0.98


def test_a_second_is_heard_alike_alone_and_beside_others(voices: VoiceEncoder):
    np.testing.assert_allclose(voices(noise(3))[2], voices(noise(3)[2:])[0], rtol=1e-3, atol=1e-3)


def test_sound_of_another_length_is_heard_too(layers: LayeredSounds):
    assert layers(noise(4).reshape(1, -1)).shape == (1, 5, 2, 384)


def test_a_file_that_is_no_whisper_is_named(tmp_path: Path):
    path = tmp_path / "model.bin"
    path.write_bytes(b"\x01\x02\x03\x04\x05")
    with pytest.raises(ModelError, match="is no CTranslate2 model"):
        read(path)


def pieces(samples: np.ndarray) -> list[Record]:
    pcm = np.clip(np.round(samples * 32768), -32768, 32767).astype("<i2")
    cut = [pcm[at : at + 8000] for at in range(0, len(pcm) - 8000, 8000)]
    return [
        Record(
            ref=Ref(topic=Topic.AUDIO, partition=0, offset=n),
            message=Sound(
                camera="hall", at=n / 2, until=(n + 1) / 2, captured=0.0, modalities=HAS, seq=n, pcm=piece.tobytes()
            ),
        )
        for n, piece in enumerate(cut)
    ]  # fmt: skip


@pytest.mark.data
@needs_data
def test_the_encode_stage_hears_what_the_heads_were_taught_on(voices: VoiceEncoder):
    samples = samples_of(NEUTRAL)[:32_000]
    encode = Sounds(sound_encoder(config.Models(threads=1)), layers=voices)
    live = [item for item in encode(pieces(samples)).items if isinstance(item, Embedding)]
    taught = layers_of(samples, voices).values
    np.testing.assert_allclose(floats(live[1].grid), taught[0], atol=0.02)


@pytest.mark.data
@needs_data
def test_an_angry_voice_is_more_tense_than_a_neutral_one(voices: VoiceEncoder):
    judge = Tone.load()
    found = []
    for path in (ANGRY, NEUTRAL):
        heard = layers_of(samples_of(path), voices).values
        sounds_ = tuple(
            Embedding(
                camera="hall", at=n / 2, until=n / 2 + 0.5, captured=0, modalities=HAS, modality=Modality.SOUND, vector=b"", grid=pack(row)
            )
            for n, row in enumerate(heard[:8])
        )
        [[judgement]] = judge([window(sounds=sounds_)])
        found.append(judgement.probability)
    assert found[0] > 0.5 > found[1]


@pytest.fixture(scope="module")
def means() -> dict[str, dict[str, float]]:
    """What the shipped head makes of sentences that it was not taught, without a voice."""
    texts = (
        "Open the till or I'll shoot you in the face.",
        "Somebody help me, he's got my daughter, call the police!",
        "The library closes at six on Fridays.",
        "My sister makes the best apple pie.",
    )
    judge, encoder = Intent.load(Tone.load()), text_encoder(config.Models(threads=1))
    found = {}
    for text, vector, layers in zip(texts, *encoder.features(texts), strict=True):
        times = {"camera": "hall", "at": 1.0, "until": 2.0, "captured": 0.0, "modalities": HAS}
        transcript = Transcript(text=text, language="en", confidence=0.9, no_speech=0.0, **times)
        item = Embedding(modality=Modality.TEXT, vector=pack(vector), grid=pack(layers), transcript=transcript, **times)
        found[text.split()[0]] = {judgement.kind: judgement.probability for judgement in judge([window(item)])[0]}
    return found


def test_a_threat_is_told_from_a_call_for_help_and_both_from_ordinary_speech(means: dict[str, dict[str, float]]):
    assert means["Open"]["threat"] > 0.4
    assert means["Somebody"]["call_for_help"] > 0.8
    for ordinary in ("The", "My"):
        assert max(means[ordinary].values()) < 0.1


def test_a_folder_without_the_sets_is_named(tmp_path: Path):
    (tmp_path / "manifest.csv").write_text("path,modality,label,source,licence,use,ground_truth,note,bytes\n")
    for evaluation in (sounds, tone):
        with pytest.raises(SourceError, match="Name another folder"):
            evaluation(Task(data=tmp_path))


def test_what_people_are_glad_of_is_more_favourable_than_news_which_is_more_so_than_insults() -> None:
    said = ["What a wonderful surprise, thank you!", "The meeting is at three o'clock.", "You are a disgusting idiot.", "Was für ein Tag!"]
    glad, plain, insult, foreign = Sentiment.load()(text_encoder(config.Models()).features(said), ["en", "en", "en", "de"])
    assert foreign is None
    assert glad is not None
    assert plain is not None
    assert insult is not None
    assert glad > plain + 0.2 > insult + 0.4
