"""Sentences as they are heard: spoken by eSpeak NG, with noise at a stated SNR, cut and written down by the parts that run live."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import av
import msgspec
import numpy as np

from monitor.messages import SOUND_HZ, Transcript
from monitor.speech import Transcriber
from monitor.voice import Segmenter, Utterance
from workers.evaluate.speech import pieces
from workers.scene.voice import VOICE_HZ, Speaker, Voice
from workers.training.sounds import Samples

TAUGHT: Final = ("en-us", "en-us+m1", "en-us+m3", "en-us+f2", "en-gb-x-rp")
"""Voices of the training sentences."""
TESTED: Final = ("en-us+max", "en-us+adam", "en-us+f1", "en-gb-x-rp+m1")
"""Voices of the evaluation, none of them a voice of the training; every class is spoken by all. Of those that Whisper understands."""
FOREIGN: Final = frozenset({"de", "es", "fr"})
BEFORE_S: Final = 0.5
AFTER_S: Final = 1.0
"""Noise alone before and after the words, as live, where the voice detector has to find them."""
LEVEL: Final = 0.08
"""Root mean square of the voice: about as loud as in the middle of a room."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A sentence and its language."""

    text: str
    language: str


def speak(said: Sequence[Said], voices: Sequence[str], rng: np.random.Generator) -> Iterator[Samples]:
    """Each sentence by a voice drawn for it, at a rate and pitch drawn for it; float32 [n] at 16 kHz, of one loudness."""
    speaker = Speaker()
    for sentence in said:
        name = sentence.language if sentence.language in FOREIGN else str(rng.choice(voices))
        voice = Voice(name, rate=int(rng.integers(130, 165)), pitch=int(rng.integers(40, 62)), range=int(rng.integers(40, 80)))
        yield levelled(at_16_khz(speaker.say(sentence.text, voice)))


def at_16_khz(samples: Samples) -> Samples:
    """From the speaker's rate to ours; float32 [n]."""
    frame = av.AudioFrame.from_ndarray(np.clip(samples, -1, 1)[None].astype(np.float32), format="flt", layout="mono")
    frame.sample_rate = VOICE_HZ
    resampler = av.AudioResampler(format="flt", layout="mono", rate=SOUND_HZ)
    resampled: Samples = np.concatenate([out.to_ndarray()[0] for part in (frame, None) for out in resampler.resample(part)]).astype(
        np.float32
    )
    return resampled


def levelled(samples: Samples) -> Samples:
    """The same sound at LEVEL."""
    level: Samples = (samples * (LEVEL / max(power(samples) ** 0.5, 1e-6))).astype(np.float32)
    return level


def power(samples: Samples) -> float:
    """Mean square."""
    return float(np.square(samples, dtype=np.float64).mean()) if samples.size else 0.0


def mixed(voice: Samples, noise: Samples, snr_db: float) -> Samples:
    """A voice with noise from before it until after it; `snr_db`: power of the voice over that of the noise beside it, in decibels."""
    before, after = int(BEFORE_S * SOUND_HZ), int(AFTER_S * SOUND_HZ)
    spoken = np.pad(voice, (before, after))
    ground = np.resize(noise, spoken.size)
    beside = power(ground[before : before + voice.size])
    gain = (power(voice) / max(beside, 1e-12) * 10 ** (-snr_db / 10)) ** 0.5
    loud = spoken + gain * ground
    unclipped: Samples = (loud / max(1.0, float(np.abs(loud).max()) / 0.98)).astype(np.float32)
    return unclipped


def hear(
    recordings: Sequence[Samples], languages: Sequence[str], segmenter: Callable[[str], Segmenter], transcribe: Transcriber
) -> list[list[Transcript]]:
    """What the live parts write down of recordings whose cameras are configured with their languages; only what the guard believes."""
    cut = [_cut(samples, language, segmenter("spoken")) for samples, language in zip(recordings, languages, strict=True)]
    heard = iter(transcribe([utterance for utterances in cut for utterance in utterances]))
    found = [[next(heard).transcript for _ in utterances] for utterances in cut]
    return [[transcript for transcript in row if transcript is not None] for row in found]


def _cut(samples: Samples, language: str, segmenter: Segmenter) -> list[Utterance]:
    sounds = [msgspec.structs.replace(sound, language=language) for sound in pieces(samples)]
    return [utterance for sound in sounds for utterance in segmenter.push(sound)[0]] + segmenter.flush()[0]
