from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import get_args

import msgspec
import numpy as np
import pytest
import torch

from monitor import anomaly, inference, traits
from monitor.align import Window
from monitor.fusion import (
    EXPLAIN_FROM,
    KINDS,
    KNOWN_BY,
    LIMITS,
    SUBSETS,
    Fusion,
    FusionConfig,
    Kind,
    OpenVinoFusion,
    collate,
    shapley,
    subsets,
)
from monitor.fusionnet import AttentionNet, FusionNet, Judging, TorchFusion, batch, example, network
from monitor.fusionparts import Batch
from monitor.messages import Embedding, Modality, Sighting, pack

SMALL = FusionConfig(motion=6, picture=10, sound=8, text=5, width=16, heads=2)
BUSY = msgspec.structs.replace(SMALL, things=traits.NUMBERS, joint=7, known_by={**KNOWN_BY, anomaly.KIND: tuple(Modality)})
"""With everything that a network may have."""
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
    examples = [torch.from_numpy(array) for array in example(SMALL).arrays()]
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
    there = {Modality.PICTURE, Modality.SOUND}
    assert all(set(judgement.parts) == (there if judgement.probability else set()) for judgement in judgements)


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
    graph = inference.convert(Judging(net), [torch.from_numpy(array) for array in example(net.cfg).arrays()], free=2)
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
    read = batch([torch.from_numpy(array) for array in collate([window(4, 4, 1), window(1, 0, 0)], SMALL).arrays()])
    read.sounds.values.requires_grad_()
    AttentionNet(SMALL).eval()(read).sum().backward()
    assert read.sounds.values.grad is not None
    assert not read.sounds.values.grad[1].any()
    assert read.sounds.values.grad[0].any()


def person(speed: float, left: float = 0.1) -> Sighting:
    return Sighting(label="person", confidence=0.9, box=(left, 0.2, left + 0.1, 0.8), speed=speed, dwell_s=1.0)


def crowd(count: int, speed: float = 0.1, pictures: int = 4, until: float = 100.0) -> Window:
    """A window whose pictures show so many people each."""
    bare = window(pictures, 3, 1, until=until)
    things = tuple(person(speed, 0.05 * n) for n in range(count))
    return replace(bare, pictures=tuple(msgspec.structs.replace(item, things=things) for item in bare.pictures))


def busy(kind: Kind) -> FusionNet:
    torch.manual_seed(1)
    return network(msgspec.structs.replace(BUSY, kind=kind)).eval()


def tensors(windows: Sequence[Window], cfg: FusionConfig = BUSY) -> Batch:
    return batch([torch.from_numpy(array) for array in collate(windows, cfg).arrays()])


def test_people_of_the_newest_pictures_are_tokens_with_their_pictures_age() -> None:
    inputs = collate([crowd(3), crowd(20, pictures=12), window(4), window(0, 3, 0)], BUSY)
    assert inputs.things is not None
    assert inputs.thing_ages is not None
    assert inputs.things_here is not None
    assert inputs.things_here.sum(1).tolist() == [12, traits.MOST * traits.PICTURES, 0, 0]
    assert inputs.thing_ages[0, :12].tolist() == [2, 2, 2, 1.5, 1.5, 1.5, 1, 1, 1, 0.5, 0.5, 0.5]
    assert float(inputs.thing_ages[1].max()) == traits.PICTURES / 2
    assert collate([crowd(3)], SMALL).things is None


@pytest.mark.parametrize("kind", get_args(Kind))
def test_people_are_read_with_the_pictures_alone(kind: Kind) -> None:
    read = TorchFusion(busy(kind), "cpu")
    still, running = ([*subsets(crowd(2, speed))] for speed in (0.0, 2.0))
    for n, (seen, _, _) in enumerate(SUBSETS.tolist()):
        assert np.array_equal(read(collate([still[n]], BUSY)), read(collate([running[n]], BUSY))) != seen


