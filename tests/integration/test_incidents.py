"""A stream is composed of real clips, passes the live stages, and is judged against its time line."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import av
import msgspec
import numpy as np
import pytest

from monitor.align import Window
from monitor.config import Config
from monitor.fusion import KINDS
from monitor.messages import Embedding, Modality
from workers import build
from workers.composing import timeline
from workers.composing.films import Order, compose
from workers.composing.judge import VIEWS, Judged, judge
from workers.composing.perceive import Perception, windows
from workers.composing.sources import Split, sources
from workers.evaluate.incidents import figures

DATA = Path(os.environ.get("SCENEWATCH_DATA", "../shared/data"))
pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not (DATA / "manifest.csv").exists(), reason=f"no real data in {DATA}; set SCENEWATCH_DATA"),
]
MINUTES = 0.75


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    order = Order(data=DATA, out=tmp_path_factory.mktemp("films"), split=Split.TEST, seed=3, minutes=MINUTES, streams=1)
    (made,) = compose(order, lambda items, _what, _count: items)
    return made


@pytest.fixture(scope="module")
def perceived(film: Path) -> list[Window]:
    return windows(Perception(Config())(film), Config())


@pytest.fixture(scope="module")
def judged(film: Path, perceived: list[Window]) -> Judged:
    return judge(timeline.read(timeline.beside(film)), perceived, build.judges(Config()), Config())


def test_a_film_is_h264_with_aac_and_as_long_as_its_time_line(film: Path) -> None:
    with av.open(str(film)) as container:
        assert container.streams.video[0].codec_context.name == "h264"
        assert container.streams.audio[0].codec_context.name == "aac"
        assert container.duration / 1e6 == pytest.approx(MINUTES * 60, abs=0.5)
    assert timeline.read(timeline.beside(film)).seconds == MINUTES * 60


def test_no_source_is_in_two_splits() -> None:
    names = {
        split: {row.name for found in [sources(DATA, split)] for row in (*found.clips, *found.footage, *found.sounds)} for split in Split
    }
    scenes = {split: {row.group for row in sources(DATA, split).clips} for split in Split}
    texts = {split: {line.text for line in sources(DATA, split).lines} for split in Split}
    for one, two in ((Split.TRAIN, Split.VAL), (Split.TRAIN, Split.TEST), (Split.VAL, Split.TEST)):
        assert not names[one] & names[two]
        assert not scenes[one] & scenes[two]
        assert not texts[one] & texts[two]


def test_nothing_that_may_not_be_shipped_is_in_a_shippable_split() -> None:
    found = sources(DATA, Split.VAL, shippable=True)
    assert not any(
        row.name.startswith(("sounds/urban", "sounds/scream", "emotion/ravdess", "vad/")) for row in (*found.sounds, *found.footage)
    )


def test_the_live_stages_see_and_hear_all_of_it(perceived: list[Window]) -> None:
    last = perceived[-1]
    assert last.until == pytest.approx(MINUTES * 60, abs=1)
    assert {modality for window in perceived for modality in window.modalities} == set(Modality)
    assert all(isinstance(item, Embedding) for item in (*last.pictures, *last.sounds))


def test_every_view_is_judged_and_one_modality_knows_only_its_kinds(judged: Judged) -> None:
    assert set(judged.kinds) >= set(KINDS)
    assert set(judged.said) == set(VIEWS)
    assert not judged.said["picture"][:, judged.kinds.index("distress")].any()
    assert judged.said["fused"].shape == (len(judged.untils), len(judged.kinds))


def test_night_is_compared_with_the_same_streams_by_day(judged: Judged) -> None:
    calm = replace(judged, timeline=msgspec.structs.replace(judged.timeline, name="calm", events=()), on=np.zeros_like(judged.on))
    found = figures([judged, calm], [judged], None, 4.0)
    assert found["ap_night"] == found["ap_day"] != found["ap_fused"]
    assert found["ap_night_picture"] == found["ap_day_picture"]


def test_the_figures_are_all_there(judged: Judged) -> None:
    found = figures([judged], [judged], None, 4.0)
    assert {"ap_fused", "ap_picture", "ap_sound", "ap_text", "ap_best_single", "ap_no_sound", "ap_no_picture", "ap_night"} <= found.keys()
    assert {"event_f1", "ece", "ap_fused_low", "ap_fused_high", "stream_hours"} <= found.keys()
