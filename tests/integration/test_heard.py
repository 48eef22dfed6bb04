"""YAMNet hears what real recordings are, and the head that is shipped is its own."""

import csv
import os
from pathlib import Path

import numpy as np
import pytest

from monitor.config import Models
from monitor.heard import KINDS, SOUNDS, Heard, log_odds
from monitor.hearing import sound_encoder
from monitor.models import locate
from workers.training import noises
from workers.training.sounds import samples_of, seconds

DATA = Path(os.environ.get("SCENEWATCH_DATA", "../shared/data"))
LABELS = {"sound:gun_shot": "gun_shot", "sound:siren": "siren", "scream": "scream", "sound:baby_cry": "crying"}
EACH = 6


def test_the_head_that_is_shipped_is_of_the_last_layer_of_yamnet():
    head = noises.taken(locate("yamnet"))
    shipped = Heard.load().head
    assert shipped.classes == head.classes
    np.testing.assert_array_equal(shipped.weight, head.weight)
    np.testing.assert_array_equal(shipped.bias, head.bias)


@pytest.mark.skipif(not DATA.exists(), reason=f"{DATA} is absent: set SCENEWATCH_DATA")
def test_real_recordings_are_heard_as_what_they_are():
    encoder, heard = sound_encoder(Models()), Heard.load()
    with (DATA / "manifest.csv").open(encoding="utf-8", newline="") as file:
        rows = [(row["label"], DATA / row["path"]) for row in csv.DictReader(file) if row["label"] in LABELS]
    for label, kind in LABELS.items():
        paths = [path for of, path in rows if of == label][:: max(1, sum(of == label for of, _ in rows) // EACH)][:EACH]
        right = sum(highest(encoder(seconds(samples_of(path))), heard) == kind for path in paths)
        assert right >= EACH // 2, (label, right)


def highest(vectors: np.ndarray, heard: Heard) -> str:
    return KINDS[int(log_odds(heard.head, vectors).max(0).argmax())]


def test_all_kinds_have_names_of_audioset():
    with (locate("yamnet").folder.parent / noises.CLASS_MAP).open(encoding="utf-8", newline="") as file:
        names = {row["display_name"] for row in csv.DictReader(file)}
    assert {name for names_ in SOUNDS.values() for name in names_} <= names
