"""A folder on a disk or in an object store, by fsspec, into which files are written whole."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, Final

from fsspec.core import url_to_fs

from monitor.errors import ConfigError, SinkError
from monitor.logs import redact

PART: Final = ".part"
"""Ends the name of a file that is not whole yet."""


class Folder:
    """Where to write; blocks, so call it in a thread. What it raises names the address without credentials."""

    def __init__(self, url: str) -> None:
        self.shown = redact(url)
        local = "://" not in url or url.startswith("file://")
        try:
            self._files, root = url_to_fs(url, **({"auto_mkdir": True} if local else {}))
        except ImportError as error:
            raise ConfigError(
                f"evidence: {self.shown} needs a package that is missing ({error}). For s3://, install scenewatch[s3]"
            ) from error
        except (ValueError, OSError) as error:
            raise ConfigError(f"evidence: {self.shown} is no folder: {redact(str(error))}. Give a path, or s3://bucket/folder") from None
        self._root = str(root).rstrip("/")
        self._errors: tuple[type[Exception], ...] = (OSError, *_foreign(url.partition("://")[0]))

    def has(self, name: str) -> bool:
        """Whether a file is there; SinkError if that can't be known."""
        with self._translated("look into"):
            return bool(self._files.exists(f"{self._root}/{name}"))

    def write(self, name: str, data: bytes) -> None:
        """Write a file, over one of the same name: it has all of the data, or is not there; SinkError if it can't be."""
        path = f"{self._root}/{name}"
        with self._translated("write to"):
            self._files.pipe_file(path + PART, data)
            self._files.mv(path + PART, path)

    @contextmanager
    def _translated(self, doing: str) -> Iterator[None]:
        try:
            yield
        except self._errors as error:
            why = redact(str(error)) or type(error).__name__
            raise SinkError(f"Can't {doing} {self.shown}: {why}. Make room, or give this process the right to it") from None


def _foreign(protocol: str) -> tuple[type[Exception], ...]:
    """What a store raises besides OSError."""
    if protocol not in {"s3", "s3a"}:
        return ()
    errors: Any = import_module("botocore.exceptions")
    return (errors.BotoCoreError,)
