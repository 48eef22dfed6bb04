"""What is looked for is measured against the camera's own moments."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from moments import picture, window

from monitor.align import Window
from monitor.config import Alerts, Rule, Sight
from monitor.decide import Decider
from monitor.lookfor import LATER_S, Looking
from monitor.messages import Alert, Embedding, Judgement, Phase, Severity, floats, pack
from monitor.scoring import score
from monitor.zeroshot import Floats, unit

SMOKE = {"smoke": Sight(texts=("smoke", "a fire that smokes"), severity=Severity.CRITICAL)}


class Plane:
    """A space of two numbers: how much smoke a picture shows, and how much of anything else."""

    name = "plane"
    things = False

    def texts(self, texts: Sequence[str]) -> Floats:
        return unit(np.array([[1.0, 0.0] if "smoke" in text else [0.0, 1.0] for text in texts], np.float32))

    def pictures(self, items: Sequence[Embedding]) -> Floats:
        return unit(np.stack([floats(item.vector) for item in items]))


class Drawn(Plane):
    """The same, where it matters that somebody looked for people and things: pictures show less smoke then."""

    things = True

    def pictures(self, items: Sequence[Embedding]) -> Floats:
        return unit(np.stack([floats(item.vector) - (0.0 if item.things is None else 0.5) * np.array([1.0, 0.0]) for item in items]))


def seen(index: int, smoke: float = 0.0) -> Embedding:
    noise = np.random.default_rng(index).normal(0, 0.02)
    return msgspec.structs.replace(picture(index), vector=pack(np.array([0.1 + smoke + noise, 1.0])))


def windows(smokes: Sequence[float], begin: int = 0) -> list[Window]:
    pictures = [seen(begin + n, smoke) for n, smoke in enumerate(smokes)]
    return [window(index, pictures, []) for index in range(len(pictures))]


def chances(judged: Sequence[tuple[Judgement, ...]]) -> list[float]:
    return [judgement.probability for row in judged for judgement in row]


def test_nothing_is_said_before_the_camera_is_known() -> None:
    judged = Looking(Plane(), SMOKE, warm_up_s=60)(windows([0.0] * 140))
    assert not any(judged[:120])
    assert all(judged[121:])


def test_what_fits_better_than_ordinary_moments_is_probable() -> None:
    found = chances(Looking(Plane(), SMOKE, warm_up_s=60)(windows([0.0] * 300 + [1.0] * 10)))
    assert max(found[:-10]) < 0.5
    assert found[-1] > 0.95


def test_what_a_camera_always_shows_is_ordinary() -> None:
    assert max(chances(Looking(Plane(), SMOKE, warm_up_s=60)(windows([1.0] * 400)))) < 0.5


def test_an_incident_does_not_teach_that_it_is_ordinary() -> None:
    lasting = int(2 * (LATER_S + 120))
    found = chances(Looking(Plane(), SMOKE, warm_up_s=60)(windows([0.0] * 300 + [1.0] * lasting)))
    assert found[-1] > 0.95


def test_moments_at_which_nobody_looked_for_things_are_not_held_against_others() -> None:
    looked = [msgspec.structs.replace(seen(n), things=()) for n in range(300)]
    shown = [*looked, *(seen(n) for n in range(300, 500))]
    found = Looking(Drawn(), SMOKE, warm_up_s=60)([window(index, shown, []) for index in range(len(shown))])
    judged = chances(found[300:])
    assert max(judged) < 0.5
    assert not any(found[308:420])  # nobody has looked for too short a while
    assert len(judged) >= 60


def test_a_window_is_judged_and_learned_once() -> None:
    looking = Looking(Plane(), SMOKE, warm_up_s=10)
    some = windows([0.0] * 40)
    looking(some)
    assert looking([some[-1]]) == [()]
    assert looking([msgspec_window(some[-1], revision=1)]) == [()]


def msgspec_window(given: Window, revision: int) -> Window:
    return Window(
        camera=given.camera,
        at=given.at,
        until=given.until,
        captured=given.captured,
        modalities=given.modalities,
        revision=revision,
        final=True,
        pictures=given.pictures,
    )


def test_cameras_are_measured_by_themselves_and_forgotten() -> None:
    looking = Looking(Plane(), SMOKE, warm_up_s=60)
    looking(windows([0.0] * 140))
    looking.forget("hall")
    assert not any(looking(windows([0.0] * 20, begin=200)))


def test_the_same_windows_are_judged_the_same_in_any_batches() -> None:
    some = windows([0.0] * 200 + [0.3] * 20)
    whole, parts = Looking(Plane(), SMOKE, warm_up_s=30), Looking(Plane(), SMOKE, warm_up_s=30)
    assert whole(some) == [row for at in range(0, len(some), 7) for row in parts(some[at : at + 7])]


def test_what_is_looked_for_has_its_own_severity_and_rule() -> None:
    settings = Alerts(look_for=SMOKE, rules={"sees:smoke": Rule(raise_at=0.9)})
    rule = settings.rule("sees:smoke")
    assert (rule.severity, rule.raise_at, rule.raise_after) == (Severity.CRITICAL, 0.9, 3)
    assert settings.rule("sees:other") == Rule()


def test_an_alert_of_it_says_what_is_seen() -> None:
    decider, looking = Decider(Alerts(look_for=SMOKE)), Looking(Plane(), SMOKE, warm_up_s=60)
    told: list[Alert] = []
    some = windows([0.0] * 300 + [1.0] * 10)
    for each, judged in zip(some, looking(some), strict=True):
        told += decider.score(score(each, judged, (), learning=False))
    assert [(alert.kind, alert.phase, alert.severity) for alert in told] == [("sees:smoke", Phase.NEW, Severity.CRITICAL)]
    assert told[0].summary.startswith("hall: what is looked for is seen, smoke")
