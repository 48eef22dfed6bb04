"""Where one utterance ends and the next begins: a pure state machine over the probabilities of speech.

Counts in windows of `WINDOW` samples, the voice detector's step. Speech begins at `threshold` and lasts until the
probability has stayed under `release` for `silence` windows; an utterance that grows too long is cut at its faintest
place. Cuts follow each other without overlap and hold every stretch of speech that is not too short.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from monitor.config import Speech
from monitor.messages import SOUND_HZ

WINDOW: Final = 512
"""Samples a window has: 32 ms."""
WINDOWS_PER_SECOND: Final = SOUND_HZ / WINDOW
HYSTERESIS: Final = 0.15
"""So much below the threshold speech ends, as in Silero's own segmentation."""
PADDING_S: Final = 0.2
"""Kept before and after: soft first and last sounds of a word lie under the threshold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """When speech becomes an utterance; probabilities, and spans in windows."""

    threshold: float
    release: float
    silence: int
    longest: int
    shortest: int
    padding: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """One utterance: `begin <= window < end`."""

    begin: int
    end: int
    speech: float
    """Mean probability of speech, from its first to its last window of speech."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """An utterance that has begun."""

    begin: int
    """With padding."""
    voiced: int
    """The first window of speech."""
    spoken: int
    """One past the last window of speech so far."""
    probabilities: tuple[float, ...]
    """From `voiced` on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What the machine remembers."""

    heard: int = 0
    """Windows so far."""
    floor: int = 0
    """The end of the last utterance: the next one can't begin before."""
    open: Open | None = None


def rules(speech: Speech) -> Rules:
    """The configuration's seconds as windows."""
    silence = max(1, round(speech.silence_s * WINDOWS_PER_SECOND))
    return Rules(
        threshold=speech.vad_threshold,
        release=max(speech.vad_threshold - HYSTERESIS, 0.01),
        silence=silence,
        longest=int(speech.max_utterance_s * WINDOWS_PER_SECOND),
        shortest=round(speech.min_utterance_s * WINDOWS_PER_SECOND),
        padding=min(silence, round(PADDING_S * WINDOWS_PER_SECOND)),
    )


def advance(state: State, probabilities: Iterable[float], by: Rules) -> tuple[State, list[Cut]]:
    """Take the next windows in; return the utterances that ended with them."""
    cuts = []
    for probability in probabilities:
        state, cut = _step(state, probability, by)
        if cut:
            cuts.append(cut)
    return state, cuts


def close(state: State, by: Rules) -> tuple[State, list[Cut]]:
    """End the open utterance, because nothing follows."""
    state, cut = _end(state, by)
    return state, [cut] if cut else []


def reach(state: State, by: Rules) -> int:
    """The window before which no utterance begins any more: the watermark."""
    return state.open.begin if state.open else max(state.floor, state.heard - by.padding)


def _step(state: State, probability: float, by: Rules) -> tuple[State, Cut | None]:
    at = state.heard
    if not state.open:
        begun = _begin(state, at, probability, by) if probability >= by.threshold else None
        return State(heard=at + 1, floor=state.floor, open=begun), None
    grown = Open(
        begin=state.open.begin,
        voiced=state.open.voiced,
        spoken=at + 1 if probability >= by.release else state.open.spoken,
        probabilities=(*state.open.probabilities, probability),
    )
    state = State(heard=at + 1, floor=state.floor, open=grown)
    if state.heard - grown.spoken >= by.silence:
        return _end(state, by)
    return _split(state, grown, by) if state.heard - grown.begin >= by.longest else (state, None)


def _begin(state: State, at: int, probability: float, by: Rules) -> Open:
    return Open(begin=max(state.floor, at - by.padding), voiced=at, spoken=at + 1, probabilities=(probability,))


def _end(state: State, by: Rules) -> tuple[State, Cut | None]:
    """Close what is open; too little speech is none."""
    if not state.open:
        return state, None
    spoken = state.open.probabilities[: state.open.spoken - state.open.voiced]
    if sum(p >= by.threshold for p in spoken) < by.shortest:
        return State(heard=state.heard, floor=state.floor), None
    end = min(state.open.spoken + by.padding, state.heard)
    return State(heard=state.heard, floor=end), Cut(begin=state.open.begin, end=end, speech=sum(spoken) / len(spoken))


def _split(state: State, long: Open, by: Rules) -> tuple[State, Cut | None]:
    """Cut a long utterance at the faintest window of its second half, and go on with the rest."""
    half = len(long.probabilities) // 2
    faintest = min(range(half, len(long.probabilities)), key=lambda k: _around(long.probabilities, k))
    at = long.voiced + max(faintest, 1)
    before, after = long.probabilities[: at - long.voiced], long.probabilities[at - long.voiced :]
    cut = Cut(begin=long.begin, end=at, speech=sum(before) / len(before))
    return State(heard=state.heard, floor=at, open=_rest(at, after, by)), cut


def _around(probabilities: tuple[float, ...], k: int) -> float:
    """Mean over a window and its neighbours; one faint window alone is no pause."""
    near = probabilities[max(k - 1, 0) : k + 2]
    return sum(near) / len(near)


def _rest(at: int, probabilities: tuple[float, ...], by: Rules) -> Open | None:
    """What stays open after a cut: from the first window of speech on, if there is one."""
    first = next((k for k, p in enumerate(probabilities) if p >= by.threshold), None)
    if first is None:
        return None
    last = max(k for k, p in enumerate(probabilities) if p >= by.release)
    return Open(begin=max(at, at + first - by.padding), voiced=at + first, spoken=at + last + 1, probabilities=probabilities[first:])
