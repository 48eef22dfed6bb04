"""Names, spans and times of evidence."""

from __future__ import annotations

from datetime import UTC, datetime

import alerts
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.archive import Span, overlaps
from monitor.config import EvidenceSink
from monitor.evidence import captured, name, shown
from monitor.messages import Alert, CameraState, Frame, Phase, State

SETTINGS = EvidenceSink(type="evidence", to="somewhere", before_s=5, after_s=3, max_s=60)
AT = datetime(2026, 11, 23, 23, 59, 58, tzinfo=UTC).timestamp()


def alert(**changes: object) -> Alert:
    made = alerts.alert(camera="front-door", at=AT, until=AT + 10, captured=5000.0, id="5f0c9a")
    return msgspec.structs.replace(made, **changes)


def test_the_folder_says_camera_day_incident_and_phase() -> None:
    assert name(alert()) == "front-door/2026-11-23/5f0c9a/0-new"
    assert name(alert(phase=Phase.END, sequence=3, until=AT + 7200)) == "front-door/2026-11-23/5f0c9a/3-end"


@given(st.text(max_size=200))
def test_no_id_leads_out_of_the_folder(text: str) -> None:
    parts = name(alert(id=text)).split("/")
    assert len(parts) == 4
    assert all(part not in {"", ".", ".."} for part in parts)


def test_a_clip_shows_what_was_before_and_after() -> None:
    assert shown(alert(), SETTINGS) == Span(AT - 5, AT + 13)


def test_a_long_incident_is_shown_from_its_begin() -> None:
    assert shown(alert(until=AT + 4000), SETTINGS) == Span(AT - 5, AT + 55)


def test_when_it_was_captured_follows_from_the_alert_and_not_from_event_time() -> None:
    assert captured(alert(), Span(AT - 5, AT + 13)) == Span(5000 - 15, 5000 + 3)


@pytest.mark.parametrize(
    ("at", "until", "inside"), [(8, 9, False), (9, 10, False), (9, 10.1, True), (12, 13, True), (19.9, 30, True), (20, 21, False)]
)
def test_a_frame_is_of_a_span_that_it_overlaps(at: float, until: float, inside: bool) -> None:
    frame = Frame(camera="a", at=at, until=until, captured=0, modalities=(), seq=0, jpeg=b"j", width=1, height=1)
    assert overlaps(frame, Span(10, 20)) == inside


def test_a_state_is_of_the_span_that_it_begins_in() -> None:
    states = [CameraState(camera="a", at=at, states=(State.LIVE,)) for at in (9.0, 10.0, 19.0, 20.0)]
    assert [overlaps(state, Span(10, 20)) for state in states] == [False, True, True, False]
