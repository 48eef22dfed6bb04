"""Learning from composed streams: what a window holds, how windows are drawn, and a network that reads flow and all layers."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import msgspec
import numpy as np
import pytest
import torch

from monitor import anomaly, inference, traits
from monitor.align import Window
from monitor.config import Config, Models
from monitor.errors import ConfigError
from monitor.flowfield import FLOW
from monitor.fusion import FusionConfig, Kind, OpenVinoFusion, collate
from monitor.fusionnet import FusionNet, Judging, TorchFusion, example, network
from monitor.messages import Embedding, Mark, Modality, Sighting, floats, pack
from monitor.motion import MOTION
from workers.composing import heldout
from workers.composing.sources import Split
from workers.composing.timeline import Event, Timeline
from workers.evaluate import kinds as evaluated
from workers.training import streamed
from workers.training.bank import Bank, Span, Tokens, Track, gather
from workers.training.captions import Captions
from workers.training.card import NAME, save
from workers.training.compose import SURE_S
from workers.training.fit import Recipe, loss
from workers.training.mixing import Mixer, Taught, config_of, natural
from workers.training.streams import ANY, KNOWN_BY, Stream, heard_stream, overlap, stream

KINDS = tuple(KNOWN_BY)
FIGHT, SHOT, SIREN, DISTRESS = (KINDS.index(kind) for kind in ("fight", "gun_shot", "siren", "distress"))
SECONDS = 30.0
PICTURE, SOUND, LAYERS, TEXT = 6, 4, 6, 5
ALL = {**KNOWN_BY, **ANY}


def event(kind: str, begin: float, end: float, modality: Modality) -> Event:
    return Event(begin=begin, end=end, kind=kind, incident=True, modalities=(modality,), sources=())


EVENTS = (
    event("fight", 4.0, 10.0, Modality.PICTURE),
    event("siren", 12.0, 18.0, Modality.SOUND),
    event("gun_shot", 20.0, 20.4, Modality.SOUND),
    event("threat", 24.0, 26.0, Modality.TEXT),
)
TRUTH = Timeline(name="made", split="train", seed=0, seconds=SECONDS, night=False, rain=False, calm=False, events=EVENTS, sources=())


def items() -> list[Embedding | Mark]:
    """Two pictures and two sounds a second; what they are of is written into their numbers."""
    made: list[Embedding | Mark] = []
    for at in np.arange(0, SECONDS, 0.5).tolist():
        fight, siren = 4.0 <= at < 10.0, 12.0 <= at < 18.0
        motion = np.full(MOTION + FLOW, 0.9 if fight else 0.1)
        common = {"camera": "c", "at": at, "until": at + 0.5, "captured": at, "modalities": (Modality.PICTURE, Modality.SOUND)}
        made.append(
            Embedding(
                **common,
                modality=Modality.PICTURE,
                vector=pack(np.full(PICTURE, at % 3)),
                motion=pack(motion[: MOTION if at < 1 else None]),
            )
        )
        heard = pack(np.full(LAYERS, float(siren)))
        made.append(Embedding(**common, modality=Modality.SOUND, vector=pack(np.full(SOUND, float(siren))), grid=heard))
    for modality in Modality:
        common = {"camera": "c", "at": SECONDS, "until": SECONDS, "captured": SECONDS, "modalities": (Modality.PICTURE, Modality.SOUND)}
        made.append(Mark(**common, modality=modality, last=True))
    return made


@pytest.fixture(scope="module")
def made() -> Stream:
    return stream(TRUTH, items(), Config(), KINDS)


@pytest.fixture(scope="module")
def sentences() -> Bank:
    def line(number: int) -> tuple[Track, Tokens]:
        spans = (Span("distress", 0.0, 1.0),) if number % 2 else ()
        track = Track(name=f"s{number}", label="", group="", fold=0, duration=1.0, spans=spans)
        return track, Tokens(np.zeros(1, np.float32), np.full((1, TEXT), number % 2, np.float32))

    return gather(line(number) for number in range(6))


@pytest.fixture(scope="module")
def taught(made: Stream, sentences: Bank) -> Taught:
    return Taught([made], sentences, KNOWN_BY, PICTURE, SOUND + LAYERS, SOUND, TEXT)


def test_a_window_is_labelled_by_what_carries_the_incident(made: Stream, taught: Taught) -> None:
    window = natural(made, taught)
    at = {until: number for number, until in enumerate(made.untils.tolist())}
    assert window.labels[at[8.0], FIGHT] == 1
    assert window.labels[at[8.0], SIREN] == 0
    assert window.counts[at[4.5], FIGHT] == 0  # half a second of it is neither
    assert window.labels[at[16.0], SIREN] == 1
    assert not window.counts[:, DISTRESS].any()  # nobody says anything
    assert made.on[at[25.5]]


def test_a_short_incident_counts_as_soon_as_half_of_it_is_there() -> None:
    shares = overlap(EVENTS, np.array([20.0, 20.5, 22.0]), Modality.SOUND, KINDS)[:, SHOT]
    assert shares[0] == 0
    assert (shares[1:] >= SURE_S).all()


def test_drawn_windows_hold_every_kind_there_is_and_modalities_are_left_out(taught: Taught) -> None:
    drawn = Mixer(taught, 0).draw(200)
    known = drawn.labels * drawn.counts
    assert (known[:, [FIGHT, SHOT, SIREN, DISTRESS]].sum(0) > 5).all()
    for tokens in (drawn.batch.pictures, drawn.batch.sounds, drawn.batch.texts):
        assert 0.1 < tokens.here.any(1).float().mean() < 0.95


def test_the_same_seed_draws_the_same(taught: Taught) -> None:
    first, second = (Mixer(taught, 3).draw(20) for _ in range(2))
    assert torch.equal(first.labels, second.labels)
    assert torch.equal(first.batch.sounds.ages, second.batch.sounds.ages)


def test_sound_by_itself_has_windows_without_pictures(sentences: Bank) -> None:
    track = Track(name="h", label="heard", group="", fold=0, duration=12.0, spans=(Span("siren", 5.0, 9.0),))
    values = np.arange(24, dtype=np.float32)[:, None] * np.ones((1, SOUND + LAYERS), np.float32)
    bank = gather([(track, Tokens(np.arange(24, dtype=np.float32) / 2, values))])
    alone = heard_stream(bank, bank.tracks[0], KINDS)
    assert alone.part(Modality.PICTURE, 0) is None
    first = alone.part(Modality.SOUND, 0)
    assert first is not None
    assert first.ages.tolist() == [4, 3.5, 3, 2.5, 2, 1.5, 1, 0.5]
    drawn = Mixer(Taught([alone], sentences, KNOWN_BY, PICTURE, SOUND + LAYERS, SOUND, TEXT), 0)
    with pytest.raises(ValueError, match="high"):
        drawn.draw(50)  # somebody must see something


@pytest.fixture(scope="module")
def net(taught: Taught) -> FusionNet:
    cfg = msgspec.structs.replace(config_of(taught, flow=True), width=16, heads=2, layers=1, dropout=0.0)
    return streamed.teach(taught, cfg, Recipe(steps=120, batch=32, rate=3e-3, average=0.9, warm_up=5), 0)


def test_a_network_learns_from_streams(net: FusionNet, taught: Taught, made: Stream) -> None:
    windows = natural(made, taught)
    untaught = network(net.cfg).eval()
    assert loss(net, windows, Recipe()) < 0.5 * loss(untaught, windows, Recipe())
    streamed.calibrate(net, [made], taught)
    figures = streamed.judged(net, [made], taught)
    assert figures["val_fight_ap"] > 0.95
    assert figures["val_siren_ap"] > 0.95


def test_what_was_not_measured_is_not_read(net: FusionNet) -> None:
    """Without flow and layers it still judges, and on the CPU as in torch."""
    rows = [item for item in items() if isinstance(item, Embedding)]
    bare = [msgspec.structs.replace(item, grid=b"", motion=pack(floats(item.motion)[:MOTION]) if item.motion else b"") for item in rows]
    windows = [window(those) for those in (rows, bare)]
    read = TorchFusion(net, "cpu")
    full, less = read(collate(windows, net.cfg))
    assert np.isfinite([full, less]).all()
    assert not np.allclose(full, less)
    assert not np.isnan(collate([windows[0]], net.cfg).motion[0, -1]).any()
    assert np.isnan(collate([windows[1]], net.cfg).motion[0, -1, MOTION:]).all()


def window(rows: list[Embedding]) -> Window:
    def of(modality: Modality) -> tuple[Embedding, ...]:
        return tuple(item for item in rows if item.modality is modality and 6.0 <= item.at < 10.0)

    return Window(
        camera="c",
        at=6.0,
        until=10.0,
        captured=0,
        modalities=tuple(Modality),
        revision=1,
        final=True,
        pictures=of(Modality.PICTURE),
        sounds=of(Modality.SOUND),
        texts=(),
    )


def test_the_cpu_judges_flow_and_layers_as_torch_does(net: FusionNet, tmp_path: Path) -> None:
    inputs = example(net.cfg)
    inputs.motion[0, 0, MOTION:] = np.nan
    inputs.sounds[1, 1, SOUND:] = np.nan
    path = tmp_path / "net.xml"
    inference.save(inference.convert(Judging(net), [torch.from_numpy(array) for array in inputs.arrays()], free=2), path)
    np.testing.assert_allclose(OpenVinoFusion(path, 1)(inputs), TorchFusion(net, "cpu")(inputs), atol=1e-5)


def test_all_that_it_reads_stays_under_two_million_numbers() -> None:
    cfg = FusionConfig(motion=MOTION, flow=FLOW, all_layers=3840, known_by=dict(KNOWN_BY))
    assert sum(parameter.numel() for parameter in network(cfg).parameters()) < 2_000_000


def test_weights_for_research_are_not_written_into_the_package(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="must not be shipped"):
        streamed.train(tmp_path, streamed.SETS["research"], Path(anomaly.__file__).parent / "weights")


def populated() -> list[Embedding | Mark]:
    """The same with a person in each picture, who is fast in the fight; in every fourth nobody looked."""

    def seen(number: int, item: Embedding | Mark) -> Embedding | Mark:
        if isinstance(item, Mark) or item.modality is not Modality.PICTURE or number % 8 == 0:
            return item
        fast = Sighting(label="person", confidence=0.9, box=(0.1, 0.2, 0.3, 0.8), speed=1.0 if 4.0 <= item.at < 10.0 else 0.0)
        return msgspec.structs.replace(item, things=(fast,))

    return [seen(number, item) for number, item in enumerate(items())]


@pytest.fixture(scope="module")
def peopled() -> Stream:
    return stream(TRUTH, populated(), Config(), tuple(ALL))


@pytest.fixture(scope="module")
def told() -> Captions:
    """A caption of each kind, and of an ordinary moment."""
    of = torch.eye(len(ALL) + 1)
    return Captions(torch.randn(len(of), TEXT, generator=torch.Generator().manual_seed(0)), of)


@pytest.fixture(scope="module")
def whole(peopled: Stream, sentences: Bank, told: Captions) -> Taught:
    without = [n for n, kind in enumerate((*ALL, "")) if kind != anomaly.KIND]
    return Taught([peopled], sentences, ALL, PICTURE, SOUND + LAYERS, SOUND, TEXT, Captions(told.vectors[without], told.of[without]))


RECIPE = Recipe(steps=150, batch=32, rate=3e-3, average=0.9, warm_up=5, joint=0.3)


@pytest.fixture(scope="module")
def headed(whole: Taught) -> FusionNet:
    cfg = msgspec.structs.replace(config_of(whole, flow=True), width=16, heads=2, layers=1, dropout=0.0)
    return streamed.teach(whole, cfg, RECIPE, 0)


def test_a_window_holds_the_people_of_its_pictures(peopled: Stream, whole: Taught, made: Stream, taught: Taught) -> None:
    part = peopled.part(Modality.PICTURE, 10)
    assert part is not None
    assert part.things is not None
    assert len(part.things.values) == len(part.things.ages) == len(part.ages) * 3 // 4
    assert set(part.things.ages.tolist()) <= set(part.ages.tolist())
    assert natural(made, taught).batch.things is None
    assert not taught.things
    batch = natural(peopled, whole, (Modality.SOUND,)).batch
    assert batch.things is not None
    assert not batch.things.here.any()


def test_what_is_read_follows_from_what_there_is(whole: Taught, taught: Taught) -> None:
    rich, plain = config_of(whole, flow=True), config_of(taught, flow=False)
    assert (rich.flow, plain.flow) == (FLOW, 0)
    assert (rich.things, rich.joint, anomaly.KIND in rich.kinds) == (traits.NUMBERS, 64, True)
    assert (plain.things, plain.joint, anomaly.KIND in plain.kinds) == (0, 0, False)


def test_people_are_left_out_at_times(whole: Taught) -> None:
    things, pictures = (getattr(Mixer(whole, 0).draw(200).batch, name).here.any(1) for name in ("things", "pictures"))
    assert not (things & ~pictures).any()
    assert 0.5 < (things & pictures).sum() / pictures.sum() < 0.9


def test_what_layers_hear_is_left_out_at_times(taught: Taught) -> None:
    sounds = Mixer(taught, 0).draw(200).batch.sounds
    heard = ~sounds.values[sounds.here][:, SOUND:].isnan().any(1)
    assert 0.5 < heard.float().mean() < 0.9
    assert not sounds.values[sounds.here][:, :SOUND].isnan().any()


def test_any_incident_is_an_anomaly_be_there_a_kind_for_it_or_not(peopled: Stream, whole: Taught) -> None:
    window, column = natural(peopled, whole), tuple(ALL).index(anomaly.KIND)
    sure, early = torch.from_numpy(peopled.sure), torch.from_numpy(peopled.untils <= 24.0)  # the threat comes later, and has no words here
    assert torch.equal(window.counts[early, column] > 0, sure[early])
    assert torch.equal(window.labels[early & sure, column] > 0, torch.from_numpy(peopled.on)[early & sure])
    threats = overlap(EVENTS, np.array([26.0]), Modality.TEXT, ("fight", anomaly.KIND))
    assert threats[0, 1] >= SURE_S
    assert threats[0, 0] == 0
    assert overlap(EVENTS, np.array([26.0]), Modality.TEXT, KINDS)[0, DISTRESS] >= SURE_S


def test_the_anomaly_is_no_kind_to_be_drawn_for(whole: Taught, taught: Taught) -> None:
    first, second = Mixer(whole, 5), Mixer(taught, 5)
    assert first._of == second._of
    drawn = first.draw(100)
    assert drawn.captions is whole.captions
    assert drawn.labels[:, -1].sum() > 0


def test_all_heads_are_taught_at_once(headed: FusionNet, whole: Taught, peopled: Stream) -> None:
    streamed.calibrate(headed, [peopled], whole)
    figures = streamed.judged(headed, [peopled], whole)
    assert figures["val_fight_ap"] > 0.95
    assert figures["val_anomaly_ap"] > 0.9
    assert "val_anomaly_alone_ap" not in figures
    kinds = [figures[name] for name in figures if name.endswith("_ap") and "_alone" not in name and "anomaly" not in name]
    assert figures["val_map"] == pytest.approx(np.mean(kinds))
    assert whole.captions is not None
    ranked = evaluated.by_captions(headed, [peopled], whole, whole.captions, "joint")
    assert ranked["joint_map"] > max(0.65, 3 * ranked["joint_chance"])  # of three kinds, one of which can't be told here


def test_the_card_says_what_is_read(headed: FusionNet) -> None:
    made = streamed.card(headed, streamed.SETS["default"], {}, [], streamed.told(RECIPE, streamed.Extent()), 0, {})
    assert streamed.READS_THINGS in made.limits
    assert made.config.joint == 64
    assert made.recipe["joint"] == 0.3
    for each in streamed.SETS.values():
        assert each.known_by[anomaly.KIND] == tuple(Modality)


@pytest.mark.parametrize("kind", get_args(Kind))
def test_every_way_to_fuse_is_judged_by_its_heads(kind: Kind, whole: Taught, peopled: Stream) -> None:
    cfg = msgspec.structs.replace(config_of(whole, flow=True), width=16, heads=2, layers=1, kind=kind)
    few = Recipe(steps=6, batch=16, warm_up=2, joint=0.1)
    figures = evaluated.judged(cfg, whole, [peopled], [evaluated.Tested(peopled, TRUTH)], whole.captions, few)
    assert {"ap_fused", "event_f1", "ap_head", "ap_picture", "joint_map", "joint_map_reworded", "joint_chance", "map", "ece"} <= set(
        figures
    )
    assert all(np.isfinite(value) for value in figures.values())


def test_what_clips_of_every_split_taught_is_not_judged_by_streams(tmp_path: Path, net: FusionNet) -> None:
    save(net, tmp_path, msgspec.structs.replace(streamed.card(net, streamed.SETS["default"], {}, [], {}, 0, {}), name=NAME))
    settings = Config(models=Models(fusion=f"{tmp_path}/"))
    with pytest.raises(ConfigError, match="no composed stream can judge it"):
        heldout.judges(tmp_path, Split.TEST, [], settings)
