"""An alert, where a test needs one."""

from __future__ import annotations

import msgspec

from monitor.messages import Alert, Phase, Severity


def alert(sequence: int = 0, **changes: object) -> Alert:
    """The first event of an incident's life, or a later one."""
    made = Alert(
        camera="door",
        at=1763900000.0,
        until=1763900004.0 + sequence,
        captured=1763900005.0,
        modalities=(),
        id="5f0c",
        phase=Phase.UPDATE if sequence else Phase.NEW,
        sequence=sequence,
        kind="fight",
        severity=Severity.WARNING,
        probability=0.9,
        summary="",
    )
    return msgspec.structs.replace(made, **changes)
