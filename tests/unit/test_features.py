"""What is kept of a recording comes back to the bit; what is no store is said."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from monitor.errors import SourceError
from monitor.messages import Embedding, Mark, Modality, Sighting, Transcript, pack
from workers.features import read, recordings, tokens, write

BOTH = (Modality.PICTURE, Modality.SOUND)
RNG = np.random.default_rng(0)


def embedding(modality: Modality, at: float, width: int = 8, **fields: object) -> Embedding:
    vector = pack(RNG.normal(size=width))
    return Embedding(
        camera="hall", at=at, until=at + 0.5, captured=at, modalities=BOTH, modality=modality, vector=vector, model="m@1", **fields
    )


SAID = Transcript(camera="hall", at=0, until=1, captured=1, modalities=BOTH, text="help", language="en", confidence=0.9, no_speech=0.0)
THING = Sighting(label="person", confidence=0.9, box=(0.1, 0.1, 0.2, 0.9), track=1, look=pack(RNG.normal(size=4)))
ITEMS = [
    embedding(Modality.PICTURE, 0.0, grid=pack(RNG.normal(size=6)), motion=pack(np.array([1, np.nan])), things=(THING,)),
    embedding(Modality.SOUND, 0.0),
    embedding(Modality.PICTURE, 0.5, grid=pack(RNG.normal(size=6)), motion=pack(np.array([2, 3]))),
    Mark(camera="hall", at=0.5, until=1.0, captured=1, modalities=BOTH, modality=Modality.SOUND),
    embedding(Modality.TEXT, 0.0, 3, transcript=SAID),
    Mark(camera="hall", at=1.0, until=1.0, captured=1, modalities=BOTH, modality=Modality.PICTURE, last=True),
]


def test_messages_come_back_to_the_bit(tmp_path: Path) -> None:
    write(tmp_path / "a.safetensors", ITEMS)
    assert read(tmp_path / "a.safetensors") == ITEMS


def test_fields_that_are_not_alike_come_back_too(tmp_path: Path) -> None:
    items = [ITEMS[0], embedding(Modality.PICTURE, 1.0)]
    write(tmp_path / "a.safetensors", items)
    assert read(tmp_path / "a.safetensors") == items


def test_what_things_look_like_stays_with_each(tmp_path: Path) -> None:
    looking = [msgspec.structs.replace(THING, track=n, look=pack(RNG.normal(size=4))) for n in range(3)]
    items = [embedding(Modality.PICTURE, float(at), things=some) for at, some in enumerate((tuple(looking[:2]), None, (), (looking[2],)))]
    write(tmp_path / "a.safetensors", items)
    assert read(tmp_path / "a.safetensors") == items
    unlike = [embedding(Modality.PICTURE, 0.0, things=(THING, msgspec.structs.replace(THING, look=b"")))]
    write(tmp_path / "b.safetensors", unlike)
    assert read(tmp_path / "b.safetensors") == unlike


def test_tokens_are_those_of_a_modality() -> None:
    found = tokens(ITEMS, Modality.PICTURE)
    assert found.times.tolist() == [0.0, 0.5]
    assert found.values.shape == (2, 8)
    assert found.motion is not None
    assert found.motion.shape == (2, 2)
    assert tokens(ITEMS[:1], Modality.SOUND).values.size == 0


def test_what_holds_no_features_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(b"nothing")
    with pytest.raises(SourceError, match="holds no features"):
        read(tmp_path / "a.safetensors")


def test_recordings_are_those_of_the_manifest_or_of_the_folder(tmp_path: Path) -> None:
    for name in ("day/a.mp4", "day/a.txt", "night/b.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [one.name for one in recordings(tmp_path)] == ["day/a.mp4", "night/b.wav"]
    assert [one.name for one in recordings(tmp_path, "night")] == ["night/b.wav"]
    rows = ["path,modality,label", "day/a.mp4,video,calm", "day/a.txt,annotation,", "night/gone.wav,sound,calm"]
    (tmp_path / "manifest.csv").write_text("\n".join(rows))
    (found,) = recordings(tmp_path)
    assert (found.name, found.about["label"]) == ("day/a.mp4", "calm")
    with pytest.raises(SourceError, match="no recordings"):
        recordings(tmp_path, "night")
    with pytest.raises(SourceError, match="no such folder"):
        recordings(tmp_path, "noon")
