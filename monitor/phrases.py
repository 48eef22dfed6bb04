"""Listening for watched phrases in what was said.

Words are compared whole, without case, punctuation and accents, and exactly: a tolerance that forgives the recogniser
"ambulence" also hears "shooting" in "shouting", and a false alarm costs more than a variant in the list. Where one is
wanted, a phrase says so: `ambulance*` stands for every word that begins so.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from monitor.config import Phrase
from monitor.messages import Transcript, Word

UNSPACED: Final = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
"""Thai, Lao, Burmese, Khmer, Kana and Han put no spaces between words: there, each character counts as one."""
TOKEN: Final = re.compile(rf"[{UNSPACED}]|[^\W_{UNSPACED}]+\*?")
ACCENTS: Final = re.compile("[\u0300-\u036f\u0591-\u05c7\u064b-\u065f]")
"""Combining marks of Latin, Greek, Cyrillic, Hebrew and Arabic, which are often left out in writing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A watched phrase that was said, and the words that it was heard in."""

    name: str
    """Of the watch-list's entry."""
    phrase: str
    at: float
    until: float
    probability: float
    """Mean over its words; the transcript's confidence where it has no words."""
    words: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class Watched:
    """One phrase, ready to compare."""

    name: str
    phrase: str
    tokens: tuple[str, ...]
    least: float
    """The mean probability of its words that counts."""


def watched(watch: Mapping[str, Phrase]) -> tuple[Watched, ...]:
    """Prepare a watch-list; a phrase without a single letter or digit matches nothing."""
    prepared = (
        Watched(name, phrase, tuple(tokens(phrase)), entry.min_probability) for name, entry in watch.items() for phrase in entry.phrases
    )
    return tuple(one for one in prepared if one.tokens)


def tokens(text: str) -> list[str]:
    """Words as they are compared: case folded, without accents and punctuation."""
    plain = ACCENTS.sub("", unicodedata.normalize("NFD", text.casefold()))
    return TOKEN.findall(unicodedata.normalize("NFC", plain))


def matches(transcript: Transcript, watch: Sequence[Watched]) -> list[Match]:
    """Every place where a watched phrase was said, in the order of the watch-list."""
    words = transcript.words or (Word(text=transcript.text, at=transcript.at, until=transcript.until, probability=transcript.confidence),)
    said = [(token.rstrip("*"), index) for index, word in enumerate(words) for token in tokens(word.text)]
    return [match for one in watch for match in _places(one, said, words)]


def _places(one: Watched, said: Sequence[tuple[str, int]], words: Sequence[Word]) -> Iterator[Match]:
    length = len(one.tokens)
    for begin in range(len(said) - length + 1):
        place = said[begin : begin + length]
        if not all(_same(token, wanted) for (token, _), wanted in zip(place, one.tokens, strict=True)):
            continue
        heard = tuple(words[index] for index in dict.fromkeys(index for _, index in place))
        probability = sum(word.probability for word in heard) / len(heard)
        if probability >= one.least:
            yield Match(name=one.name, phrase=one.phrase, at=heard[0].at, until=heard[-1].until, probability=probability, words=heard)


def _same(token: str, wanted: str) -> bool:
    return token.startswith(wanted[:-1]) if wanted.endswith("*") else token == wanted
