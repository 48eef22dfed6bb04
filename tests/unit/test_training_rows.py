from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest

from monitor.errors import SourceError
from workers.training.rows import FOLDS, held_out, sentences, trainable

HEAD = "path,modality,label,source,licence,use,ground_truth,note,bytes\n"


def manifest(folder: Path, *lines: tuple[str, str, str]) -> Path:
    rows = "".join(f"{path},sound,{label},,,{use},,,1\n" for path, label, use in lines)
    (folder / "manifest.csv").write_text(HEAD + rows, "utf-8")
    return folder


def test_rows_whose_licence_forbids_it_never_teach(tmp_path: Path) -> None:
    data = manifest(
        tmp_path, ("emotion/emodb/03a01Wa.opus", "emotion:anger", "train+eval"), ("emotion/emodb/08a01Wa.opus", "emotion:anger", "eval")
    )
    assert [row.name for row in trainable(data, "emotion/emodb")] == ["emotion/emodb/03a01Wa.opus"]
    assert [row.name for row in held_out(data, "emotion/emodb")] == ["emotion/emodb/08a01Wa.opus"]


def test_a_speaker_is_in_one_fold(tmp_path: Path) -> None:
    names = [(f"emotion/emodb/{speaker:02}a{n:02}Wa.opus", "emotion:anger", "train+eval") for speaker in range(7) for n in range(5)]
    folds = defaultdict(set)
    for row in trainable(manifest(tmp_path, *names), "emotion/emodb"):
        folds[row.group].add(row.fold)
    assert all(len(each) == 1 for each in folds.values())
    assert {fold for each in folds.values() for fold in each} == set(range(FOLDS))


def test_esc_keeps_its_own_folds(tmp_path: Path) -> None:
    data = manifest(tmp_path, ("sounds/esc10/3-100032-A.opus", "sound:rain", "train+eval"))
    assert trainable(data, "sounds/esc10")[0].fold == 2


def test_a_scene_is_in_one_fold(tmp_path: Path) -> None:
    clips = ("fight/fi001", "fight/fi002", "noFight/nofi001", "fight/fi005", "noFight/nofi150")
    data = manifest(tmp_path, *((f"violence/fight_surv/{clip}.mp4", clip[:5], "train+eval") for clip in clips))
    fold = {row.path.stem: row.fold for row in trainable(data, "violence/fight_surv")}
    assert fold["fi001"] == fold["fi002"] == fold["nofi001"]
    assert fold["fi005"] == fold["nofi150"] != fold["fi001"]


def test_a_folder_without_a_manifest_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="SCENEWATCH_DATA"):
        trainable(tmp_path, "video")


def test_a_family_of_phrases_is_in_one_fold_and_all_folds_have_both_labels() -> None:
    folds = defaultdict(set)
    for line in sentences():
        folds[line.family].add(line.fold)
    assert all(len(each) == 1 for each in folds.values())
    assert {(line.fold, line.distress) for line in sentences()} == {(fold, distress) for fold in range(FOLDS) for distress in (True, False)}


def test_no_sentence_is_written_twice() -> None:
    texts = [line.text.lower() for line in sentences()]
    assert len(texts) == len(set(texts)) > 300
