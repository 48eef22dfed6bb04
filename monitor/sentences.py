"""What an incident is called in a sentence that a person understands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from monitor.messages import Modality, Phase

HAPPENS: Final[Mapping[str, str]] = {
    "fight": "people fight",
    "fire": "something burns",
    "aggression": "an angry voice",
    "crying": "someone cries",
    "gun_shot": "a shot",
    "siren": "a siren",
    "scream": "someone screams",
    "glass_break": "breaking glass",
    "distress": "someone calls for help or threatens",
    "threat": "someone threatens",
    "call_for_help": "someone calls for help",
    "tense_voice": "a voice is angry or afraid",
    "anomaly": "something is wrong",
    "unusual_picture": "something unusual for this camera is seen",
    "unusual_sound": "something unusual for this camera is heard",
    "camera:offline": "the camera is offline",
    "camera:blind": "the camera is blind",
    "camera:frozen": "the picture is frozen",
    "camera:drift": "the picture is not what it was: was the camera moved, or has the light changed?",
    "camera:silent": "the microphone is silent",
}
SENSES: Final[Mapping[Modality, str]] = {Modality.PICTURE: "picture", Modality.SOUND: "sound", Modality.TEXT: "words"}
LEAST_PART: Final = 0.01
"""Shares smaller than this are not worth a word."""
LONGEST: Final = 160
"""Characters of speech or detail that a sentence quotes."""


def sentence(
    camera: str,
    kind: str,
    phase: Phase,
    probability: float,
    parts: Mapping[Modality, float],
    quote: str,
    seconds: float,
    seen: str = "",
    likely: str = "",
) -> str:
    """Say what happens, who is there, how sure that is, and by which sense it is known; `seconds` is how long it has lasted.

    `likely` is the kind that an incident of no certain kind may be.
    """
    perhaps = f", perhaps {_happens(likely)}" if likely else ""
    said = f" ({_shortened(quote)})" if kind.startswith("camera:") and quote else f' ("{_shortened(quote)}")' if quote else ""
    sure = "" if probability >= 1 else f"{'at most ' if phase is Phase.END else ''}{_percent(probability)} probable"
    how = ", ".join(each for each in (_lasting(phase, seconds), sure) if each)
    by = "" if phase is Phase.END else _parts(parts)
    shown = f"; in the picture {seen}{';' if how else ''} " if seen else ", " if how else ""
    return f"{camera}: {_happens(kind)}{perhaps}{said}{shown}{how}{by}".rstrip()


def _happens(kind: str) -> str:
    if kind.startswith("phrase:"):
        return f"watched words are said, {kind.removeprefix('phrase:')}"
    if kind.startswith("sees:"):
        return f"what is looked for is seen, {kind.removeprefix('sees:')}"
    return HAPPENS.get(kind, kind.replace("_", " "))


def _lasting(phase: Phase, seconds: float) -> str:
    """How long it has lasted; nothing at its begin."""
    if phase is Phase.NEW:
        return ""
    return f"over after {seconds:.0f} s" if phase is Phase.END else f"for {seconds:.0f} s now"


def _parts(parts: Mapping[Modality, float]) -> str:
    """Each sense's share in the probability, the largest first."""
    told = sorted(((share, SENSES[modality]) for modality, share in parts.items() if abs(share) >= LEAST_PART), reverse=True)
    return f" ({', '.join(f'{sense} {share:+.2f}' for share, sense in told)})" if told else ""


def _percent(probability: float) -> str:
    return f"{min(99, round(100 * probability))} %"


def _shortened(quote: str) -> str:
    plain = " ".join(quote.split())
    return plain if len(plain) <= LONGEST else f"{plain[: LONGEST - 1]}…"
