"""What is chosen is chosen without a look at what is tested."""

from __future__ import annotations

import numpy as np

from workers.evaluate.nested import MEAN, Candidate, Examples, boosting, choose, cross_validated, linear, reduced, split, trees
from workers.training.figures import average_precision


def known(useful: float, seed: int = 0) -> Examples:
    rng = np.random.default_rng(seed)
    truth = np.repeat([0, 1], 60)
    features = {"good": rng.normal(size=(120, 4)) + useful * truth[:, None], "bad": rng.normal(size=(120, 4))}
    return Examples(features, truth, [f"scene {n % 30}" for n in range(120)])


def test_no_group_is_on_both_sides() -> None:
    examples = known(1)
    parts = split(examples, np.arange(120), 10, 0)
    assert sorted(np.concatenate([outside for _, outside in parts])) == list(range(120))
    for inside, outside in parts:
        assert not {examples.groups[n] for n in inside} & {examples.groups[n] for n in outside}


def test_what_tells_is_chosen_before_what_does_not() -> None:
    candidates = [Candidate(name=name, groups=(name,), make=linear) for name in ("bad", "good")]
    assert choose(known(1), np.arange(120), candidates) in ("good", MEAN)


def test_what_tells_is_found_by_every_model() -> None:
    for make in (linear, trees, boosting):
        held = cross_validated(known(1.5), [Candidate(name="it", groups=("good",), make=make)], lambda items, _, __: items)
        assert average_precision(known(1.5).truth, held.logits) > 0.9


def test_a_set_may_have_fewer_examples_than_components() -> None:
    few = np.arange(0, 120, 10)
    examples = known(5)
    model = reduced(24)
    model.fit(examples.read(("good", "bad"), few), examples.truth[few])
    assert average_precision(examples.truth, model.predict_proba(examples.read(("good", "bad"), np.arange(120)))[:, 1]) > 0.9


def test_what_does_not_tell_is_worth_chance() -> None:
    candidates = [Candidate(name=name, groups=(name,), make=linear) for name in ("bad", "good")]
    held = cross_validated(known(0), candidates, lambda items, _, __: items)
    assert 0.3 < average_precision(known(0).truth, held.logits) < 0.7
    assert held.chosen.total() == 10
