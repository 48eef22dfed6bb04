"""Hearing that somebody speaks: Silero VAD, as the sound comes, and from it each camera's utterances."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import onnxruntime

from monitor import config, utterances
from monitor.bus import Record
from monitor.languages import LANGUAGES
from monitor.messages import SOUND_HZ, Mark, Message, Modality, Ref, Sound
from monitor.models import Located, locate
from monitor.utterances import WINDOW, Cut, Rules

Samples = npt.NDArray[np.float32]

CONTEXT: Final = 64
"""Samples before a window that the voice detector also sees."""
GAP_S: Final = 0.05
"""A longer hole in the sound ends the utterance."""
AFRESH_S: Final = 8.0
"""After so much sound, in a pause, the detector begins anew, so that whoever takes over needs to hear no more than that …"""
PAUSE_S: Final = 1.0
"""… if nobody has spoken for so long."""
JUMP_S: Final = 5.0
"""Sound that is older by more than this is not a repeat: the clock was set back."""


class Memory(NamedTuple):
    """The voice detector's memory of one camera: h and c float32 [1, 1, 128], and the last 64 samples."""

    h: Samples
    c: Samples
    context: Samples


def no_memory() -> Memory:
    """Before the first sound."""
    return Memory(np.zeros((1, 1, 128), np.float32), np.zeros((1, 1, 128), np.float32), np.zeros(CONTEXT, np.float32))


class Detector(Protocol):
    """How probable speech is, window by window; what it remembers of a camera is the caller's to keep."""

    def __call__(self, samples: Samples, memory: Memory) -> tuple[list[float], Memory]:
        """Samples float32 [n * 512] to n probabilities; the same whether sound comes in pieces or whole."""


class VoiceDetector:
    """Silero VAD 6: how probable speech is, every 32 ms; one thread at a time, any number of cameras."""

    def __init__(self, located: Located) -> None:
        options = onnxruntime.SessionOptions()
        options.inter_op_num_threads = options.intra_op_num_threads = 1
        options.enable_cpu_mem_arena = False
        options.log_severity_level = 4
        self._session = onnxruntime.InferenceSession(str(located.weights), options, providers=["CPUExecutionProvider"])

    def __call__(self, samples: Samples, memory: Memory) -> tuple[list[float], Memory]:
        """Samples float32 [n * 512] to n probabilities; the same whether sound comes in pieces or whole."""
        windows = samples.reshape(-1, WINDOW)  # [n, 512]
        ends = np.vstack([memory.context, windows[:-1, -CONTEXT:]])  # [n, 64]
        feed = {"input": np.hstack([ends, windows]), "h": memory.h, "c": memory.c}
        probabilities, h, c = self._session.run(None, feed)
        return [float(p) for p in probabilities], Memory(h, c, windows[-1, -CONTEXT:].copy())


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Utterance:
    """A stretch of speech of one camera."""

    camera: str
    at: float
    until: float
    captured: float
    modalities: tuple[Modality, ...]
    samples: Samples
    """Float32 [n], 16 kHz, with padding before and after."""
    speech: float
    """The voice detector's mean probability over it."""
    language: str | None = None
    """What is spoken there, if it is known."""
    source: Ref | None = None
    """The first record of its sound."""

    @property
    def seconds(self) -> float:
        """How long it is, with its padding."""
        return self.samples.size / SOUND_HZ


class _Piece(NamedTuple):
    """A record of sound, and the number of its first sample."""

    first: int
    at: float
    sound: Sound
    source: Ref | None


