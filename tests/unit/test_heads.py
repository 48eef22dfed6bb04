from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import ModelError
from monitor.heads import load
from monitor.models import Located
from workers.evaluate.folds import dealt, judged
from workers.evaluate.sounds import esc_folds, mean_average_precision, urban_folds
from workers.evaluate.tone import unweighted_recall
from workers.training.intents import phrases
from workers.training.linear import Block, fit_blocks, fit_head, logistic
from workers.training.rows import FOLDS
from workers.training.spoken import AFTER_S, BEFORE_S, LEVEL, at_16_khz, levelled, mixed, power
from workers.training.taught import HeadCard, save
from workers.training.voices import speaker_of


def located(path: Path) -> Located:
    return Located(name="test", folder=path.parent, paths=(path,), sha256="")


def clouds(seed: int = 0) -> tuple[np.ndarray, list[str]]:
    rng = np.random.default_rng(seed)
    labels = [("a", "b", "c")[n % 3] for n in range(90)]
    centres = {"a": (0, 5), "b": (5, 0), "c": (-5, -5)}
    return np.array([rng.normal(centres[label], 1) for label in labels], np.float32), labels


def test_what_lies_apart_is_told_apart():
    values, labels = clouds()
    head = fit_head(values, labels, 1e-3)
    unseen, truth = clouds(1)
    assert [head.classes[k] for k in head.logits(unseen).argmax(1)] == truth


def test_probabilities_add_up_to_one():
    values, labels = clouds()
    said = fit_head(values, labels, 1e-3).log_probabilities(values)
    np.testing.assert_allclose(np.exp(said).sum(1), 1)


def test_standardisation_is_within_the_weights():
    values, labels = clouds()
    plain, moved = fit_head(values, labels, 1e-2), fit_head(values * 100 + 7, labels, 1e-2)
    np.testing.assert_allclose(plain.log_probabilities(values), moved.log_probabilities(values * 100 + 7), atol=1e-2)


def test_logistic_finds_the_odds():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4000, 1))
    truth = rng.random(4000) < 1 / (1 + np.exp(-(2 * x[:, 0] - 1)))
    assert logistic(truth, x) == pytest.approx((2, -1), abs=0.2)


def test_a_head_is_read_as_it_was_written(tmp_path: Path):
    values, labels = clouds()
    head = fit_head(values, labels, 1e-3)
    card = HeadCard(
        name="tiny",
        classes=head.classes,
        encoder="e",
        parameters=9,
        recipe={},
        seed=0,
        calibration={"a": (1.0, 2.0)},
        validation="",
        data=(),
        limits=(),
        figures={},
    )
    assert save(head, tmp_path, card).sha256 in (tmp_path / "tiny.json").read_text()
    again, config = load(located(tmp_path / "tiny.safetensors"))
    np.testing.assert_array_equal(again.logits(values), head.logits(values))
    assert config.calibration == {"a": (1.0, 2.0)}


def test_a_file_that_is_no_head_is_named(tmp_path: Path):
    path = tmp_path / "tiny.safetensors"
    path.write_bytes(b"nothing")
    with pytest.raises(ModelError, match=r"tiny\.safetensors does not hold a head"):
        load(located(path))


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from("xy")), min_size=4, max_size=40), st.integers(2, 6))
def test_what_belongs_together_stays_in_one_fold(pairs: list[tuple[str, str]], count: int):
    groups, labels = [group for group, _ in pairs], [label for _, label in pairs]
    folds = dealt(groups, labels, count)
    assert all(len({int(fold) for fold, group in zip(folds, groups, strict=True) if group == one}) == 1 for one in groups)
    assert set(folds.tolist()) == set(range(min(count, len(set(groups)))))


def test_every_example_is_judged_by_a_head_that_was_not_taught_it():
    values, labels = clouds()
    odd = np.arange(90) == 0
    values[odd] = (0, 5)
    labels[0] = "alone"
    classes = sorted(set(labels))
    said = judged(values, labels, odd.astype(np.int64), lambda *known: fit_head(*known, 1e-3, classes=classes).log_probabilities)
    assert classes[int(said[0].argmax())] == "a"


