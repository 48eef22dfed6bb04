from __future__ import annotations

from itertools import permutations
from pathlib import Path
from typing import get_args

import msgspec
import numpy as np
import pytest
import torch

from monitor import inference
from monitor.align import Window
from monitor.fusion import EXPLAIN_FROM, KINDS, KNOWN_BY, LIMITS, Fusion, FusionConfig, Kind, OpenVinoFusion, collate, shapley
from monitor.fusionnet import AttentionNet, Judging, TorchFusion, batch, example, network
from monitor.messages import Embedding, Modality, pack

SMALL = FusionConfig(motion=6, picture=10, sound=8, text=5, width=16, heads=2)
WIDTHS = {Modality.PICTURE: 10, Modality.SOUND: 8, Modality.TEXT: 5}


def embedding(modality: Modality, at: float, seed: int = 0, motion: bool = True) -> Embedding:
    rng = np.random.default_rng((seed, int(at * 10) + 1000))
    moves = pack(rng.random(6)) if motion and modality is Modality.PICTURE else b""
    vector = pack(rng.normal(size=WIDTHS[modality]))
    return Embedding(
        camera="c", at=at, until=at + 0.5, captured=0, modalities=tuple(Modality), modality=modality, vector=vector, motion=moves
    )


def window(pictures: int = 0, sounds: int = 0, texts: int = 0, until: float = 100.0, **options: bool) -> Window:
    """So many tokens of each modality, half a second apart, the newest half a second old."""
    rows = {
        modality: tuple(embedding(modality, until - n / 2, **options) for n in range(count, 0, -1))
        for modality, count in zip(Modality, (pictures, sounds, texts), strict=True)
    }
    return Window(
        camera="c",
        at=until - 4,
        until=until,
        captured=0,
        modalities=tuple(Modality),
        revision=1,
        final=True,
        pictures=rows[Modality.PICTURE],
        sounds=rows[Modality.SOUND],
        texts=rows[Modality.TEXT],
    )


def untrained(offset: float = 0.0) -> AttentionNet:
    """A network whose kinds are all probable, so that what it reads shows."""
    torch.manual_seed(1)
    net = AttentionNet(SMALL).eval()
    with torch.no_grad():
        net.bias.fill_(0.5)
        net.head.mul_(50)
        net.calibration[:, 1] = offset
    return net


def in_torch(net: AttentionNet) -> Fusion:
    return Fusion(TorchFusion(net, "cpu"), SMALL, "test", together=True)


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Fusion:
    path = tmp_path_factory.mktemp("fusion") / "model.xml"
    examples = [torch.from_numpy(array) for array in example(SMALL)]
    inference.save(inference.convert(Judging(untrained()), examples, free=2), path)
    return Fusion(OpenVinoFusion(path, 1), SMALL, "test", together=False)


@pytest.fixture(params=["openvino", "torch"])
def fusion(request: pytest.FixtureRequest, converted: Fusion) -> Fusion:
    return converted if request.param == "openvino" else in_torch(untrained())


def probabilities(fusion: Fusion, *windows: Window) -> np.ndarray:
    return np.array([[judgement.probability for judgement in judgements] for judgements in fusion(windows)])


def test_a_window_is_judged_once_a_kind_in_order(fusion: Fusion) -> None:
    (judgements,) = fusion([window(3, 3, 1)])
    assert tuple(judgement.kind for judgement in judgements) == KINDS
    assert all(0 < judgement.probability < 1 for judgement in judgements)


def test_no_windows_are_no_judgements(fusion: Fusion) -> None:
    assert fusion([]) == []


def test_an_empty_window_is_nothing_of_any_kind(fusion: Fusion) -> None:
    assert probabilities(fusion, window()).tolist() == [[0.0] * len(KINDS)]


@pytest.mark.parametrize(("counts", "present"), [((4, 0, 0), Modality.PICTURE), ((0, 4, 0), Modality.SOUND), ((0, 0, 2), Modality.TEXT)])
def test_a_kind_that_the_window_cannot_know_is_0(fusion: Fusion, counts: tuple[int, int, int], present: Modality) -> None:
    (row,) = probabilities(fusion, window(*counts))
    assert [bool(value) for value in row] == [present in KNOWN_BY[kind] for kind in KINDS]


def test_what_else_is_in_the_batch_makes_no_difference(fusion: Fusion) -> None:
    short, long, empty = window(2, 1, 0), window(8, 8, 3), window()
    together, least = probabilities(fusion, long, short, empty), 1e-5 if fusion.together else 0
    np.testing.assert_allclose(together[1], probabilities(fusion, short)[0], atol=least)
    np.testing.assert_allclose(together[0], probabilities(fusion, long)[0], atol=least)


def test_openvino_and_torch_agree(converted: Fusion) -> None:
    windows = [window(*counts) for counts in ((16, 16, 8), (8, 8, 0), (0, 3, 1), (1, 0, 0), (0, 0, 2), (0, 0, 0))]
    np.testing.assert_allclose(probabilities(converted, *windows), probabilities(in_torch(untrained()), *windows), atol=1e-5)


def test_what_begins_after_the_end_is_not_read(fusion: Fusion) -> None:
    known = window(4, 4, 1)
    later = tuple(embedding(Modality.PICTURE, known.until + n, seed=5) for n in range(2))
    told = Window(**{name: getattr(known, name) for name in known.__slots__} | {"pictures": known.pictures + later})
    assert np.allclose(probabilities(fusion, told), probabilities(fusion, known), atol=1e-6)


