"""What another configuration would have said: the alerts of two runs over the same records, side by side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from monitor.messages import Alert, Phase

NEAR_S: Final = 10.0
"""Incidents of one camera and kind that begin no further apart are the same one, though their ids differ."""
DELIVERY: Final = frozenset({"captured"})
"""Fields that tell of the delivery and not of what happened."""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One event of an incident that both runs tell, differently."""

    before: Alert
    after: Alert
    fields: tuple[str, ...]
    """Which differ."""


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """Two runs' alerts, each in the order of their begins."""

    same: int
    added: tuple[Alert, ...]
    gone: tuple[Alert, ...]
    changed: tuple[Change, ...]

    @property
    def equal(self) -> bool:
        """Both runs tell the same."""
        return not (self.added or self.gone or self.changed)


def diff(before: Iterable[Alert], after: Iterable[Alert]) -> Difference:
    """Compare events by incident, phase and, of updates, sequence; those left over by camera, kind, phase and nearness in time.

    An event that a run tells twice counts once: delivery is at least once.
    """
    old, new = ({_key(alert): alert for alert in alerts} for alerts in (before, after))
    pairs = [(old.pop(key), new.pop(key)) for key in sorted(old.keys() & new.keys())]
    gone = []
    for alert in _ordered(old.values()):
        twin = _twin(alert, list(new.values()))
        if twin is None:
            gone.append(alert)
        else:
            pairs.append((alert, new.pop(_key(twin))))
    changes = [Change(before=was, after=now, fields=fields) for was, now in pairs if (fields := _differing(was, now))]
    return Difference(
        same=len(pairs) - len(changes),
        added=tuple(_ordered(new.values())),
        gone=tuple(gone),
        changed=tuple(sorted(changes, key=lambda change: _order(change.before))),
    )


def _key(alert: Alert) -> tuple[str, str, int]:
    return alert.id, alert.phase, alert.sequence if alert.phase is Phase.UPDATE else 0


def _twin(alert: Alert, others: Sequence[Alert]) -> Alert | None:
    """The event of the other run that tells of the same, under another id: the nearest."""
    alike = [other for other in others if _sort(other) == _sort(alert) and abs(other.at - alert.at) <= NEAR_S]
    return min(alike, key=lambda other: (abs(other.at - alert.at), other.sequence), default=None)


def _sort(alert: Alert) -> tuple[str, ...]:
    return alert.camera, alert.kind, alert.phase


def _differing(was: Alert, now: Alert) -> tuple[str, ...]:
    names: Sequence[str] = Alert.__struct_fields__
    return tuple(name for name in names if name not in DELIVERY and _value(was, name) != _value(now, name))


def _value(alert: Alert, name: str) -> Any:
    return getattr(alert, name)


def _ordered(alerts: Iterable[Alert]) -> list[Alert]:
    return sorted(alerts, key=_order)


def _order(alert: Alert) -> tuple[float, str, str, str, int]:
    return alert.at, alert.camera, alert.kind, alert.id, alert.sequence