def test_one_block_is_a_head():
    values, labels = clouds()
    alone, blocks = fit_head(values, labels, 1e-3), fit_blocks(values, labels, [Block(slice(None), 1e-3)])
    np.testing.assert_allclose(blocks.logits(values), alone.logits(values), rtol=1e-6)


def test_many_columns_do_not_drown_out_a_few():
    """The first block is noise that its head has learned by heart, the second tells."""
    values, labels = clouds()
    noise = np.random.default_rng(0).normal(size=(len(values), 300)).astype(np.float32)
    both = np.hstack([noise, values])
    head = fit_blocks(both, labels, [Block(slice(0, 300), 1e-3), Block(slice(300, None), 1e-3, weight=2.0)])
    fresh = np.hstack([np.random.default_rng(1).normal(size=noise.shape).astype(np.float32), values])
    said = [head.classes[int(row)] for row in head.logits(fresh).argmax(1)]
    assert np.mean([one == other for one, other in zip(said, labels, strict=True)]) > 0.9


def test_esc10_is_split_by_its_folds_and_one_fold_by_recording():
    names = ["1-100-A.opus", "1-100-B.opus", "2-200-A.opus", "3-300-A.opus"]
    assert esc_folds(names, ["x", "x", "y", "y"])[0].tolist() == [0, 0, 1, 2]
    folds, groups = esc_folds(["1-100-A.opus", "1-100-B.opus", "1-200-A.opus"], ["x", "x", "y"])
    assert folds[0] == folds[1] != folds[2]
    assert groups == ["100", "100", "200"]


def test_urbansound_is_split_by_the_recording_at_freesound():
    folds, groups = urban_folds(["7-1-0-0.ogg", "7-1-0-1.ogg", "8-1-0-0.ogg"], ["x", "x", "x"])
    assert folds[0] == folds[1] != folds[2]
    assert groups == ["7", "7", "8"]


def test_a_perfect_ranking_has_a_mean_average_precision_of_one():
    assert mean_average_precision(np.array([0, 1, 0]), np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3]])) == 1


def test_unweighted_recall_does_not_know_how_many_there_are():
    truth = np.array([True, False, False, False])
    assert unweighted_recall(truth, np.array([False, False, False, False])) == 0.5
    assert np.isnan(unweighted_recall(truth[1:], truth[1:]))


def test_speakers_are_in_the_names():
    assert speaker_of("emotion/emodb/03a01Fa.opus") == "03"
    assert speaker_of("emotion/ravdess/03-01-05-01-02-01-08.opus") == "08"


def test_no_family_of_phrases_is_in_two_folds_and_there_are_many():
    known = phrases()
    assert len({phrase.family for phrase in known if phrase.language == "en"}) > 60
    assert all(len({phrase.fold for phrase in known if phrase.family == name}) == 1 for name in {phrase.family for phrase in known})
    assert len({phrase.text.lower() for phrase in known}) == len(known)
    english = [phrase for phrase in known if phrase.language == "en"]
    assert {phrase.family for phrase in english if not phrase.tested} <= {phrase.family for phrase in english if phrase.tested}
    assert {phrase.fold for phrase in known if phrase.family.startswith("abroad_")} == set(range(FOLDS))


@pytest.mark.parametrize("snr", [20, 0, -5])
def test_noise_is_mixed_at_the_stated_ratio(snr: int):
    rng = np.random.default_rng(0)
    voice, noise = levelled(rng.normal(size=16_000).astype(np.float32)), rng.normal(size=40_000).astype(np.float32)
    loud = mixed(voice, noise, snr)
    begin = 8_000
    alone = loud[:begin]
    assert len(loud) == 16_000 * (1 + BEFORE_S + AFTER_S)
    together = loud[begin : begin + 16_000]
    assert 10 * np.log10((power(together) - power(alone)) / power(alone)) == pytest.approx(snr, abs=1.5)


def test_a_voice_is_as_loud_as_another():
    assert power(levelled(np.ones(100, np.float32) * 3)) ** 0.5 == pytest.approx(LEVEL)


def test_sound_is_resampled_to_as_many_seconds():
    assert len(at_16_khz(np.zeros(22_050, np.float32))) == pytest.approx(16_000, abs=40)
