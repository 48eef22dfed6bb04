"""Two runs' alerts, side by side."""

from __future__ import annotations

from itertools import permutations

import alerts
import msgspec
from hypothesis import given
from hypothesis import strategies as st

from monitor.compare import diff
from monitor.messages import Alert, Phase, Ref, Severity, Topic


def alert(sequence: int = 0, phase: Phase = Phase.NEW, **changes: object) -> Alert:
    frames = (Ref(topic=Topic.VIDEO, partition=0, offset=7),)
    made = alerts.alert(sequence, phase=phase, at=100.0, until=104.0 + sequence, captured=105.0, frames=frames)
    return msgspec.structs.replace(made, **changes)


LIFE = (alert(), alert(1, Phase.UPDATE), alert(2, Phase.END))


def test_the_same_alerts_in_any_order_are_equal() -> None:
    for order in permutations(LIFE):
        assert diff(LIFE, order).equal
        assert diff(LIFE, order).same == 3


def test_when_it_was_captured_and_how_often_it_was_told_makes_no_difference() -> None:
    assert diff(LIFE, [*LIFE, msgspec.structs.replace(LIFE[0], captured=999.0)]).equal


def test_what_one_run_alone_tells_is_added_or_gone() -> None:
    fire = alert(id="77", kind="fire")
    found = diff(LIFE, [*LIFE, fire])
    assert (found.added, found.gone, found.changed, found.same) == ((fire,), (), (), 3)
    back = diff([*LIFE, fire], LIFE)
    assert (back.added, back.gone, back.equal) == ((), (fire,), False)


def test_an_event_that_differs_is_named_with_its_fields() -> None:
    found = diff([alert()], [alert(probability=0.95, severity=Severity.CRITICAL)])
    (change,) = found.changed
    assert change.fields == ("severity", "probability")
    assert (found.added, found.gone, found.same) == ((), (), 0)


def test_an_incident_that_begins_a_little_later_is_changed_and_not_another() -> None:
    found = diff([alert()], [alert(id="beef", at=103.0)])
    (change,) = found.changed
    assert change.fields == ("at", "id")


def test_an_incident_of_another_camera_or_far_away_in_time_is_another() -> None:
    for other in (alert(id="beef", at=120.0), alert(id="beef", camera="yard")):
        found = diff([alert()], [other])
        assert (found.gone, found.added) == ((alert(),), (other,))


def test_one_update_more_does_not_make_the_end_another() -> None:
    found = diff([alert(), alert(1, Phase.END)], LIFE)
    assert [change.fields for change in found.changed] == [("until", "sequence")]
    assert found.added == (alert(1, Phase.UPDATE),)
    assert found.gone == ()


def test_the_nearest_of_several_is_the_same_one() -> None:
    near, far = alert(id="1", at=101.0), alert(id="2", at=108.0)
    found = diff([alert()], [far, near])
    assert found.changed[0].after == near
    assert found.added == (far,)


@given(st.lists(st.builds(alert, id=st.sampled_from("abc"), at=st.floats(0, 50), kind=st.sampled_from(("fight", "fire"))), max_size=8))
def test_every_alert_is_accounted_for(alerts: list[Alert]) -> None:
    distinct = {each.id for each in alerts}
    assert diff(alerts, alerts).same == len(distinct)
    lost = diff(alerts, [])
    assert len(lost.gone) == len(distinct)
    half = diff(alerts, alerts[::2])
    assert half.same + len(half.changed) + len(half.gone) == len(distinct)
