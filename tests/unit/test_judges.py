"""Each window is judged once by the network and once by its camera's normality."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np
import pytest

from monitor.align import Window
from monitor.anomaly import Anomaly
from monitor.explain import Explainer
from monitor.messages import Judgement, Learned, Mark, Modality, Score
from workers.fuse import Judged, Judges
from workers.reasons import Reasoned

HAS = (Modality.PICTURE, Modality.SOUND, Modality.TEXT)


@dataclass
class Counting:
    """A network whose probability is the number of windows it was asked before."""

    name: str = "fusion-1"
    batches: list[int] = field(default_factory=list)

    def __call__(self, windows: Sequence[Window], /) -> list[Judged]:
        before = sum(self.batches)
        self.batches.append(len(windows))
        return [(Judgement(kind="fight", probability=before + index),) for index in range(len(windows))]


@dataclass
class Unusual:
    """A normality that learns for two windows."""

    seen: list[float] = field(default_factory=list)

    def judge(self, window: Window, /) -> tuple[Judged, bool]:
        self.seen.append(window.until)
        return (Judgement(kind="unusual_picture", probability=0.5),), len(self.seen) <= 2


def window(until: float, revision: int = 0, *, camera: str = "hall", final: bool = False, unchanged: bool = False) -> Window:
    return Window(
        camera=camera,
        at=until - 4,
        until=until,
        captured=until,
        modalities=HAS,
        revision=revision,
        final=final or revision == 1,
        unchanged=unchanged,
    )


def end(camera: str = "hall") -> Mark:
    return Mark(camera=camera, at=9, until=9, captured=9, modalities=HAS, modality=Modality.PICTURE, last=True)


def judged(score: Score | Mark) -> dict[str, float]:
    assert isinstance(score, Score)
    return {judgement.kind: judgement.probability for judgement in score.judgements}


def test_a_final_window_without_words_costs_no_second_pass() -> None:
    network, usual = Counting(), Unusual()
    first, final = Judges(network, lambda: usual)([window(4), window(4, 1, unchanged=True)])
    assert network.batches == [1]
    assert usual.seen == [4]
    assert judged(first) == judged(final) == {"fight": 0, "unusual_picture": 0.5}
    assert isinstance(final, Score)
    assert (final.revision, final.final, final.learning) == (1, True, True)


def test_words_are_judged_by_the_network_and_not_by_normality() -> None:
    network, usual = Counting(), Unusual()
    judges = Judges(network, lambda: usual)
    judges([window(4), window(4.5), window(5)])
    (final,) = judges([window(5, 1)])
    assert network.batches == [3, 1]
    assert usual.seen == [4, 4.5, 5]
    assert judged(final) == {"fight": 3, "unusual_picture": 0.5}
    assert isinstance(final, Score)
    assert not final.learning


def test_words_without_picture_and_sound_are_judged_alone() -> None:
    (final,) = Judges(Counting(), Unusual)([window(4, 1)])
    assert judged(final) == {"fight": 0}


def test_each_camera_has_a_normality_of_its_own_that_its_end_forgets() -> None:
    made: list[Unusual] = []

    def fresh() -> Unusual:
        made.append(Unusual())
        return made[-1]

    judges = Judges(Counting(), fresh)
    scores = judges([window(4), window(4, camera="yard"), window(4.5), end(), window(4)])
    assert [usual.seen for usual in made] == [[4, 4.5], [4], [4]]
    assert isinstance(scores[3], Mark)
    assert not judges._open["yard"].keys() - {4}


def test_without_normality_nothing_is_learning() -> None:
    (score,) = Judges(Counting(), lambda: None)([window(4, final=True)])
    assert isinstance(score, Score)
    assert judged(score) == {"fight": 0}
    assert not score.learning


class Street:
    """A network that half takes a street band for crying."""

    name = "fusion-1"

    def __call__(self, windows: Sequence[Window], /) -> list[Judged]:
        return [(Judgement(kind="crying", probability=0.4),) for _ in windows]


def test_a_successor_knows_what_a_camera_sounds_like() -> None:
    first, second = Judges(Street(), lambda: None), Judges(Street(), lambda: None)
    scores = first([window(4 + index / 2) for index in range(200)])
    (kept,) = first.to_keep(scores)
    second.remember(kept)
    (goes_on,), (anew,) = second([window(200)]), Judges(Street(), lambda: None)([window(200)])
    assert judged(anew)["crying"] == pytest.approx(0.4)
    assert judged(goes_on)["crying"] == pytest.approx(judged(scores[-1])["crying"], abs=0.01)
    assert judged(goes_on)["crying"] < 0.05


def test_what_a_camera_became_is_forgotten_with_it() -> None:
    judges = Judges(Street(), lambda: None)
    for items in ([window(4 + index / 2) for index in range(200)], [window(104), end()]):
        kept = judges.to_keep(judges(items))
    assert [(learned.camera, learned.data) for learned in kept] == [("hall", b"")]


@pytest.mark.parametrize("data", [b"no bytes of ours", msgspec.msgpack.encode((b"", {"crying": (float("nan"), 3)}))])
def test_what_is_no_memory_is_learned_anew(data: bytes) -> None:
    judges = Judges(Street(), lambda: None)
    judges.remember(Learned(camera="hall", at=9, data=data))
    (score,) = judges([window(200)])
    assert judged(score)["crying"] == pytest.approx(0.4)


def test_a_batch_of_all_cameras_is_one_pass() -> None:
    network = Counting()
    Judges(network, lambda: None)([window(4, camera=str(index)) for index in range(9)])
    assert network.batches == [9]


def test_windows_are_explained_before_the_end_of_their_camera_in_the_same_batch_forgets_what_explains_them() -> None:
    network = Counting()
    explain = Explainer(lambda windows: np.zeros((len(windows), 1), np.float32), ("fight",))
    order: list[object] = []

    class Noting(Reasoned):
        def _reasoned(self, item: Window | Mark, made: Score | Mark) -> Score | Mark:
            order.append(item.until if isinstance(item, Window) else "end")
            return super()._reasoned(item, made)

    noting = Noting(network, lambda: None, explain=explain, forgets=[order.append])
    noting([window(4), window(4.5), end()])
    assert order == [4, 4.5, "hall", "end"]


def test_the_anomaly_is_worked_out_with_and_without_the_words() -> None:
    whole = Anomaly(network="n", kinds=("fight",), slopes=(1.0,), offsets=(0.0,), leak=0.25)
    judges = Reasoned(Counting(batches=[1]), Unusual, anomaly=whole)  # it was asked once before, so that a fight is certain
    first, final = judges([window(4), window(4, 1, unchanged=True)])
    assert judged(first).keys() == {"fight", "unusual_picture", "anomaly"}
    assert judged(first) == judged(final)
    assert judged(first)["anomaly"] > 0.99


def test_an_anomaly_has_the_reasons_of_the_kind_that_it_may_be() -> None:
    class Weak(Counting):
        def __call__(self, windows: Sequence[Window], /) -> list[Judged]:
            return [(Judgement(kind="fight", probability=0.2),) for _ in windows]

    explain = Explainer(lambda windows: np.zeros((len(windows), 1), np.float32), ("fight",))
    whole = Anomaly(network="n", kinds=("fight",), slopes=(1.0,), offsets=(1.0,), leak=0.25)
    (only,) = Reasoned(Weak(), lambda: None, anomaly=whole, explain=explain)([window(4, final=True)])
    assert isinstance(only, Score)
    assert {judgement.kind: judgement.reasons is not None for judgement in only.judgements} == {"fight": True, "anomaly": True}


def test_the_networks_own_anomaly_gives_way_to_that_of_all_heads() -> None:
    class Own(Counting):
        def __call__(self, windows: Sequence[Window], /) -> list[Judged]:
            return [(Judgement(kind="anomaly", probability=0.9), Judgement(kind="fight", probability=0.0)) for _ in windows]

    whole = Anomaly(network="n", kinds=("fight",), slopes=(1.0,), offsets=(0.0,), leak=0.25)
    (only,) = Reasoned(Own(), lambda: None, anomaly=whole)([window(4, final=True)])
    assert judged(only) == {"fight": 0, "anomaly": pytest.approx(0.25)}