def test_of_too_many_tokens_the_newest_are_read(fusion: Fusion) -> None:
    limit = LIMITS[Modality.SOUND]
    many = collate([window(0, limit + 9, 0)], SMALL)
    assert many.sounds.shape[1] == limit
    assert float(many.sound_ages.min()) == pytest.approx(0.5)
    assert np.allclose(probabilities(fusion, window(0, limit + 9, 0)), probabilities(fusion, window(0, limit, 0)), atol=1e-6)


def test_the_same_scene_is_judged_alike_at_any_time(fusion: Fusion) -> None:
    early = window(4, 4, 1, until=100.0)
    tokens = {name: tuple(_moved(item, 1.7e9) for item in getattr(early, name)) for name in ("pictures", "sounds", "texts")}
    fields = {name: getattr(early, name) for name in early.__slots__} | tokens
    late = Window(**fields | {"at": early.at + 1.7e9, "until": early.until + 1.7e9})
    assert np.allclose(probabilities(fusion, late), probabilities(fusion, early), atol=1e-5)


def _moved(item: Embedding, by: float) -> Embedding:
    fields = {name: getattr(item, name) for name in item.__struct_fields__}
    return Embedding(**fields | {"at": item.at + by, "until": item.until + by})


def test_a_picture_without_motion_is_judged(fusion: Fusion) -> None:
    (row,) = probabilities(fusion, window(4, motion=False))
    assert np.isfinite(row).all()
    assert row[KINDS.index("fight")] > 0


def test_parts_are_said_of_the_modalities_that_are_there(fusion: Fusion) -> None:
    (judgements,) = fusion([window(4, 4, 0)])
    assert all(set(judgement.parts) == {Modality.PICTURE, Modality.SOUND} for judgement in judgements)


def test_parts_add_up_to_the_probability(fusion: Fusion) -> None:
    for judgements in fusion([window(4, 4, 2), window(4, 4, 0), window(4, 0, 2)]):
        assert max(judgement.probability for judgement in judgements) > EXPLAIN_FROM
        for judgement in judgements:
            assert sum(judgement.parts.values()) == pytest.approx(judgement.probability, abs=1e-5)


def test_shapley_values_are_the_average_gain_over_all_orders() -> None:
    worth = np.random.default_rng(0).random((2, 8, 3)).astype(np.float32)
    expected = np.zeros((2, 3, 3))
    for order in permutations(range(3)):
        there = 0
        for player in order:
            expected[:, player] += (worth[:, there + 2**player] - worth[:, there]) / 6
            there += 2**player
    np.testing.assert_allclose(shapley(worth), expected, atol=1e-6)


def test_a_window_in_which_nothing_is_probable_is_not_explained() -> None:
    (judgements,) = in_torch(untrained(offset=-100))([window(4, 4, 1)])
    assert all(judgement.parts == {} for judgement in judgements)


def test_the_network_stays_small() -> None:
    assert sum(parameter.numel() for parameter in AttentionNet(FusionConfig(motion=32)).parameters()) < 2_000_000


@pytest.mark.parametrize("kind", get_args(Kind))
def test_every_way_to_fuse_is_small_takes_any_subset_and_is_blind_to_padding(kind: Kind) -> None:
    assert sum(parameter.numel() for parameter in network(FusionConfig(motion=32, kind=kind)).parameters()) < 2_000_000
    torch.manual_seed(1)
    net = network(msgspec.structs.replace(SMALL, kind=kind)).eval()
    judging = Fusion(TorchFusion(net, "cpu"), net.cfg, "test", together=True)
    counts = ((4, 4, 2), (4, 0, 0), (0, 3, 0), (0, 0, 1), (0, 0, 0))
    together = probabilities(judging, *(window(*each) for each in counts))
    assert np.isfinite(together).all()
    for row, each in zip(together, counts, strict=True):
        np.testing.assert_allclose(row, probabilities(judging, window(*each))[0], atol=1e-5)


@pytest.mark.parametrize("kind", get_args(Kind))
def test_every_way_to_fuse_runs_in_openvino(kind: Kind, tmp_path: Path) -> None:
    torch.manual_seed(1)
    net = network(msgspec.structs.replace(SMALL, kind=kind)).eval()
    inputs = collate([window(4, 3, 1), window(2, 0, 0)], net.cfg)
    graph = inference.convert(Judging(net), [torch.from_numpy(array) for array in example(net.cfg)], free=2)
    path = tmp_path / "network.xml"
    inference.save(graph, path)
    np.testing.assert_allclose(OpenVinoFusion(path, 1)(inputs), TorchFusion(net, "cpu")(inputs), atol=1e-5)


def test_weights_may_judge_other_kinds() -> None:
    cfg = msgspec.structs.replace(SMALL, known_by={"gun_shot": (Modality.SOUND,), "fight": (Modality.PICTURE,)})
    judging = Fusion(TorchFusion(network(cfg).eval(), "cpu"), cfg, "test", together=True)
    assert judging.kinds == ("gun_shot", "fight")
    (judgements,) = judging([window(0, 4, 0)])
    assert [judgement.kind for judgement in judgements] == ["gun_shot", "fight"]
    assert judgements[0].probability > 0
    assert judgements[1].probability == 0


def test_no_token_that_is_padding_gets_a_gradient() -> None:
    read = batch([torch.from_numpy(array) for array in collate([window(4, 4, 1), window(1, 0, 0)], SMALL)])
    read.sounds.values.requires_grad_()
    AttentionNet(SMALL).eval()(read).sum().backward()
    assert read.sounds.values.grad is not None
    assert not read.sounds.values.grad[1].any()
    assert read.sounds.values.grad[0].any()
