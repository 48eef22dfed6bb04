"""What the alert stage shows of its cameras."""

from __future__ import annotations

from monitor.bus import Batch, Record
from monitor.config import Alerts, Phrase, Rule
from monitor.decide import Decider
from monitor.feedback import Feedback, Verdict
from monitor.messages import Judgement, Mark, Message, Modality, Ref, Score, Topic
from monitor.metrics import Metrics
from workers.shown import Shown

HAS = (Modality.PICTURE,)
SETTINGS = Alerts(rules={"fight": Rule(raise_at=0.6, raise_after=1)}, watch={"help": Phrase(phrases=("help me",))}, budget="2/day")


def score(camera: str, until: float, probability: float = 0.1) -> Score:
    return Score(
        camera=camera,
        at=until - 4,
        until=until,
        captured=until,
        modalities=HAS,
        revision=0,
        final=True,
        judgements=(Judgement(kind="fight", probability=probability),),
        learning=False,
    )


def verdict(camera: str, said: Verdict, at: float = 0.0) -> Feedback:
    return Feedback(camera=camera, at=at, until=at, verdict=said, given=at)


class Stage:
    """The alert stage without a bus."""

    def __init__(self, settings: Alerts = SETTINGS) -> None:
        self.metrics = Metrics()
        self.decider = Decider(settings)
        self.shown = Shown(self.decider, self.metrics)

    def take(self, *messages: Message) -> None:
        records = [Record(message=message, ref=Ref(topic=Topic.SCORES, partition=0, offset=n)) for n, message in enumerate(messages)]
        alerts = []
        for message in messages:
            alerts += self.decider.score(message) if isinstance(message, Score) else self.decider.ended(message.camera)
        self.shown.after(Batch(records), alerts)

    def value(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"scenewatch_{name}", labels)


def test_what_raises_an_alarm_is_shown_for_each_camera_until_it_ends() -> None:
    stage = Stage()
    stage.take(score("hall", 4.0))
    assert stage.value("alarm_threshold", camera="hall", kind="fight") == 0.6
    assert stage.value("alarm_budget_per_day", camera="hall") == 2
    stage.take(Mark(camera="hall", at=5, until=5, captured=5, modalities=HAS, modality=Modality.PICTURE, last=True))
    assert stage.value("alarm_threshold", camera="hall", kind="fight") is None
    assert stage.value("alarm_budget_per_day", camera="hall") is None


def test_incidents_are_shown_for_as_long_as_they_are_open() -> None:
    stage = Stage()
    assert stage.value("incidents_open", kind="phrase:help") == 0
    stage.take(score("hall", 4.0, 0.9), score("yard", 4.0, 0.9))
    assert stage.value("incidents_open", kind="fight") == 2
    stage.take(Mark(camera="hall", at=5, until=5, captured=5, modalities=HAS, modality=Modality.PICTURE, last=True))
    assert stage.value("incidents_open", kind="fight") == 1


def test_a_worker_counts_what_was_said_of_its_own_cameras_once() -> None:
    stage = Stage()
    stage.take(score("hall", 4.0))
    said = [verdict("hall", Verdict.ORDINARY), verdict("hall", Verdict.RIGHT), verdict("yard", Verdict.MISSED)]
    stage.shown.heed(said)
    stage.shown.heed([*said, verdict("hall", Verdict.ORDINARY, at=9.0)])
    assert [stage.value("feedback_total", camera="hall", verdict=word) for word in ("right", "wrong", "missed")] == [1, 2, 0]
    assert stage.value("feedback_total", camera="yard", verdict="missed") is None
    stage.take(score("yard", 4.0))
    assert stage.value("feedback_total", camera="yard", verdict="missed") == 1


def test_who_gets_a_camera_of_another_counts_what_was_said_of_it_from_the_beginning() -> None:
    stage = Stage()
    stage.take(score("hall", 4.0))
    stage.shown.heed([verdict("hall", Verdict.RIGHT)])
    stage.shown.forget({"hall"})
    assert stage.value("feedback_total", camera="hall", verdict="right") is None
    stage.take(score("hall", 5.0))
    assert stage.value("feedback_total", camera="hall", verdict="right") == 1
