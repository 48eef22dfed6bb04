"""The guard against invented speech: Whisper writes something on any sound, and this says whether to believe it.

Pure: evidence in, verdict out. The first five checks are those of Whisper's own decoder (Radford et al. 2022, section 4.5)
made stricter; the phrases are those that its training on subtitles left behind, and are believed only with strong evidence.
"""

from __future__ import annotations

import re
import unicodedata
import zlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Outcome(StrEnum):
    """What becomes of an utterance."""

    ACCEPTED = "accepted"
    EMPTY = "empty"
    """No letter or digit in it."""
    NO_SPEECH = "no_speech"
    """The recogniser itself doubts that anybody spoke."""
    LOW_CONFIDENCE = "low_confidence"
    REPETITION = "repetition"
    """The same words again and again."""
    TOO_FAST = "too_fast"
    """More letters a second than anybody can say."""
    LANGUAGE = "language"
    """In no language that it could tell."""
    PHANTOM = "phantom"
    """A phrase that it often invents, with nothing else that speaks for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is known of an utterance and its text."""

    text: str
    seconds: float
    speech: float
    """The voice detector's mean probability over it."""
    confidence: float
    """exp(mean log-probability of the tokens)."""
    no_speech: float
    """The recogniser's probability that nobody spoke."""
    language: float
    """Probability of the language; 1 if it was given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Where believing ends."""

    belief: float = 0.3
    """Confidence times the voice detector's mean: two witnesses who fail on different sounds …"""
    short_belief: float = 0.38
    """… and for short ones, which bark, cough and sneeze."""
    short_s: float = 1.5
    no_speech: float = 0.6
    no_speech_confidence: float = 0.6
    """With a no-speech probability over the limit, the words must be this sure."""
    compression: float = 2.4
    """Whisper's own limit on length / length of zlib."""
    repeats: int = 4
    """So often in a row the same two to eight words are no speech …"""
    repeats_of_one: int = 8
    """… and so often one word: who calls for help says it more than once."""
    letters_per_second: float = 30.0
    """Fast speech is 20 (about 240 English words a minute)."""
    language: float = 0.35
    language_confidence: float = 0.6
    phantom_confidence: float = 0.65
    phantom_speech: float = 0.8
    """A phantom phrase needs both this and the one before."""


LIMITS: Final = Limits()

PHANTOMS: Final = frozenset(
    {
        # English
        "thank you", "thanks", "thank you very much", "thank you so much", "thank you for watching", "thanks for watching",
        "thanks for watching and ill see you next time", "thank you so much for watching", "thanks for listening",
        "thank you for listening",
        "please subscribe", "like and subscribe", "dont forget to subscribe", "please subscribe to my channel", "see you next time",
        "see you in the next video", "ill see you next time", "see you next week", "bye", "bye bye", "you", "oh", "so", "i", "uh", "um",
        "hmm",
        "mm", "mmm", "mhm", "ah", "the", "music", "applause", "laughter", "silence", "foreign", "the end", "okay", "yeah",
        "transcribed by", "transcription by castingwords", "im sorry", "im not sure", "i dont know", "i love you", "good night", "beep",
        # German
        "vielen dank", "vielen dank für die aufmerksamkeit", "vielen dank fürs zuschauen", "danke", "danke schön", "das wars",
        "bis zum nächsten mal", "tschüss", "untertitel im auftrag des zdf für funk 2017",
        # French
        "merci", "merci davoir regardé cette vidéo", "merci davoir regardé la vidéo", "à bientôt", "au revoir", "abonnezvous",
        # Spanish, Portuguese, Italian
        "gracias", "muchas gracias", "gracias por ver el video", "suscríbete", "suscríbete al canal", "obrigado", "obrigada",
        "tchau", "até a próxima", "grazie", "grazie a tutti", "grazie per la visione", "ciao",
        # Russian, Polish, Dutch, Turkish, Swedish, Welsh, Latin
        "спасибо", "спасибо за просмотр", "продолжение следует", "dziękuję", "dziękuję za uwagę", "bedankt", "dank u wel", "teşekkürler",
        "teşekkür ederim", "izlediğiniz için teşekkürler", "tack", "tack för att ni tittade", "diolch yn fawr", "diolch",
        # Japanese, Chinese, Korean
        "ありがとうございました", "ご視聴ありがとうございました", "おやすみなさい", "はい", "谢谢", "謝謝", "谢谢大家", "谢谢观看",
        "感谢观看", "請訂閱", "감사합니다", "시청해주셔서 감사합니다", "구독과 좋아요", "네",
    }
)  # fmt: skip
"""Phrases that are invented often, as `folded` gives them."""

