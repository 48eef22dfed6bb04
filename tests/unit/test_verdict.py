from __future__ import annotations

from monitor.messages import Alert, Phase, Severity
from workers.scene import Incident
from workers.verdict import LATE_S, judge

STARTS_AT = 1000.0
FALL = Incident(kinds=("unusual_picture",), also=("fight",), at=20, until=30, description="a fall")


def alert(kind: str, at: float, until: float, phase: Phase = Phase.NEW) -> Alert:
    return Alert(
        camera="c", at=STARTS_AT + at, until=STARTS_AT + until, captured=0, modalities=(), id=kind, phase=phase, sequence=0,
        kind=kind, severity=Severity.INFO, probability=1, summary="",
    )  # fmt: skip


def test_an_alert_of_the_right_kind_and_time_finds_its_incident() -> None:
    verdict = judge([FALL], [alert("unusual_picture", 19, 23)], STARTS_AT)
    assert verdict.good
    assert [len(alerts) for _, alerts in verdict.found] == [1]


def test_an_alert_of_another_time_is_false_and_the_incident_missed() -> None:
    verdict = judge([FALL], [alert("unusual_picture", 5, 9)], STARTS_AT)
    assert not verdict.good
    assert (len(verdict.found[0][1]), len(verdict.extra)) == (0, 1)


def test_an_alert_may_come_a_window_late_but_not_later() -> None:
    assert judge([FALL], [alert("unusual_picture", 30 + LATE_S, 40)], STARTS_AT).good
    assert not judge([FALL], [alert("unusual_picture", 30.1 + LATE_S, 40)], STARTS_AT).good


def test_a_kind_that_is_only_also_right_explains_an_alert_but_finds_nothing() -> None:
    verdict = judge([FALL], [alert("fight", 22, 26)], STARTS_AT)
    assert (verdict.good, verdict.extra) == (False, ())


def test_updates_and_ends_are_no_alarms_of_their_own() -> None:
    assert judge([], [alert("fight", 1, 2, Phase.UPDATE), alert("fight", 1, 2, Phase.END)], STARTS_AT).good
