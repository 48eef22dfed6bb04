"""`reasons.png`: an alert on one page: what was seen and where, what it rests on, the words, the sound, and what was expected."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TypeAlias

import numpy as np

from monitor.errors import MessageError
from monitor.jpeg import Image, decode_jpeg
from monitor.messages import Alert, Frame, Modality, Reasons, Severity, Share, Sound
from monitor.paint import (
    AGAINST,
    BOLD,
    FOR,
    GREY,
    PALE,
    PANEL,
    Canvas,
    Colour,
    coloured,
    fitted,
    heated,
    samples_between,
    spectrogram,
)
from monitor.sentences import SENSES

Placed: TypeAlias = Callable[[float], int]
"""A time's x."""

WIDTH: Final = 1280
EDGE: Final = 24
LEFT: Final = 800
"""Width of the left column: picture and sound."""
RIGHT: Final = WIDTH - LEFT - 3 * EDGE
TOP: Final = 96
PICTURE: Final = 450
"""Height of the picture."""
STRIP: Final = 110
"""Height of the spectrogram."""
BARS: Final = 44
"""Height of the bars under it."""
MARGIN_S: Final = 1.0
"""So much sound is shown before and after what was judged."""
LONGEST_S: Final = 12.0
"""Where nothing says which sound was judged, so much is shown from the incident's begin."""
COLOURS: Final[dict[Severity, Colour]] = {
    Severity.INFO: (92, 160, 255),
    Severity.WARNING: (255, 190, 70),
    Severity.CRITICAL: (255, 92, 92),
}
NOTABLE: Final = 0.15
"""Words with this share of the strongest word's are marked, …"""
LEAST: Final = 0.03
"""… and no word or sound with a smaller share of the probability."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What there still is of the moment."""

    picture: Frame | None
    """The frame that the heat lies over, or the key frame."""
    sounds: tuple[Sound, ...] = ()
    expected: tuple[Frame, ...] = ()


def draw(alert: Alert, shown: Shown) -> bytes:
    """The page as PNG; empty if there is nothing to explain. Raises MessageError if it can't be written."""
    reasons = alert.reasons or Reasons()
    if alert.reasons is None and not alert.parts:
        return b""
    heard, below = bool(shown.sounds), TOP + PICTURE + 62
    seen = None if shown.picture is None else _image(shown.picture)
    canvas = Canvas(WIDTH, below + (STRIP + BARS + 64 if heard or (alert.text and shown.expected) else 0))
    _head(canvas, alert)
    _picture(canvas, reasons, seen)
    y = _bars(canvas, alert)
    y = _sentence(canvas, reasons, y)
    _words(canvas, alert, reasons, y)
    if heard:
        _sound(canvas, alert, reasons, shown.sounds, below)
    expected = _image(shown.expected[0]) if shown.expected else None
    if seen is not None and expected is not None:
        _beside(canvas, seen, expected, shown.expected[0].at, below if heard or alert.text else y + 24)
    return canvas.png()


def _head(canvas: Canvas, alert: Alert) -> None:
    colour = COLOURS[alert.severity]
    canvas.box(0, 0, 8, TOP - 20, colour)
    end = canvas.text(EDGE, 40, alert.kind.replace("_", " "), 30, PALE, BOLD)
    canvas.text(end + 18, 40, f"{alert.severity.value}, probability {alert.probability:.2f}", 20, colour, BOLD)
    canvas.text(
        EDGE, 70, f"{alert.camera}, {_clock(alert.at)} to {_clock(alert.until)} UTC ({_date(alert.at)}), {alert.phase.value}", 17, GREY
    )