@pytest.mark.parametrize("kind", get_args(Kind))
def test_people_of_later_pictures_and_padding_are_not_read(kind: Kind) -> None:
    read, known = TorchFusion(busy(kind), "cpu"), crowd(2)
    later = msgspec.structs.replace(embedding(Modality.PICTURE, known.until), things=(person(9.0),))
    told = replace(known, pictures=(*known.pictures, later))
    np.testing.assert_array_equal(read(collate([told], BUSY)), read(collate([known], BUSY)))
    together = read(collate([known, crowd(8, pictures=8)], BUSY))[0]
    np.testing.assert_allclose(together, read(collate([known], BUSY))[0], atol=1e-5)
    padded = collate([known, crowd(8, pictures=8)], BUSY)
    assert padded.things is not None
    padded.things[0, 8:] = 5.0
    np.testing.assert_array_equal(read(padded)[0], together)


@pytest.mark.parametrize("kind", get_args(Kind))
def test_a_network_with_all_heads_runs_in_openvino_and_stays_small(kind: Kind, tmp_path: Path) -> None:
    net, path = busy(kind), tmp_path / "network.xml"
    inference.save(inference.convert(Judging(net), [torch.from_numpy(array) for array in example(net.cfg).arrays()], free=2), path)
    read = OpenVinoFusion(path, 1)
    for inputs in (
        collate([crowd(4), window(2, 0, 1)], net.cfg),
        collate([window(0, 2, 0)], net.cfg),
        collate([crowd(8, pictures=9)], net.cfg),
    ):
        np.testing.assert_allclose(read(inputs), TorchFusion(net, "cpu")(inputs), atol=1e-5)
    large = FusionConfig(motion=32, flow=21, all_layers=3900, things=traits.NUMBERS, joint=64, kind=kind, known_by=BUSY.known_by)
    assert sum(parameter.numel() for parameter in network(large).parameters()) < 2_000_000


@pytest.mark.parametrize("kind", get_args(Kind))
def test_what_there_is_has_a_direction_in_the_joint_space(kind: Kind) -> None:
    net = busy(kind)
    asked = tensors([crowd(2), window(0, 3, 0), window()])
    placed, told = net.embed(asked), net.embed_text(torch.randn(5, SMALL.text))
    assert placed.shape == (3, 3, 7)
    assert told.shape == (5, 7)
    torch.testing.assert_close(placed.norm(dim=-1), torch.tensor([[1.0, 1, 1], [0, 1, 0], [0, 0, 0]]))
    torch.testing.assert_close(told.norm(dim=-1), torch.ones(5))
    logits, again = net.both(asked)
    assert torch.equal(logits, net(asked))
    assert torch.equal(again, placed)
    with pytest.raises(ValueError, match="no joint space"):
        untrained().embed(asked)


def test_an_anomaly_is_judged_by_whatever_is_there() -> None:
    column = BUSY.kinds.index(anomaly.KIND)
    assert anomaly.KIND not in BUSY.incidents
    said = TorchFusion(busy("attention"), "cpu")(collate([window(2), window(0, 2), window(0, 0, 1), window()], BUSY))
    assert (said[:3, column] > 0).all()
    assert said[3, column] == 0


BEFORE: dict[Kind, float] = {
    "attention": 358.9665707989843,
    "bottleneck": 490.4965397302367,
    "concat": 60.844828267428966,
    "late": 61.603583988253376,
}
"""What all weights of the networks that a seed made came to before there were people, things and captions."""


@pytest.mark.parametrize("kind", get_args(Kind))
def test_without_people_and_captions_a_network_is_what_it_was(kind: Kind) -> None:
    """No weights more, the same draws at its making, and the same inputs: weights made before are read as they were."""
    torch.manual_seed(2)
    net = network(msgspec.structs.replace(SMALL, kind=kind))
    assert not [name for name in net.state_dict() if "things" in name or name.startswith("joint")]
    assert len(example(net.cfg).arrays()) == 10
    assert float(sum(value.double().sum() for value in net.state_dict().values())) == pytest.approx(BEFORE[kind], abs=1e-9)