CREDITS: Final = re.compile(
    r"subtitl|sous-titr|untertitel|subtítul|legendas? (por|pela)|sottotitol|ondertitel|napisy|субтитр|字幕|자막|amara\.org|www\.|\.com\b|"
    r"castingwords|copyright|©|subscribe to|suscríbete|abonn(iert|ez)|チャンネル登録|订阅|訂閱|구독",
    re.IGNORECASE,
)
"""What stands in credits of subtitles and pleas of channels, in any sentence."""


STUCK: Final = re.compile(r"(.)\1{7}")
"""One character eight times in a row."""
SENTENCES: Final = re.compile(r"[.!?。！？…,、，]+")  # noqa: RUF001 (East Asian punctuation is meant)


def folded(text: str) -> str:
    """Lower case, without punctuation and doubled spaces."""
    kept = "".join(c for c in unicodedata.normalize("NFKC", text).lower() if c.isspace() or unicodedata.category(c)[0] in "LMN")
    return " ".join(kept.split())


def verdict(evidence: Evidence, limits: Limits = LIMITS) -> Outcome:
    """Believe it, or say why not; the first reason that holds."""
    text = folded(evidence.text)
    if not text:
        return Outcome.EMPTY
    belief = evidence.confidence * evidence.speech
    checks = (
        (Outcome.REPETITION, repeats(evidence.text, limits)),
        (Outcome.TOO_FAST, len(text) > limits.letters_per_second * max(evidence.seconds, 1.0)),
        (Outcome.NO_SPEECH, evidence.no_speech > limits.no_speech and evidence.confidence < limits.no_speech_confidence),
        (Outcome.LOW_CONFIDENCE, belief < (limits.short_belief if evidence.seconds < limits.short_s else limits.belief)),
        (Outcome.LANGUAGE, evidence.language < limits.language and evidence.confidence < limits.language_confidence),
        (Outcome.PHANTOM, phantom(evidence.text) and not _strong(evidence, limits)),
    )
    return next((outcome for outcome, holds in checks if holds), Outcome.ACCEPTED)


def phantom(text: str) -> bool:
    """Whether a text consists of known phantom phrases, or has credits in it."""
    sentences = [folded(part) for part in SENTENCES.split(text)]
    said = [sentence for sentence in sentences if sentence]
    return bool(CREDITS.search(text)) or folded(text) in PHANTOMS or (bool(said) and all(sentence in PHANTOMS for sentence in said))


def repeats(text: str, limits: Limits = LIMITS) -> bool:
    """Whether a text goes round in circles: compresses too well, or says the same words too often in a row."""
    data = text.encode()
    if len(data) / len(zlib.compress(data)) > limits.compression or STUCK.search(text):
        return True
    plain = folded(text)
    words = plain.split() if " " in plain else list(plain)
    return _runs(words, 1) >= limits.repeats_of_one or any(_runs(words, size) >= limits.repeats for size in range(2, 9))


def _runs(words: list[str], size: int) -> int:
    """How often in a row, at most, the same `size` words come."""
    same = longest = 0
    for at in range(size, len(words)):
        same = same + 1 if words[at] == words[at - size] else 0
        longest = max(longest, same)
    return longest // size + 1


def _strong(evidence: Evidence, limits: Limits) -> bool:
    return evidence.confidence >= limits.phantom_confidence and evidence.speech >= limits.phantom_speech