class Segmenter:
    """Cuts one camera's sound into utterances as it comes."""

    def __init__(self, camera: str, detector: Detector, rules: Rules) -> None:
        self._camera = camera
        self._detector = detector
        self._rules = rules
        self._promised = -math.inf
        self._ends = -math.inf
        self._last: tuple[Sound, Ref | None] | None = None
        self._begin()

    def _begin(self) -> None:
        self._state = utterances.State()
        self._memory = no_memory()
        self._pieces: deque[_Piece] = deque()
        self._samples: Samples = np.empty(0, np.float32)
        self._kept = 0  # the number of the first sample in self._samples
        self._heard = 0
        self._began = math.inf

    @property
    def began(self) -> float:
        """Begin of the oldest piece of sound that what is heard next depends on; infinity before the first."""
        return self._began

    def push(self, sound: Sound, source: Ref | None = None) -> tuple[list[Utterance], float]:
        """Take the next piece in; return the utterances that ended, and the time before which none begins any more."""
        if self._paused():
            assert self._last is not None
            self._begin()
            self._ends = self._last[0].at
            self._hear(*self._last)  # so that a soft first sound of the next utterance is not cut
        self._last = sound, source
        return self._hear(sound, source)

    def _paused(self) -> bool:
        """Whether much was heard since the begin, and nobody speaks."""
        quiet = (self._state.heard - self._state.floor) * WINDOW
        return not self._state.open and self._heard > AFRESH_S * SOUND_HZ and quiet > PAUSE_S * SOUND_HZ

    def _hear(self, sound: Sound, source: Ref | None) -> tuple[list[Utterance], float]:
        samples, ended = sound.samples(), []
        late = sound.at - self._ends
        if late > GAP_S or late < -JUMP_S:
            ended = self._stop()
            self._promised = self._promised if late > 0 else -math.inf
        elif late < -GAP_S:  # heard already: delivered twice
            samples = samples[round(-late * SOUND_HZ) :]
        if samples.size:
            self._began = min(self._began, sound.at)
            self._pieces.append(_Piece(self._heard, sound.until - samples.size / SOUND_HZ, sound, source))
            self._samples = np.concatenate([self._samples, samples])
            self._heard += samples.size
            self._ends = sound.until
            ended += self._listen(self._heard // WINDOW)
        return ended, self._promise(self._reached())

    def flush(self, until: float = -math.inf) -> tuple[list[Utterance], float]:
        """End what is open, because no sound follows; `until`: when the source ended, if that is later than its sound."""
        return self._stop(), self._promise(max(until, self._ends))

    def skip(self, until: float) -> tuple[list[Utterance], float]:
        """Learn that no sound follows that begins before `until`."""
        if until - self._ends <= GAP_S:
            return [], self._promised
        return self._stop(), self._promise(until)

    def _listen(self, windows: int) -> list[Utterance]:
        """Detect voice up to a number of windows, cut, and forget what no utterance needs."""
        first, last = self._state.heard * WINDOW - self._kept, windows * WINDOW - self._kept
        if last <= first:
            return []
        probabilities, self._memory = self._detector(self._samples[first:last], self._memory)
        self._state, cuts = utterances.advance(self._state, probabilities, self._rules)
        ended = [self._utterance(cut) for cut in cuts]
        self._forget()
        return ended

    def _forget(self) -> None:
        needed = min(utterances.reach(self._state, self._rules), self._state.heard) * WINDOW
        self._samples = self._samples[needed - self._kept :]
        self._kept = needed
        while len(self._pieces) > 1 and self._pieces[1].first <= needed:
            self._pieces.popleft()

    def _stop(self) -> list[Utterance]:
        """End the open utterance with the sound that there is, and begin anew."""
        rest = -self._heard % WINDOW if self._pieces else 0
        self._samples = np.concatenate([self._samples, np.zeros(rest, np.float32)])
        ended = self._listen((self._heard + rest) // WINDOW)
        self._state, cuts = utterances.close(self._state, self._rules)
        ended += [self._utterance(cut) for cut in cuts]
        self._begin()
        return ended

    def _utterance(self, cut: Cut) -> Utterance:
        first, last = cut.begin * WINDOW, min(cut.end * WINDOW, self._heard)
        begins, ends = self._piece(first), self._piece(last - 1)
        return Utterance(
            camera=self._camera,
            at=max(self._time(first), self._promised),
            until=self._time(last),
            captured=ends.sound.captured,
            modalities=ends.sound.modalities,
            samples=self._samples[first - self._kept : last - self._kept].copy(),
            speech=cut.speech,
            language=begins.sound.language if begins.sound.language in LANGUAGES else None,
            source=begins.source,
        )

    def _piece(self, sample: int) -> _Piece:
        return next(piece for piece in reversed(self._pieces) if piece.first <= sample)

    def _time(self, sample: int) -> float:
        piece = self._piece(max(sample, self._pieces[0].first))
        return piece.at + (sample - piece.first) / SOUND_HZ

    def _reached(self) -> float:
        return self._time(utterances.reach(self._state, self._rules) * WINDOW) if self._pieces else self._promised

    @property
    def promised(self) -> float:
        """The time before which no utterance begins any more."""
        return self._promised

    def _promise(self, until: float) -> float:
        """Promises are never taken back."""
        self._promised = max(self._promised, until)
        return self._promised


class Ears:
    """Every camera's segmenter, made when the camera is first heard."""

    def __init__(self, segmenter: Callable[[str], Segmenter]) -> None:
        self._make = segmenter
        self._segmenters: dict[str, Segmenter] = {}

    def __call__(self, records: Sequence[Record[Message]]) -> list[Utterance | Mark]:
        """What the records of `audio` end, in order: after each record's utterances the text's mark, if it moved."""
        return [item for record in records for item in self._each(record)]

    def needed(self, camera: str) -> float:
        """From what event time on a camera's sound is needed to hear on as before; infinity if none is."""
        segmenter = self._segmenters.get(camera)
        return math.inf if segmenter is None else segmenter.began

    def forget(self, camera: str) -> None:
        """Let go of a camera, as if it had never been heard."""
        self._segmenters.pop(camera, None)

    def _each(self, record: Record[Message]) -> Iterator[Utterance | Mark]:
        message = record.message
        if not isinstance(message, Sound | Mark):
            return
        segmenter = self._segmenters.get(message.camera) or self._segmenters.setdefault(message.camera, self._make(message.camera))
        before = segmenter.promised
        if isinstance(message, Sound):
            ended, until = segmenter.push(message, record.ref)
        else:
            ended, until = segmenter.flush(message.until) if message.last else segmenter.skip(message.until)
        yield from ended
        last = isinstance(message, Mark) and message.last
        if last or until != before:
            yield _text_mark(message, until, last=last)
        if last:
            del self._segmenters[message.camera]


def _text_mark(heard: Sound | Mark, until: float, *, last: bool) -> Mark:
    return Mark(
        camera=heard.camera,
        at=min(heard.at, until),
        until=until,
        captured=heard.captured,
        modalities=heard.modalities,
        modality=Modality.TEXT,
        last=last,
    )


def segmenters(speech: config.Speech) -> Callable[[str], Segmenter]:
    """What makes a camera's segmenter; all share one voice detector. Raises ModelError saying what to install."""
    detector, rules = VoiceDetector(locate("silero-vad")), utterances.rules(speech)
    return lambda camera: Segmenter(camera, detector, rules)
