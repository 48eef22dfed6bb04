"""One kind of incident of one camera by hysteresis: it begins, ends, cools down, and what it was is remembered."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from monitor.config import Rule
from monitor.incident import Evidence, Incident
from monitor.messages import Alert

PAST: Final = 512
"""So many past incidents of a kind are remembered, for those who ask what was open then."""


class Past(NamedTuple):
    """When an incident was."""

    since: float
    """Begin of its first window."""
    raised: float
    """End of the window that raised it, …"""
    ended: float
    """… and of the one that ended it, …"""
    over: float
    """… after which no other began up to then."""


def spans() -> deque[Past]:
    """What is remembered of a kind of which nothing is yet, in order."""
    return deque(maxlen=PAST)


def uncut(begin: float, kinds: Collection[deque[Past]]) -> float:
    """The last time, up to `begin`, that cuts no incident, nor the quiet after it, in two: rebuilt from its middle it may end otherwise."""
    while (earlier := min((_begin_of(begin, past) for past in kinds), default=begin)) < begin:
        begin = earlier
    return begin


def _begin_of(begin: float, past: deque[Past]) -> float:
    """The begin of the incident that `begin` is in, one kind's in order; itself, if it is in none."""
    for each in reversed(past):
        if each.over <= begin:
            break
        if each.since < begin:
            return each.since
    return begin


@dataclass(slots=True)
class Track:
    """One kind of incident of one camera, by hysteresis."""

    row: list[Evidence] = field(default_factory=list)
    """Windows in a row that reached `raise_at`, while there is no incident."""
    below: int = 0
    incident: Incident | None = None
    quiet_until: float = 0.0
    since: float = math.inf
    """Begin of the last incident, …"""
    raised: float = math.inf
    """… and when it was raised."""
    past: deque[Past] = field(default_factory=spans)

    def needed(self, now: float) -> float:
        """Begin of what a successor would have to see again; infinity when nothing is open, nor quiet at `now`."""
        if self.incident is not None or now < self.quiet_until:
            return self.since
        return self.row[0].at if self.row else math.inf

    def told(self, since: float, until: float) -> bool:
        """Whether an incident was open at some time of a span."""
        if self.incident is not None and self.raised <= until:
            return True
        last = next((past for past in reversed(self.past) if past.raised <= until), None)
        return last is not None and since <= last.ended

    def feed(self, evidence: Evidence, rule: Rule, update_s: float) -> list[Alert]:
        """Take the next window."""
        if self.incident is None:
            return self._wait(evidence, rule)
        if not evidence.probability >= min(rule.clear_at, rule.raise_at):  # so that NaN is below
            self.below += 1
            return self.end(evidence.until, rule.cool_down_s) if self.below >= rule.clear_after else []
        self.below = 0
        self.incident.join(evidence)
        return self.incident.update(update_s)

    def yield_to(self, evidence: Evidence, rule: Rule) -> list[Alert]:
        """Be quiet in the next window, as after an end, because others tell of it."""
        alerts = self.end(evidence.until, rule.cool_down_s)
        self.since, self.quiet_until = evidence.at, evidence.until + rule.cool_down_s
        return alerts

    def _wait(self, evidence: Evidence, rule: Rule) -> list[Alert]:
        if evidence.until < self.quiet_until or not evidence.probability >= rule.raise_at:
            self.row.clear()
            return []
        self.row.append(evidence)
        if len(self.row) < rule.raise_after:
            return []
        self.incident = Incident.begin(self.row)
        self.since, self.raised = self.incident.first.at, evidence.until
        self.row.clear()
        return [self.incident.new()]

    def end(self, until: float, cool_down_s: float) -> list[Alert]:
        """End the incident, if there is one."""
        incident, self.incident, self.below = self.incident, None, 0
        self.row.clear()
        if incident is None:
            return []
        self.quiet_until = until + cool_down_s
        self.past.append(Past(self.since, self.raised, until, self.quiet_until))
        return [incident.end()]

    def restart(self, until: float) -> list[Alert]:
        """End at a clock that was set back: nothing that was is before what follows."""
        alerts = self.end(until, 0.0)
        self.quiet_until = 0.0
        self.past.clear()
        return alerts
