import pytest

from monitor.described import described
from monitor.messages import Pose, Presence


def one(label: str, pose: Pose | None = None, confidence: float = 0.9) -> Presence:
    return Presence(label=label, confidence=confidence, box=(0.1, 0.1, 0.2, 0.4), pose=pose)


PERSON, LYING = one("person", Pose.STANDING), one("person", Pose.LYING)


@pytest.mark.parametrize(
    ("things", "words"),
    [
        ([], ""),
        ([PERSON], "a person"),
        ([LYING], "a person lying"),
        ([PERSON, LYING], "two people, one lying"),
        ([LYING, LYING], "two people, all lying"),
        ([one("car"), PERSON, PERSON], "two people and a car"),
        ([LYING, PERSON, one("bus"), one("bus")], "two people, one lying, and two buses"),
        ([PERSON, one("car"), one("car"), one("airplane")], "a person, two cars and an airplane"),
        ([PERSON] * 12, "12 people"),
        ([one("car", confidence=0.25)], ""),
    ],
)
def test_what_is_to_be_seen_reads_as_a_person_would_say_it(things: list[Presence], words: str):
    assert described(things) == words


def test_how_sure_one_has_to_be_can_be_said() -> None:
    assert described([one("car", confidence=0.25)], 0.2) == "a car"
