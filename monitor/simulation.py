"""Cameras on a cluster, event after event: how late pictures and words are, and what a machine that dies costs. Pure and seeded.

A machine's processors are shared out evenly among the jobs on it, none of which takes more than `width` (processor sharing, in the
virtual time of Parekh and Gallager 1993). A process of a stage takes what waits for it as one batch, of LIMIT records at most.
Cameras lie in partitions by chance, as a hash spreads them; partitions lie with processes in ranges. A camera gives a record each
half second; somebody speaks in utterances with pauses between. Not in it: the ladder of pressure, Kafka's own delays, and that one
process's threads share a lock.
"""

from __future__ import annotations

import heapq
import math
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

SLOT_S: Final = 0.5
"""Sound is cut, and a window ends, each half second."""
LIMIT: Final = 64
"""Records of a batch (`workers.encode`)."""
SILENCE_S: Final = 0.6
"""So long a pause ends an utterance (`speech.silence_s`)."""
EPSILON_S: Final = 1e-9
STAGES: Final = ("encode", "transcribe", "fuse")
"""What has queues. What alert and deliver do is far below a millisecond, and is counted to fuse."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Seconds of processor of one camera."""

    capture: float
    """Half a second of stream."""
    encode: float
    """Half a second of pictures and sound."""
    fuse: float
    """Half a second: a window, judged before and after its words."""
    speech: float
    """A second of speech, transcribed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """What there is."""

    cameras: int
    machines: int
    cores: int
    """Of each machine."""
    partitions: int
    processes: tuple[tuple[str, int], ...]
    """Of each of STAGES."""
    width: float = 2.0
    """Processors that one job takes at most."""
    session_s: float = 10.0
    """So long until a process that is not heard of is thought dead …"""
    rebalance_s: float = 3.0
    """… and then nobody of its stage works for so long."""
    speech: float = 0.5
    """The share of the time in which somebody speaks."""
    utterance_s: tuple[float, float] = (2.0, 7.0)
    """How long utterances are: evenly between."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of it; delays in seconds."""

    utilisation: float
    """Of all processors, before anything failed."""
    busiest: float
    """Of the busiest machine."""
    picture_p50_s: float
    """From a picture's capture to its window's judgement."""
    picture_p95_s: float
    speech_p50_s: float
    """From the end of an utterance to its words."""
    speech_p95_s: float
    unfinished_s: float
    """How long after the last record the work ended."""
    lag_max_s: float = 0.0
    """After the failure: the longest delay of a picture …"""
    recovery_s: float = 0.0
    """… and how long until none was a second later than usual."""
    uncaptured: int = 0
    """Cameras that the dead machine captured: nobody sees them until they are captured elsewhere."""


@dataclass(slots=True)
class _Record:
    stage: str
    camera: int
    seconds: float
    """Of processor."""
    since: float
    """When what it is about was captured, or ended."""


@dataclass(slots=True)
class _Machine:
    """Processors, shared evenly; `virtual` is how much each job has had."""

    cores: int
    width: float
    jobs: list[tuple[float, int, _Job]] = field(default_factory=list)
    virtual: float = 0.0
    at: float = 0.0
    busy: float = 0.0
    alive: bool = True
    looked_at: float = math.inf
    """When it is looked at next."""

    @property
    def rate(self) -> float:
        """Processors, for each job."""
        return min(self.width, self.cores / len(self.jobs)) if self.jobs else 0.0

    def advance(self, now: float) -> None:
        """Let time pass."""
        passed = now - self.at
        self.virtual += passed * self.rate
        self.busy += passed * self.rate * len(self.jobs)
        self.at = now


@dataclass(slots=True)
class _Process:
    stage: str
    machine: _Machine
    waiting: deque[_Record] = field(default_factory=deque)
    working: bool = False


@dataclass(slots=True)
class _Job:
    records: Sequence[_Record]
    process: _Process | None


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which a share of them lies; 0 of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


