"""An alert as a person reads it."""

from __future__ import annotations

import msgspec
import pytest

from monitor.console import MAX_WORDS, lines
from monitor.messages import Alert, Modality, Phase, Severity

ALERT = Alert(
    camera="door",
    at=1763900000,
    until=1763900012,
    captured=1763900005,
    modalities=(),
    id="5f0c",
    phase=Phase.NEW,
    sequence=0,
    kind="fight",
    severity=Severity.CRITICAL,
    probability=0.934,
    summary="Two people seem to fight.",
    parts={Modality.SOUND: -0.1, Modality.PICTURE: 0.6},
    text="help me",
)


def shown(**fields: object) -> list[str]:
    return [line.strip() for line in lines(msgspec.structs.replace(ALERT, **fields)).plain.splitlines()]


def test_a_new_alert_says_when_where_what_and_why() -> None:
    first, *below = shown()
    assert first.split()[2:] == ["CRITICAL", "door", "fight", "93%"]
    assert below == ["Two people seem to fight.", "said: “help me”", "because of picture +0.60 · sound -0.10"]


def test_an_update_says_how_long_it_goes_on_and_what_was_said() -> None:
    first, *below = shown(phase=Phase.UPDATE)
    assert first.endswith("fight 93%  goes on, 12 s")
    assert below == ["Two people seem to fight.", "said: “help me”"]


def test_an_end_is_one_line() -> None:
    (only,) = shown(phase=Phase.END)
    assert only.endswith("ended after 12 s")


def test_a_fact_has_no_probability() -> None:
    assert shown(kind="camera:blind", probability=1.0, text="", parts={})[0].endswith("camera:blind")


@pytest.mark.parametrize("evil", ["\x1b[2J\x1b]0;title\x07", "a\nb\r", "\u202eb", "\x9b31m"])
def test_words_from_outside_can_not_steer_the_terminal(evil: str) -> None:
    text = "\n".join(shown(text=evil, summary=evil, kind=evil))
    assert all(character.isprintable() or character == "\n" for character in text)
    assert len(text.splitlines()) == 4


def test_a_long_speech_is_cut() -> None:
    assert max(map(len, shown(text="a" * 10_000))) < MAX_WORDS + 20