def _picture(canvas: Canvas, reasons: Reasons, seen: Image | None) -> None:
    canvas.box(EDGE, TOP, LEFT, PICTURE, PANEL)
    if seen is None:
        canvas.text(EDGE + 20, TOP + 40, "no picture of this moment", 17, GREY)
        return
    image = fitted(heated(seen, reasons.heat) if reasons.heat else seen, LEFT, PICTURE)
    canvas.put(EDGE + (LEFT - image.shape[1]) // 2, TOP + (PICTURE - image.shape[0]) // 2, image)
    y = TOP + PICTURE + 24
    if not reasons.heat:
        canvas.text(EDGE, y, "the moment's key frame; no place in it stands out", 15, GREY)
        return
    end = canvas.text(EDGE, y, f"{reasons.heat_of}:  none", 15, GREY)
    canvas.put(end + 10, y - 12, coloured(np.linspace(0, 1, 120, dtype=np.float32)[None].repeat(14, axis=0)))
    canvas.text(end + 140, y, "most", 15, GREY)


def _bars(canvas: Canvas, alert: Alert) -> int:
    """Each sense's share of the probability; gives the y below."""
    x, y = LEFT + 2 * EDGE, TOP
    canvas.text(x, y + 16, "what the probability rests on", 17, PALE, BOLD)
    canvas.text(canvas.text(x, y + 38, "for it", 14, FOR) + 10, y + 38, "against it", 14, AGAINST)
    y += 48
    name, number = 76, 62
    room = RIGHT - name - number
    least = min(0.0, *alert.parts.values()) if alert.parts else 0.0
    most = max(1e-3, *alert.parts.values()) if alert.parts else 1.0
    scale = room / (most - least)
    zero = x + name + round(-least * scale)
    for modality in Modality:
        share = alert.parts.get(modality)
        canvas.text(x, y + 20, SENSES[modality], 16, PALE if share is not None else GREY)
        canvas.box(x + name, y + 4, room, 20, PANEL)
        if share is None:
            canvas.text(x + name + 8, y + 20, "has no part in it", 14, GREY)
        else:
            length = round(abs(share) * scale)
            canvas.box(zero if share >= 0 else zero - length, y + 4, max(length, 1), 20, FOR if share >= 0 else AGAINST)
            canvas.text(x + name + room + 10, y + 20, f"{share:+.2f}" if abs(share) >= 0.005 else "0.00", 16, PALE)
        y += 34
    return y + 14


def _sentence(canvas: Canvas, reasons: Reasons, y: int) -> int:
    for line in canvas.lines(reasons.text, 16, RIGHT)[:5]:
        canvas.text(LEFT + 2 * EDGE, y + 14, line, 16, PALE)
        y += 24
    return y + (16 if reasons.text else 0)


def _words(canvas: Canvas, alert: Alert, reasons: Reasons, y: int) -> None:
    """What was said, the words that mattered marked."""
    if not alert.text:
        return
    x, right = LEFT + 2 * EDGE, LEFT + 2 * EDGE + RIGHT
    canvas.text(x, y + 16, "what was said", 17, PALE, BOLD)
    shares = {(word.at, word.text.strip()): word.share for word in reasons.words}
    most = max((abs(share) for share in shares.values()), default=0.0)
    spoken = [(word.text.strip(), shares.get((word.at, word.text.strip()), 0.0)) for word in alert.words]
    y, at = y + 46, x
    for text, share in spoken or [(word, 0.0) for word in alert.text.split()]:
        marked = abs(share) >= max(NOTABLE * most, LEAST)
        width = canvas.width(text, 18, BOLD if marked else 400)
        if at + width > right:
            at, y = x, y + 30
        if y > TOP + PICTURE + 40:
            canvas.text(at, y - 30, " …", 18, GREY)
            return
        if marked:
            canvas.box(at - 3, y - 18, width + 6, 24, _dimmed(FOR if share > 0 else AGAINST, 0.25 + 0.5 * abs(share) / most))
        canvas.text(at, y, text, 18, PALE, BOLD if marked else 400)
        at += width + 8


def _sound(canvas: Canvas, alert: Alert, reasons: Reasons, sounds: Sequence[Sound], y: int) -> None:
    """The sound around what was judged, and under it what each piece of it gave."""
    at, until = span(alert, reasons)
    samples = samples_between([(sound.at, sound.samples()) for sound in sounds], at, until)
    canvas.text(EDGE, y, "what was heard, 0 to 8 kHz", 17, PALE, BOLD)
    y += 12
    canvas.put(EDGE, y, spectrogram(samples, LEFT, STRIP))

    def place(time: float) -> int:
        return EDGE + round(LEFT * min(max((time - at) / (until - at), 0.0), 1.0))

    canvas.box(EDGE, y + STRIP + 2, LEFT, BARS, PANEL)
    _shares(canvas, reasons.sounds, place, y + STRIP + 2)
    strongest = max(reasons.sounds, key=lambda share: share.share, default=None)
    if strongest is not None and strongest.share >= LEAST:
        left, right = place(strongest.at), place(strongest.until)
        for x in (left, right - 2):
            canvas.box(x, y, 2, STRIP, PALE)
        canvas.box(left, y, right - left, 2, PALE)
        canvas.box(left, y + STRIP - 2, right - left, 2, PALE)
    step = 1 if until - at <= 12 else 5
    for second in range(int(np.ceil(at)), int(until) + 1, step):
        canvas.text(min(place(second), EDGE + LEFT - 60), y + STRIP + BARS + 22, _clock(second), 13, GREY)


def _shares(canvas: Canvas, shares: Sequence[Share], place: Placed, y: int) -> None:
    most = max((abs(share.share) for share in shares), default=0.0)
    if most == 0:
        canvas.text(EDGE + 8, y + 28, "no single piece of sound changes the probability by itself", 14, GREY)
        return
    for share in shares:
        height = round((BARS - 4) * abs(share.share) / most)
        canvas.box(place(share.at) + 1, y + BARS - height, max(place(share.until) - place(share.at) - 2, 2), height, _sign(share.share))
    canvas.text(EDGE + 8, y + 16, f"share of each piece, at most {most:.2f}", 13, GREY)


def _beside(canvas: Canvas, seen: Image, expected: Image, at: float, y: int) -> None:
    """What was seen beside the ordinary moment that is most like it."""
    x, width = LEFT + 2 * EDGE, (RIGHT - 16) // 2
    canvas.text(x, y, "seen", 17, PALE, BOLD)
    canvas.text(x + width + 16, y, "expected", 17, PALE, BOLD)
    for column, image in enumerate((seen, expected)):
        small = fitted(image, width, STRIP + BARS - 10)
        canvas.put(x + column * (width + 16), y + 12, small)
    canvas.text(x + width + 16, y + 12 + STRIP + BARS + 12, f"an ordinary moment, {_clock(at)}", 13, GREY)


def span(alert: Alert, reasons: Reasons) -> tuple[float, float]:
    """From when to when sound is shown: what was judged with a margin, or else the incident's begin."""
    judged = [*reasons.sounds, *reasons.pictures, *reasons.words]
    if judged:
        return min(share.at for share in judged) - MARGIN_S, max(share.until for share in judged) + MARGIN_S
    return alert.at - MARGIN_S, min(alert.until, alert.at + LONGEST_S) + MARGIN_S


def _image(frame: Frame) -> Image | None:
    try:
        return decode_jpeg(frame.jpeg)
    except MessageError:
        return None


def _sign(share: float) -> Colour:
    return FOR if share >= 0 else AGAINST


def _dimmed(colour: Colour, light: float) -> Colour:
    red, green, blue = (round(part * light) for part in colour)
    return red, green, blue


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S")


def _date(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).date().isoformat()
