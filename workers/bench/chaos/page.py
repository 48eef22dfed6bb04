"""The page that says what is survived: docs/reliability.md."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from workers import report
from workers.bench.chaos.plant import FPS

FAULTS: Final = {
    "calm": "none: what the others are held against",
    "steady": "none, for as long as in the two rows below, which are held against it",
    "kill": "kill -9 of each stage's process, one at a time, at random moments: {faults:.0f} times ({late:.0f} after the films' end);"
    " each has a spare, a second process of its name that waits with everything loaded",
    "alone": "as `kill`, without spares: {faults:.0f} times ({late:.0f} after the films' end)",
    "capture": "kill -9 of the capture process, {faults:.0f} times at random moments; its cameras are live (MPEG-TS over HTTP)",
    "scale": "a second process of each stage joins for 9 s, then leaves",
    "broker": "kill -9 of one of three brokers; started again after 20 s",
    "corrupt": "{bad:.0f} alien, truncated and oversized records on all topics that stages read; {buried:.0f} of them are in dead-letter",
    "slow": "the encode process stands still for nine times as long as it ran, after each 10 ms, for 50 s",
    "clock": "the clock of every stage is set forward by an hour, and back again after 25 s",
    "spool": "as `gone`, for 40 s; the spool lies on a disk of 2 MB, which fills up",
    "gone": "kill -9 of the only broker; started again after 60 s",
    "cut": "the network to the only broker is cut for 20 s (a proxy passes nothing), connections open",
}
HEAD: Final = (
    "# What is survived\n\n"
    "Written by `scenewatch bench chaos` (`make chaos`); measured on {date} on {cores} cores of an {cpu} with {memory:.0f} GB.\n\n"
    "Every stage is a process that is restarted when it dies. Apache Kafka runs on the same machine: three brokers with three copies of\n"
    "every record, and one broker in the rows `gone`, `spool` and `cut`. {cameras} cameras (a key frame every {frame_s:.0f} s, sound, a\n"
    "sentence in half a minute) are files, played at real time with the same event times in every run, so that each row is compared\n"
    "with the run in which nothing breaks, item by item: pieces of sound, transcripts, windows (camera, end, revision), alert\n"
    "events (incident, number). So that it all fits on one machine, the small recogniser transcribes, a window is judged every\n"
    "second, and neither people and things nor the tone of voices are looked for.\n\n"
    "- **lost**: what that run has and the row has not; **more**: the opposite; **doubled**: alert events that lie on the topic twice.\n"
    "- **recovered**: the longest that a stage took until its position moved on, or until it was ready with nothing left to do.\n"
    "  For brokers: until all stages had caught up; counted from the kill for one of three, else from the broker's return.\n"
    "  For capture: until there was a frame and sound of every camera that was captured after the kill.\n"
    "- In the row `capture`, **lost** is the sound on the topic that lies in no window: its cameras do not wait for it.\n"
    "- **delay**: 95 % of alert events could be read from the topic so soon after the end of the window, or of the words, that they\n"
    "  tell of (new ones and updates: that an incident is over is told a number of calm windows later, by design).\n"
    "- **load**: the share of all processors' time that was in use, by brokers and stages alike.\n\n"
    "| row | fault | load | in: frames, sounds | out: transcripts, windows, alerts | lost | more | doubled | recovered | delay |\n"
    "|---|---|---|---|---|---|---|---|---|---|\n"
)


def page(found: Mapping[str, float]) -> str:
    """The whole document, of the rows that there are figures of."""
    rows = [name for name in FAULTS if f"busy_{name}" in found]
    machine, day = report.machine(), report.report({}).date
    head = HEAD.format(
        date=day, cores=machine.cores, cpu=machine.cpu, memory=machine.memory_gb, cameras=round(found["cameras"]), frame_s=1 / FPS
    )
    lines = [_line(name, found) for name in rows]
    return head + "".join(f"{line}\n" for line in lines) + "\n" + "\n\n".join(_notes(found, rows)) + "\n"


def _line(name: str, found: Mapping[str, float]) -> str:
    fault = FAULTS[name].format(**{key: found.get(f"{key}_{name}", 0.0) for key in ("faults", "late", "bad", "buried")})
    shown = [_shown(found, f"{key}_{name}", form) for key, form in COLUMNS.items()]
    return f"| `{name}` | {fault} | {' | '.join(shown)} |"


COLUMNS: Final = {
    "busy": "{:.0%}",
    "in": "{:,.0f}",
    "out": "{:,.0f}",
    "lost": "{:.0f}",
    "more": "{:.0f}",
    "doubled": "{:.0f}",
    "recover_s": "{:.1f} s",
    "delay_p95_s": "{:.1f} s",
}


def _shown(found: Mapping[str, float], key: str, form: str) -> str:
    return form.format(found[key]) if key in found else ""


def _notes(found: Mapping[str, float], rows: Collection[str]) -> list[str]:
    """What the table has no columns for."""
    notes = [SEES_LESS.format(name=name, **_of(found, name)) for name in ("slow", "gone", "spool", "cut") if name in rows]
    if "slow" in rows:
        notes.append(SLOW.format(calm_mb=found["peak_mb_calm"], **_of(found, "slow")))
    for name in ("kill", "alone"):
        took = {key.removeprefix("recover_s_"): value for key, value in _of(found, name).items() if key.startswith("recover_s_")}
        if took:
            notes.append(KILL.format(name=name, took=", ".join(f"{stage} {value:.1f} s" for stage, value in took.items())))
    if "spool" in rows:
        notes.append(SPOOL.format(**_of(found, "spool")))
    if "same_replay" in found:
        notes.append(REPLAY.format(**_of(found, "replay")))
    return [*notes, REST]


def _of(found: Mapping[str, float], row: str) -> dict[str, float]:
    """A row's figures by their names without it."""
    return {key.removesuffix(f"_{row}"): value for key, value in found.items() if key.endswith(f"_{row}")}


SEES_LESS: Final = (
    "`{name}`: {frames_unseen:.0f} frames of the calm run did not get onto the topic; capture counted {frames_dropped:.0f} as dropped.\n"
    "Alerts that need pictures are not compared in this row: some pictures are not seen on purpose."
)
SLOW: Final = (
    "`slow`: no stage was further behind than {lag_s:.1f} s, and the ladder went down to step {step:.0f}. "
    "The largest process had {peak_mb:.0f} MB;\nin the calm run it had {calm_mb:.0f} MB."
)
KILL: Final = "`{name}`: the longest recovery of each stage: {took}."
SPOOL: Final = (
    "`spool`: sound is lost when the disk is full: {lost_audio:.0f} pieces of half a second; capture counted {sound_dropped_s:.1f} s\n"
    "as dropped. Transcripts and windows that are lost in this row are those of that sound."
)
REPLAY: Final = (
    "`replay`: `scenewatch replay` of the calm run, as quickly as it goes, in one process: {same:.0f} alert events are equal,\n"
    "{lost:.0f} gone, {added:.0f} added, {changed:.0f} changed."
)
REST: Final = """## What is not shown here

- A capture process that is killed loses what its cameras send until it is started again, and what it had not yet handed to the brokers.
- A network is cut between the one broker and everything else, not between brokers.
- Clocks are set for the stages, not for the brokers."""
