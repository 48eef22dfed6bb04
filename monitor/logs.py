"""Logging without secrets: `redact` takes credentials out of any text, `configure` puts it behind every log line.

What counts as a secret: what stands before the host of an address (user:password@), the values of parameters whose
names say so (password=, token=, X-Amz-Signature=, …, also percent-encoded), and what follows `Authorization:`.
Rather too much is taken out than too little.
"""

from __future__ import annotations

import logging
import re
import sys
import time
from collections.abc import Callable, Mapping, MutableMapping
from functools import partial
from typing import Any, Final, Literal

import structlog
from structlog.typing import Processor

Level = Literal["debug", "info", "warning", "error"]

HIDDEN: Final = "***"
REPEAT_S: Final = 10.0
"""A library says the same thing once in so long: a client without its broker says it twenty times a second."""
SAID: Final = 256
"""So many different things are remembered."""

_USERINFO: Final = re.compile(r"([a-z][a-z0-9+.-]*:/+)[^\s\"'<>]*@", re.IGNORECASE)
"""Up to the last @ of the word: passwords hold @, / and : without being encoded."""
_ENCODED_USERINFO: Final = re.compile(r"([a-z][a-z0-9+.-]*%3A%2F%2F)[^\s\"'<>]*(?:%40|@)", re.IGNORECASE)
_NAMES: Final = (
    r"[\w.-]*(?:passw|passphrase|pwd|pass|secret|token|auth|credential|signature|session)[\w.-]*"
    r"|(?:[\w.-]*[_.-])?(?:api|access|private|stream|encryption|crypto|decryption)?[_.-]?key|sig|psk|pw"
)
_PARAMETER: Final = re.compile(rf"(?<![\w.-])({_NAMES})(=|%3D)[^\s&;\"'<>]+", re.IGNORECASE)
_HEADER: Final = re.compile(r"((?:proxy-)?authorization['\"]?\s*[:=]\s*['\"]?(?:[a-z]+ +)?)[^\s,'\"]+", re.IGNORECASE)


def redact(text: str) -> str:
    """Text with every credential in it replaced by ***."""
    for pattern in (_USERINFO, _ENCODED_USERINFO):
        text = pattern.sub(rf"\g<1>{HIDDEN}@", text)
    text = _HEADER.sub(rf"\g<1>{HIDDEN}", text)
    return _PARAMETER.sub(rf"\g<1>\g<2>{HIDDEN}", text)


def configure(level: Level, *, json: bool) -> None:
    """Send structlog's and the standard library's log lines to standard error, redacted: as JSON, or readable."""
    threshold = logging.getLevelNamesMapping()[level.upper()]
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redacted,
    ]
    renderer: Processor = structlog.processors.JSONRenderer() if json else _console()
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
    )
    handler = logging.StreamHandler(sys.stderr)
    finish: list[Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta, redacted, renderer]
    handler.addFilter(Repeats(time.monotonic))
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processors=finish, foreign_pre_chain=shared))
    logging.basicConfig(handlers=[handler], level=max(threshold, logging.WARNING), force=True)


class Repeats(logging.Filter):
    """Lets what a library says pass once in REPEAT_S, with how often it was said since; what it says is told by its template."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__()
        self._clock = clock
        self._said: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether it is to be said; adds how often it was not."""
        key, now = (record.name, str(record.msg)), self._clock()
        at, unsaid = self._said.get(key, (-REPEAT_S, 0))
        if now < at + REPEAT_S:
            self._said[key] = at, unsaid + 1
            return False
        if len(self._said) >= SAID:
            self._said.clear()
        self._said[key] = now, 0
        if unsaid:
            record.msg, record.args = f"{record.getMessage()} (and {unsaid} times more since it was said last)", None
        return True


def named(stage: str) -> Callable[[], object]:
    """Give what makes every line of a thread say its stage, when the thread begins."""
    return partial(structlog.contextvars.bind_contextvars, stage=stage)


def _console() -> structlog.dev.ConsoleRenderer:
    """Without the traceback that shows local variables: they hold addresses."""
    return structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)


def redacted(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: redact every text in the event, however deep."""
    return {key: value if key.startswith("_") else _hidden(key, value) for key, value in event.items()}


def clean(value: object) -> object:
    """A value fit for a log line: numbers as they are, containers by their members, all else as redacted text."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, bytes):
        return redact(value.decode(errors="replace"))
    if isinstance(value, Mapping):
        return {redact(str(key)): _hidden(str(key), member) for key, member in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [clean(member) for member in value]
    return redact(str(value))


def _hidden(key: str, value: object) -> object:
    """What a mapping holds under a name that says it is secret is not shown at all (a bare `key` may be any key)."""
    if key.casefold() == "key":
        return clean(value)
    return HIDDEN if re.fullmatch(rf"{_NAMES}|(?:proxy-)?authorization", key, re.IGNORECASE) else clean(value)
