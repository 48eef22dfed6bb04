"""What happens in the scene: who walks where, what is said, and the incidents, as the ground truth knows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np

from workers.scene.figures import dress
from workers.scene.motion import FALL_S, RISE_S, Walk, smooth_track, stance
from workers.scene.voice import Voice

Point = tuple[float, float]

ALARM_AT: Final = 76.0
ALARM_S: Final = 8.0
FALL_AT: Final = 97.0
LIES_S: Final = 11.0
HELP_AT: Final = 124.0
COVER_AT: Final = 140.0
COVER_S: Final = 8.0
DURATION_S: Final = 152.0

ROUTES: Final[tuple[tuple[Point, ...], ...]] = (
    ((0.1, 18.0), (0.1, 13.5), (-0.6, 8.5), (-2.0, 4.0), (-3.6, 0.0)),
    ((0.1, 18.0), (0.2, 13.2), (0.7, 8.0), (0.9, 3.5), (1.0, -1.6)),
    ((8.0, 9.3), (4.5, 9.3), (1.5, 8.0), (-1.5, 4.5), (-3.6, 0.0)),
    ((8.0, 9.3), (4.5, 9.3), (1.8, 10.6), (0.4, 13.3), (0.1, 18.0)),
    ((1.0, -1.6), (1.6, 3.5), (2.5, 7.0), (4.5, 9.3), (8.0, 9.3)),
    ((0.1, 18.0), (0.3, 13.4), (2.6, 11.4), (3.6, 10.1), (4.7, 9.3), (8.0, 9.3)),
)
"""Ways through the hall: from and to the passage at the back, the one on the right, and the two entrances behind the camera's edge."""

VOICES: Final = (Voice("en-us"), Voice("en-gb-x-rp+m3", pitch=42), Voice("en-us+f2", pitch=60, rate=160), Voice("en-us+max", pitch=38))
CALLER: Final = Voice("en-us", rate=150, pitch=72, range=85, volume=130)

SMALL_TALK: Final = (
    "Good morning, how was your weekend?",
    "Let us meet at the entrance after lunch.",
    "The meeting was moved to the large room upstairs.",
    "Did you see the new pictures on the wall?",
    "I will bring the papers tomorrow afternoon.",
    "Thank you, that was very kind of you.",
    "The coffee here is better than it used to be.",
    "We should leave at half past five today.",
    "My sister is visiting us next month.",
    "It is quite warm for this time of the year.",
    "Could you bring me the blue folder, please?",
    "They are painting the second floor this week.",
    "I left my umbrella in the car again.",
    "See you on Monday, have a nice evening.",
)

TALK_AT: Final = (5.0, 15.0, 24.0, 34.0, 43.0, 52.0, 64.0, 91.0, 118.0, 134.0)


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was planted, and that an alert should tell of."""

    kinds: tuple[str, ...]
    """An alert of any of these finds it."""
    also: tuple[str, ...] = ()
    """Alerts of these are right about it too, but are not enough."""
    at: float
    """Seconds from the file's begin."""
    until: float
    description: str


@dataclass(frozen=True, slots=True)
class Saying:
    """A sentence, who says it, when and how near to the microphone."""

    at: float
    text: str
    voice: Voice
    loudness: float


@dataclass(frozen=True, slots=True)
class Story:
    """A whole scene before it is painted."""

    walks: tuple[Walk, ...]
    sayings: tuple[Saying, ...]
    incidents: tuple[Incident, ...]


def write_story(rng: np.random.Generator) -> Story:
    """Make up a scene: the same incidents at the same times, other people on other ways."""
    faller = _faller(rng)
    walks = _crowd(rng, faller)
    texts = rng.permutation(SMALL_TALK)
    speakers = [*rng.permutation(len(VOICES)), *rng.integers(0, len(VOICES), len(TALK_AT))]
    talk = [
        Saying(at + rng.uniform(0, 1.5), str(text), VOICES[int(who)], rng.uniform(0.28, 0.5))
        for at, text, who in zip(TALK_AT, texts, speakers, strict=False)
    ]
    call = Saying(HELP_AT, "Help! Somebody help me! Please call an ambulance!", CALLER, 0.8)
    return Story((*walks, faller), (*talk, call), _truth())


