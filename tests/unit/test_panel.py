"""The page that explains an alert, and what is drawn on it."""

from __future__ import annotations

import alerts
import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.jpeg import encode_jpeg
from monitor.messages import Alert, Frame, Modality, Reasons, Severity, Share, Sound, Word
from monitor.paint import Canvas, coloured, fitted, heated, samples_between, spectrogram
from monitor.panel import Shown, draw, span

AT = 1763900000.0
HEAT = tuple(tuple(1.0 if (row, column) == (0, 6) else 0.0 for column in range(7)) for row in range(7))
WORDS = tuple(Word(text=f" {text}", at=AT + n, until=AT + n + 0.5, probability=0.9) for n, text in enumerate(("größer", "Hilfe", "日本語")))


def frame(at: float = AT, shade: int = 90) -> Frame:
    jpeg = encode_jpeg(np.full((180, 320, 3), shade, np.uint8), 95)
    return Frame(camera="door", at=at, until=at + 0.5, captured=at, modalities=(), seq=0, jpeg=jpeg, width=320, height=180)


def sound(at: float) -> Sound:
    pcm = (np.sin(np.arange(8000) * 0.5) * 9000).astype("<i2").tobytes()
    return Sound(camera="door", at=at, until=at + 0.5, captured=at, modalities=(), seq=0, pcm=pcm)


def alert(reasons: Reasons | None = None, **changes: object) -> Alert:
    parts = {Modality.PICTURE: 0.7, Modality.SOUND: -0.1}
    return alerts.alert(**{"at": AT, "until": AT + 4, "parts": parts, "reasons": reasons, **changes})


def pixels(png: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR_RGB)


def test_an_alert_without_anything_to_explain_has_no_page() -> None:
    assert draw(alerts.alert(kind="camera:blind"), Shown(picture=frame())) == b""


@pytest.mark.parametrize("severity", Severity)
def test_a_page_shows_all_there_is(severity: Severity) -> None:
    share = Share(at=AT + 1, until=AT + 1.5, share=0.4, text=" Hilfe")
    reasons = Reasons(text="Seen; heard", heat=HEAT, heat_of="unlike", sounds=(share,), words=(share,))
    shown = Shown(picture=frame(), sounds=tuple(sound(AT + n / 2) for n in range(8)), expected=(frame(AT - 600, 40),))
    drawn = pixels(draw(alert(reasons, severity=severity, words=WORDS, text="größer Hilfe 日本語"), shown))
    assert drawn.shape == (826, 1280, 3)
    picture = drawn[96:546, 24:824]
    assert abs(int(picture[400, 100, 0]) - int(picture[400, 100, 2])) < 12  # grey where it is cold
    assert int(picture[20, 750, 0]) > int(picture[20, 750, 2]) + 60  # red where it is hot


@pytest.mark.parametrize(
    "shown",
    [
        Shown(picture=None),
        Shown(picture=frame()),
        Shown(picture=None, sounds=(sound(AT),), expected=(frame(),)),
        Shown(picture=Frame(camera="a", at=0, until=1, captured=0, modalities=(), seq=0, jpeg=b"broken", width=1, height=1)),
    ],
)
@pytest.mark.parametrize("reasons", [None, Reasons(), Reasons(heat=HEAT, heat_of="unlike", text="word " * 200)])
def test_whatever_is_missing_the_rest_is_drawn(shown: Shown, reasons: Reasons | None) -> None:
    assert pixels(draw(alert(reasons, text="said " * 300), shown)).shape[1] == 1280


def test_what_was_judged_is_shown_with_a_margin() -> None:
    share = Share(at=AT + 1, until=AT + 1.5, share=0.4)
    assert span(alert(), Reasons(sounds=(share,), pictures=(share,))) == (AT, AT + 2.5)
    assert span(alert(until=AT + 900), Reasons()) == (AT - 1, AT + 13)


def test_words_are_as_wide_as_they_are_drawn_in_any_script() -> None:
    canvas = Canvas(600, 60)
    end = canvas.text(20, 40, "größer, 日本語", 24)
    inked = np.flatnonzero((canvas.image != canvas.image[0, 0]).any(axis=(0, 2)))
    assert inked.min() >= 20
    assert end - 12 <= inked.max() <= end + 2


@given(st.text(max_size=80), st.integers(40, 400))
def test_lines_hold_every_word_once(text: str, width: int) -> None:
    lines = Canvas(10, 10).lines(text, 16, width)
    assert " ".join(lines).split() == text.split()


@given(st.integers(1, 900), st.integers(1, 900))
def test_a_picture_fits_and_keeps_its_shape(width: int, height: int) -> None:
    made = fitted(np.zeros((height, width, 3), np.uint8), 320, 200)
    assert made.shape[1] <= 320
    assert made.shape[0] <= 200
    assert made.shape[1] == 320 or made.shape[0] == 200


def test_a_picture_without_heat_stays_as_it_is() -> None:
    image = np.random.default_rng(0).integers(0, 255, (60, 80, 3)).astype(np.uint8)
    assert np.array_equal(heated(image, ((0.0, 0.0), (0.0, 0.0))), image)
    assert coloured(np.array([[0.0, 1.0]], np.float32)).shape == (1, 2, 3)


def test_sound_is_laid_down_in_its_time() -> None:
    piece = np.ones(8000, np.float32)
    whole = samples_between([(9.75, piece), (10.5, piece), (11.9, piece), (20.0, piece), (1.0, piece)], 10.0, 12.0)
    assert len(whole) == 32_000
    assert np.flatnonzero(whole).tolist() == [*range(4000), *range(8000, 16_000), *range(30_400, 32_000)]


def test_a_tone_is_a_line_and_silence_is_black() -> None:
    time = np.arange(32_000) / 16_000
    tone = spectrogram(np.sin(2 * np.pi * 2000 * time).astype(np.float32), 200, 100)
    assert tone.sum(axis=(1, 2)).argmax() == pytest.approx(75, abs=2)
    assert spectrogram(np.zeros(32_000, np.float32), 20, 10).max() < 10
    assert spectrogram(np.zeros(10, np.float32), 20, 10).shape == (10, 20, 3)
