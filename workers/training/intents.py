"""What sentences mean: the project's own, by intent; families of phrases stay together in the folds."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final

from workers.training.rows import FOLDS, lines_of, sentences

THREATS: Final = frozenset({"threat_kill", "threat_hurt", "robbery", "abuse", "extortion", "bullying"})
CALLS: Final = frozenset({"call_help", "call_ambulance", "call_police", "mayday", "call_for_person", "fallen", "crash"})
"""Families of sentences.csv that are one intent throughout; the other families of distress stay distress."""
ALIKE: Final = {"help_plain": "call_help", "urgent_short": "call_help", "threat_plain": "threat_kill"}
"""Families that say nearly the same in the same words: one family for the folds."""

ABROAD: Final = "abroad.csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrase:
    """A sentence and what is meant by it."""

    text: str
    intent: str
    family: str
    language: str
    fold: int
    tested: bool = True
    """Whether `eval intent` may draw it."""


def phrases() -> tuple[Phrase, ...]:
    """All sentences of sentences.csv, intents.csv, more_intents.csv and abroad.csv, of which the last two only teach.

    Families are dealt to the folds in turn, each intent by itself. The sentences of more_intents.csv bear the name of the tested
    family that they resemble most, so that no fold is judged by a head which was taught what it asks. Those of abroad.csv, in
    23 languages, are four families, each with a part of every language and intent.
    """
    found = [(line.text, _intent(line.family, distress=line.distress), line.family, line.language) for line in sentences()]
    found += _lines("intents.csv")
    tested = len(found)
    found += _lines("more_intents.csv") + _lines(ABROAD)
    dealt: Counter[str] = Counter()
    folds: dict[str, int] = {}
    kept = []
    for number, (text, intent, name, language) in enumerate(found):
        family = ALIKE.get(name, name)
        if family not in folds:
            folds[family] = dealt[intent] % FOLDS
            dealt[intent] += 1
        kept.append(Phrase(text=text, intent=intent, family=family, language=language, fold=folds[family], tested=number < tested))
    return tuple(kept)


def _lines(name: str) -> list[tuple[str, str, str, str]]:
    """Text, intent, family and language of each line of a table."""
    return [(line["text"], line["intent"], line["family"], line["language"]) for line in lines_of(name)]


def _intent(family: str, *, distress: bool) -> str:
    """The intent of a family of sentences.csv, which itself knows only distress and ordinary."""
    if not distress:
        return "ordinary"
    if family in THREATS:
        return "threat"
    return "call_for_help" if family in CALLS or family in ALIKE else "distress"