def _truth() -> tuple[Incident, ...]:
    return (
        Incident(kinds=("unusual_sound",), at=ALARM_AT, until=ALARM_AT + ALARM_S, description="a smoke alarm sounds (heard only)"),
        Incident(
            kinds=("unusual_picture",), at=FALL_AT, until=FALL_AT + FALL_S + LIES_S + RISE_S,
            description="a person falls and lies on the floor (seen only)",
        ),
        Incident(
            kinds=("phrase:help", "call_for_help"), also=("unusual_sound", "aggression", "crying", "distress"),
            at=HELP_AT, until=HELP_AT + 5.0,
            description="somebody out of sight calls for help (spoken)",
        ),
        Incident(
            kinds=("camera:blind",), also=("unusual_picture",), at=COVER_AT, until=COVER_AT + COVER_S, description="the lens is covered",
        ),
    )  # fmt: skip


def _faller(rng: np.random.Generator) -> Walk:
    points = [(0.1, 18.0), (0.2, 13.4), (0.2 + rng.uniform(-0.5, 0.5), 9.0), (-0.4 + rng.uniform(-0.7, 0.7), 5.0), (1.0, -1.6)]
    track = smooth_track(points)
    distance = 0.05 * float(np.argmin(np.abs(track[:, 1] - rng.uniform(5.0, 7.0))))
    speed = rng.uniform(1.15, 1.3)
    return Walk(dress(rng), FALL_AT - distance / speed, track, speed, distance, LIES_S, falls=True)


def _crowd(rng: np.random.Generator, faller: Walk) -> list[Walk]:
    """Fill the hall with one to three walkers at a time, never two in one place, and nobody by while one lies there."""
    quiet = FALL_AT - 1.5, FALL_AT + FALL_S + LIES_S + RISE_S
    walks: list[Walk] = []
    order = [int(route + len(ROUTES) * rng.integers(2)) for route in rng.permutation(len(ROUTES))]
    clock = -12.0
    while clock < DURATION_S:
        order = order or [int(i) for i in rng.permutation(2 * len(ROUTES))]
        walk = _walk(rng, order.pop(), clock)
        clear = walk.ends < quiet[0] + 3 or walk.begins > quiet[1] - 2
        busy = sum(other.begins < walk.ends and walk.begins < other.ends for other in walks[-4:]) > 2
        if clear and not busy and all(_apart(walk, other) for other in [*walks[-5:], faller]):
            walks.append(walk)
            clock += rng.uniform(3.2, 5.5)
        else:
            clock += 0.4
    return walks


def _walk(rng: np.random.Generator, route: int, begins: float) -> Walk:
    points = ROUTES[route % len(ROUTES)]
    ends = {0, len(points) - 1}
    moved = [
        (x + rng.uniform(-0.35, 0.35) * (i not in ends), y + rng.uniform(-0.3, 0.3) * (i not in ends)) for i, (x, y) in enumerate(points)
    ]
    track = smooth_track(moved if route < len(ROUTES) else moved[::-1])
    stop_at = None
    if route % len(ROUTES) == len(ROUTES) - 1:
        desk = np.hypot(track[:, 0] - 2.6, track[:, 1] - 11.4)
        stop_at = 0.05 * float(np.argmin(desk))
    return Walk(dress(rng), begins, track, rng.uniform(1.1, 1.45), stop_at, rng.uniform(2.5, 5.0))


def _apart(one: Walk, other: Walk) -> bool:
    """Whether two figures never come nearer than 0.7 m."""
    for time in np.arange(max(one.begins, other.begins), min(one.ends, other.ends), 0.3):
        a, b = stance(one, float(time)), stance(other, float(time))
        if a is not None and b is not None and np.hypot(a.x - b.x, a.y - b.y) < 0.7:
            return False
    return True
