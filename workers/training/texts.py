"""Sentences as a recogniser might have heard them, and their embeddings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from monitor.language import TextEncoder
from workers.training.bank import Bank, Span, Tokens, Track, cached, gather
from workers.training.rows import Sentence, sentences

VARIANTS: Final = 5
"""Of each sentence: as written, as a recogniser writes, with a neighbour, with errors, with both."""

CONFUSED: Final = """
help:health gun:gone knife:nice fire:far call:cold police:please please:police kill:keel shoot:shut the:a a:the me:my
is:it's can:can't to:two he:she she:he out:house
"""
CONFUSIONS: Final = dict(pair.split(":") for pair in CONFUSED.split())
"""Words that small recognisers take for others; one of them is changed at most."""


def text_bank(encoder: TextEncoder, seed: int = 0) -> Bank:
    """All sentences in all variants; a track is one utterance, whose whole length is distress or is not."""
    lines = sentences()
    return cached("texts", [encoder.name, VARIANTS, seed, lines, CONFUSIONS], lambda: _encode(encoder, list(_utterances(lines, seed))))


def recognised(text: str, rng: np.random.Generator, *, errors: bool) -> str:
    """A sentence in lower case without marks; with errors a word is lost, said twice or taken for another."""
    words = "".join(c for c in text.lower() if c.isalnum() or c in " '-").split()
    if not errors or len(words) < 3:
        return " ".join(words) or text
    at = int(rng.integers(len(words)))
    match rng.integers(3):
        case 0:
            words = [*words[:at], *words[at + 1 :]]
        case 1:
            words = [*words[: at + 1], *words[at:]]
        case _:
            known = [n for n, word in enumerate(words) if word in CONFUSIONS] or [at]
            at = int(rng.choice(known))
            words[at] = CONFUSIONS.get(words[at], words[at])
    return " ".join(words)


def _utterances(lines: Sequence[Sentence], seed: int) -> Iterator[tuple[Track, str]]:
    """Tracks with their texts: a neighbour is of the same fold, and makes an ordinary sentence no distress."""
    rng = np.random.default_rng(seed)
    ordinary = {fold: [line for line in lines if line.fold == fold and not line.distress] for fold in {line.fold for line in lines}}
    for number, line in enumerate(lines):
        for variant in range(VARIANTS):
            text = line.text if variant in (0, 2) else recognised(line.text, rng, errors=variant in (3, 4))
            if variant in (2, 4):
                neighbour = ordinary[line.fold][int(rng.integers(len(ordinary[line.fold])))].text
                text = " ".join([text, neighbour][:: 1 if rng.random() < 0.5 else -1])
            yield _track(line, number, variant), text


def _track(line: Sentence, number: int, variant: int) -> Track:
    return Track(
        name=f"sentence-{number}",
        label="distress" if line.distress else "ordinary",
        group=line.family,
        fold=line.fold,
        variant=variant,
        duration=1.0,
        spans=(Span("distress", 0.0, 1.0),) if line.distress else (),
    )


def _encode(encoder: TextEncoder, pairs: Sequence[tuple[Track, str]]) -> Bank:
    vectors = encoder([text for _, text in pairs])
    zero = np.zeros(1, np.float32)
    return gather((track, Tokens(zero, vectors[at : at + 1])) for at, (track, _) in enumerate(pairs))
