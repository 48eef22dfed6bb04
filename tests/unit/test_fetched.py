import hashlib
import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from monitor import fetched
from monitor.errors import ModelError
from monitor.fetched import Archive, Registry, kept_folder, take

FILES = {"package/models/net.json": b"{}", "package/models/net.bin": b"net", "package/install.js": b"harm()"}
WANTED = ("models/net.bin", "models/net.json")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "scenewatch"


def package(data: bytes) -> Archive:
    return Archive(registry=Registry.NPM, name="@somebody/human", version="1.2.3", sha256=hashlib.sha256(data).hexdigest())


Make = Callable[..., tuple[Path, Archive]]


@pytest.fixture
def tarball(tmp_path: Path) -> Make:
    def make(files: dict[str, bytes] = FILES, link: str = "") -> tuple[Path, Archive]:
        path = tmp_path / "some.tgz"
        with tarfile.open(path, "w:gz") as archive:
            for name, data in files.items():
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
            if link:
                info = tarfile.TarInfo(link)
                info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
                archive.addfile(info)
        return path, package(path.read_bytes())

    return make


def test_only_the_files_that_are_asked_for_are_taken(tarball: Make):
    path, known = tarball()
    folder = take(path, known, WANTED)
    assert folder == kept_folder(known)
    assert sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()) == sorted(WANTED)
    assert (folder / "models" / "net.bin").read_bytes() == b"net"
    assert list(folder.parent.iterdir()) == [folder]


def test_what_was_there_is_replaced(tarball: Make):
    path, known = tarball()
    take(path, known, WANTED[:1])
    (kept_folder(known) / "models" / "net.bin").write_bytes(b"rotten")
    assert (take(path, known, WANTED) / "models" / "net.bin").read_bytes() == b"net"


def test_a_tarball_that_is_not_the_one_we_know_is_not_opened(tarball: Make, cache: Path):
    path, _ = tarball()
    with pytest.raises(ModelError, match=r"@somebody/human@1.2.3: some.tgz is not the one we know: SHA-256 "):
        take(path, package(b"another"), WANTED)
    assert not (cache / "npm").exists()


@pytest.mark.parametrize(
    ("files", "link", "why"),
    [
        ({"package/models/net.json": b"{}"}, "", "models/net.bin"),
        ({"package/models/net.json": b"{}"}, "package/models/net.bin", "no plain file"),
        (FILES | {"package/models/net.bin": b"x" * 100}, "", "no plain file of at most"),
    ],
    ids=["missing", "link", "large"],
)
def test_a_tarball_without_plain_small_files_leaves_nothing(
    tarball: Make, files: dict[str, bytes], link: str, why: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(fetched, "FILE_LIMIT", 99)
    path, known = tarball(files, link)
    with pytest.raises(ModelError, match=f"can't be read: .*{why}"):
        take(path, known, WANTED)
    assert list(kept_folder(known).parent.iterdir()) == []


@pytest.mark.parametrize("data", [b"", b"not gzip", b"\x1f\x8b\x08\0\0\0\0\0\0\3broken"])
def test_bytes_that_are_no_tarball_say_so(tmp_path: Path, data: bytes):
    (tmp_path / "some.tgz").write_bytes(data)
    with pytest.raises(ModelError, match=r"some\.tgz can't be read"):
        take(tmp_path / "some.tgz", package(data), WANTED)


def test_a_cache_without_room_says_so(tarball: Make, cache: Path):
    path, known = tarball()
    (cache / "npm").parent.mkdir(parents=True)
    (cache / "npm").write_text("a file where the folder should be")
    with pytest.raises(ModelError, match=r"can't be kept in .* Set XDG_CACHE_HOME"):
        take(path, known, WANTED)


def wheel(path: Path, files: dict[str, bytes]) -> Archive:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return Archive(registry=Registry.PYPI, name="some", version="1.0", sha256=hashlib.sha256(path.read_bytes()).hexdigest())


def test_of_a_wheel_only_the_files_that_are_asked_for_are_taken(tmp_path: Path):
    path = tmp_path / "some.whl"
    known = wheel(path, {"some/net.bin": b"net", "some/__init__.py": b"harm()"})
    folder = take(path, known, ["some/net.bin"])
    assert [file.relative_to(folder) for file in folder.rglob("*") if file.is_file()] == [Path("some/net.bin")]
    assert folder.parent.name == "pypi"


@pytest.mark.parametrize("wanted", ["some/none.bin", "some/folder/"])
def test_a_wheel_without_the_plain_file_says_so(tmp_path: Path, wanted: str):
    path = tmp_path / "some.whl"
    known = wheel(path, {"some/folder/": b"", "some/net.bin": b"net"})
    with pytest.raises(ModelError, match=r"PyPI package some==1\.0: some\.whl can't be read"):
        take(path, known, [wanted])


@pytest.mark.parametrize("data", [b"", b"no zip", b"PK\x05\x06"])
def test_bytes_that_are_no_wheel_say_so(tmp_path: Path, data: bytes):
    path = tmp_path / "some.whl"
    path.write_bytes(data)
    known = Archive(registry=Registry.PYPI, name="some", version="1.0", sha256=hashlib.sha256(data).hexdigest())
    with pytest.raises(ModelError, match="can't be read"):
        take(path, known, ["some/net.bin"])
