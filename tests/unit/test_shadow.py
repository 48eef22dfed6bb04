"""A shadow judges beside the network, is counted and compared, changes no alert, and is promoted by its hash."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
import numpy as np
import pytest
import yaml
from moments import PICTURE, picture, window
from safetensors.numpy import save_file

from monitor.config import Alerts, Config, Models
from monitor.decide import Decider
from monitor.errors import ModelError
from monitor.feedback import Feedback, Verdict
from monitor.fusion import FusionConfig
from monitor.messages import Judgement, Mark, Score
from monitor.metrics import Metrics
from monitor.models import locate
from workers import shadow
from workers.fuse import Judges

CONFIG = Config()


class Says:
    """A network of one probability."""

    name = "says@1"

    def __init__(self, probability: float) -> None:
        self.probability = probability
        self.asked = 0

    def __call__(self, windows):
        self.asked += len(windows)
        return [(Judgement(kind="fight", probability=self.probability),) for _ in windows]


def judged(first: float, second: float, *, count: int = 10) -> list[Score | Mark]:
    pictures = [picture(index) for index in range(count)]
    judges = Judges(Says(first), lambda: None, shadow=shadow.Beside(Says(second), CONFIG.alerts.rule))
    end = Mark(camera="hall", at=0, until=count / 2, captured=0, modalities=(PICTURE,), modality=PICTURE, last=True)
    return judges([*(window(index, pictures, []) for index in range(count)), end])


def test_the_shadow_is_asked_of_the_same_windows_and_decides_nothing() -> None:
    scores = judged(0.1, 0.99)
    assert all(score.shadow[0].probability == 0.99 for score in scores if isinstance(score, Score))
    decider = Decider(Alerts())
    assert not [alert for score in scores if isinstance(score, Score) for alert in decider.score(score)]


@pytest.mark.parametrize(("first", "second", "agreement"), [(0.9, 0.9, "both"), (0.9, 0.1, "default"), (0.1, 0.9, "shadow")])
def test_what_either_finds_alarming_is_counted(first: float, second: float, agreement: str) -> None:
    metrics = Metrics()
    shadow.Beside(Says(second), CONFIG.alerts.rule).count(metrics, judged(first, second))
    said = {
        one: metrics.registry.get_sample_value("scenewatch_shadow_judgements_total", {"kind": "fight", "agreement": one})
        for one in ("both", "default", "shadow")
    }
    assert said == {"both": None, "default": None, "shadow": None} | {agreement: 10.0}


def test_the_report_says_what_either_would_have_raised_and_who_was_right() -> None:
    said = [Feedback(camera="hall", at=1.0, until=2.0, verdict=Verdict.ORDINARY, given=9.0, kind="fight")]
    (row,) = shadow.compare(judged(0.9, 0.1), CONFIG, said)
    assert (row.kind, row.default, row.shadow, row.both) == ("fight", 1, 0, 0)
    assert (row.default_right, row.default_judged, row.shadow_judged) == (0, 1, 0)
    (row,) = shadow.compare(judged(0.9, 0.9), CONFIG, [])
    assert (row.default, row.shadow, row.both, row.default_judged) == (1, 1, 1, 0)


def weights(folder: Path, **card: str) -> Path:
    path = folder / "candidate.safetensors"
    metadata = {"config": msgspec.json.encode(FusionConfig(motion=6, picture=4, sound=4, text=4)).decode()}
    save_file({"weight": np.zeros(3, np.float32)}, path, metadata)
    digest = card.get("sha256") or hashlib.sha256(path.read_bytes()).hexdigest()
    path.with_suffix(".json").write_bytes(msgspec.json.encode({"sha256": digest}))
    return path


def test_weights_of_ones_own_are_found_by_their_path_and_checked(tmp_path: Path) -> None:
    path = weights(tmp_path)
    assert locate(str(path)) == locate(str(tmp_path))
    assert locate(str(path)).version == f"candidate@{hashlib.sha256(path.read_bytes()).hexdigest()[:8]}"
    weights(tmp_path, sha256="0" * 64)
    with pytest.raises(ModelError, match="its card says 0000"):
        locate(str(path))
    with pytest.raises(ModelError, match="0 are there"):
        locate(str(tmp_path / "nowhere"))


def test_a_candidate_is_promoted_by_its_hash_and_recorded(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    path = weights(tmp_path / "new")
    delta = shadow.promote(CONFIG, str(path), tmp_path / "promoted")
    told = yaml.safe_load(delta.read_text())
    assert told["models"]["shadow"] == ""
    assert locate(told["models"]["fusion"]).sha256 == locate(str(path)).sha256
    Models.model_validate(told["models"])
    (line,) = (tmp_path / "promoted" / shadow.RECORD).read_bytes().splitlines()
    record = msgspec.json.decode(line, type=shadow.Promotion)
    assert record.sha256 == locate(str(path)).sha256
    assert record.instead_of == locate("fusion-default").version
