"""The one error tree: every error says what is wrong, where, and what to do.

    ScenewatchError
    ├── ConfigError        a mistake in a configuration file (file, line, key)
    ├── SourceError        a camera, URL or file that can't be opened or read
    │   └── NotMediaError  it opens, but it holds neither picture nor sound: trying again is useless
    ├── ModelError         weights that are missing or are not the ones we know
    ├── MessageError       bytes on a topic that are not the message they should be
    ├── BusError           a broker that can't be reached or refuses
    └── SinkError          an alert that could not be delivered

Foreign errors are translated where they enter, `raise … from`.
"""

from typing import Literal, TypeAlias

Reason: TypeAlias = Literal["oversized", "malformed", "invalid", "undecodable", "undeliverable"]
"""Why a record is dead: over the limit; not the format; a value out of bounds; a picture or sound inside that
can't be decoded; an alert that no attempt could deliver."""


class ScenewatchError(Exception):
    """Anything this project raises on purpose; its text is fit to be shown to a user."""


class ConfigError(ScenewatchError):
    """A mistake in a configuration; `str()` names file, line and key."""


class SourceError(ScenewatchError):
    """A source that can't be opened or read now; it is worth trying again."""


class NotMediaError(SourceError):
    """A source with neither picture nor sound in it; trying again is useless."""


class ModelError(ScenewatchError):
    """Weights that are missing, or whose SHA-256 is not the registered one."""


class MessageError(ScenewatchError):
    """Bytes that do not decode to the message their topic carries; `reason` is one word, fit for a metric's label."""

    def __init__(self, text: str, reason: Reason = "malformed") -> None:
        super().__init__(text)
        self.reason: Reason = reason


class BusError(ScenewatchError):
    """A broker that can't be reached, or that refuses."""


class SinkError(ScenewatchError):
    """An alert that a sink did not take."""