class Simulation:
    """One run; `seconds` of stream, of which the first `warm_s` count for nothing."""

    def __init__(
        self, cluster: Cluster, costs: Costs, *, seconds: float, warm_s: float = 10.0, fails_at: float | None = None, seed: int = 1
    ) -> None:
        self._cluster, self._costs = cluster, costs
        self._seconds, self._warm, self._fails = seconds, warm_s, fails_at
        self._random = random.Random(seed)  # noqa: S311 (chance, no secret)
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self._now = self._last_at = 0.0
        self._machines = [_Machine(cluster.cores, cluster.width) for _ in range(cluster.machines)]
        self._stages = {name: self._started(name, count) for name, count in cluster.processes}
        self._partition = [self._random.randrange(cluster.partitions) for _ in range(cluster.cameras)]
        self._owner = {name: self._assigned(processes) for name, processes in self._stages.items()}
        self._orphans: dict[str, list[_Record]] = {name: [] for name in self._stages}
        self._paused: set[str] = set()
        self._pictures: list[tuple[float, float]] = []
        self._words: list[tuple[float, float]] = []
        self._busy_when_warm = [0.0] * cluster.machines
        self._busy_before = [0.0] * cluster.machines

    def run(self) -> Outcome:
        """Run to the end of all work."""
        for camera in range(self._cluster.cameras):
            self._at(self._random.random() * SLOT_S, lambda camera=camera: self._captures(camera))  # type: ignore[misc]
            self._at(self._random.random() * self._cluster.utterance_s[1], lambda camera=camera: self._speaks(camera))  # type: ignore[misc]
        self._at(self._warm, lambda: self._note(self._busy_when_warm))
        self._at(self._fails or self._seconds, lambda: self._note(self._busy_before))
        if self._fails:
            self._at(self._fails, self._fail)
        while self._events:
            self._now, _, happens = heapq.heappop(self._events)
            happens()
        return self._outcome()

    # --- what happens

    def _captures(self, camera: int) -> None:
        """Half a second of a camera's stream has come: decode it, then publish."""
        if self._now >= self._seconds:
            return
        self._at(self._now + SLOT_S, lambda: self._captures(camera))
        machine = self._machines[camera % len(self._machines)]
        if machine.alive:
            began = self._now - SLOT_S
            self._start(machine, _Job([_Record("capture", camera, self._costs.capture, began)], None))

    def _speaks(self, camera: int) -> None:
        """Somebody begins to speak; the pause after it keeps the share of speech."""
        if self._now >= self._seconds or not self._cluster.speech:
            return
        shortest, longest = self._cluster.utterance_s
        spoken = self._random.uniform(shortest, longest)
        pause = self._random.expovariate(1 / (spoken * (1 / self._cluster.speech - 1))) if self._cluster.speech < 1 else 0.0
        end = self._now + spoken
        heard = end + SILENCE_S + self._random.random() * SLOT_S
        self._at(end + pause, lambda: self._speaks(camera))
        if end < self._seconds:
            record = _Record("transcribe", camera, spoken * self._costs.speech, end)
            self._at(heard, lambda: self._queue(record))

    def _fail(self) -> None:
        """The last machine dies: what it worked on comes again, once others have its partitions."""
        machine = self._machines[-1]
        machine.alive = False
        machine.advance(self._now)
        for name, processes in self._stages.items():
            dead = [process for process in processes if process.machine is machine]
            lost = [record for _, _, job in machine.jobs if job.process in dead for record in job.records]
            self._orphans[name] += lost + [record for process in dead for record in process.waiting]
            for process in dead:
                process.waiting.clear()
        machine.jobs.clear()
        self._at(self._now + self._cluster.session_s, lambda: self._paused.update(self._stages))
        self._at(self._now + self._cluster.session_s + self._cluster.rebalance_s, self._take_over)

    def _take_over(self) -> None:
        """The living share out all partitions anew, and work on."""
        self._paused.clear()
        for name, processes in self._stages.items():
            self._stages[name] = living = [process for process in processes if process.machine.alive]
            if not living:
                raise ValueError(f"no process of {name} is left: with one machine less there must be one")
            self._owner[name] = self._assigned(living)
            waiting = [record for process in living for record in process.waiting] + self._orphans[name]
            self._orphans[name] = []
            for process in living:
                process.waiting.clear()
            for record in sorted(waiting, key=lambda record: record.since):
                self._owner[name][self._partition[record.camera]].waiting.append(record)
            for process in living:
                self._work(process)

    # --- queues and processors

    def _queue(self, record: _Record) -> None:
        process = self._owner[record.stage][self._partition[record.camera]]
        if process.machine.alive:
            process.waiting.append(record)
            self._work(process)
        else:
            self._orphans[record.stage].append(record)

    def _work(self, process: _Process) -> None:
        """Take what waits as a batch, unless one is under way."""
        if process.working or not process.waiting or process.stage in self._paused:
            return
        process.working = True
        batch = [process.waiting.popleft() for _ in range(min(LIMIT, len(process.waiting)))]
        self._start(process.machine, _Job(batch, process))

    def _start(self, machine: _Machine, job: _Job) -> None:
        machine.advance(self._now)
        self._count += 1
        heapq.heappush(machine.jobs, (machine.virtual + sum(record.seconds for record in job.records), self._count, job))
        self._expect(machine)

    def _expect(self, machine: _Machine) -> None:
        """Look at a machine when its next job ends if all others get on as now; that may come too early, never too late."""
        if machine.jobs:
            due = self._now + max(0.0, machine.jobs[0][0] - machine.virtual) / machine.rate
            if due < machine.looked_at:
                machine.looked_at = due
                self._at(due, lambda: self._look(machine))

    def _look(self, machine: _Machine) -> None:
        """End the jobs that are done."""
        if self._now >= machine.looked_at:
            machine.looked_at = math.inf
        machine.advance(self._now)
        ended: list[_Job] = []
        while machine.jobs and machine.jobs[0][0] <= machine.virtual + EPSILON_S:
            ended.append(heapq.heappop(machine.jobs)[2])
        for job in ended:
            self._end(job)
        self._expect(machine)

    def _end(self, job: _Job) -> None:
        self._last_at = self._now
        for record in job.records:
            self._done(record)
        if job.process is not None:
            job.process.working = False
            self._work(job.process)

    def _done(self, record: _Record) -> None:
        match record.stage:
            case "capture":
                self._queue(_Record("encode", record.camera, self._costs.encode, record.since))
            case "encode":
                self._queue(_Record("fuse", record.camera, self._costs.fuse, record.since))
            case "fuse":
                self._pictures.append((record.since, self._now - record.since))
            case "transcribe":
                self._words.append((record.since, self._now - record.since))

    # --- the beginning and the end

    def _started(self, name: str, count: int) -> list[_Process]:
        """Processes, one after the other on all machines; each stage begins where the one before it ended."""
        first = STAGES.index(name)
        return [_Process(name, self._machines[(first + n) % len(self._machines)]) for n in range(count)]

    def _assigned(self, processes: Sequence[_Process]) -> list[_Process]:
        """Partitions in ranges."""
        return [processes[n * len(processes) // self._cluster.partitions] for n in range(self._cluster.partitions)]

    def _at(self, when: float, happens: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._events, (when, self._count, happens))

    def _note(self, busy: list[float]) -> None:
        for n, machine in enumerate(self._machines):
            if machine.alive:
                machine.advance(self._now)
            busy[n] = machine.busy

    def _outcome(self) -> Outcome:
        until = self._fails or self._seconds
        usual = [delay for since, delay in self._pictures if self._warm <= since < until - 2 * SLOT_S]
        words = [delay for since, delay in self._words if self._warm <= since < until - 2 * SLOT_S]
        used = [after - before for before, after in zip(self._busy_when_warm, self._busy_before, strict=True)]
        room = (until - self._warm) * self._cluster.cores
        late = percentile(usual, 0.95)
        after = [(since + delay, delay) for since, delay in self._pictures if self._fails and since + delay >= self._fails]
        over = [at for at, delay in after if delay > late + 1.0]
        return Outcome(
            utilisation=sum(used) / room / len(used),
            busiest=max(used) / room,
            picture_p50_s=percentile(usual, 0.5),
            picture_p95_s=late,
            speech_p50_s=percentile(words, 0.5),
            speech_p95_s=percentile(words, 0.95),
            unfinished_s=max(0.0, self._last_at - self._seconds),
            lag_max_s=max((delay for _, delay in after), default=0.0),
            recovery_s=max(over, default=self._fails or 0.0) - (self._fails or 0.0),
            uncaptured=sum(camera % len(self._machines) == len(self._machines) - 1 for camera in range(self._cluster.cameras))
            if self._fails
            else 0,
        )
