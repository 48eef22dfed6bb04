"""A candidate network beside the one that decides: counted while it runs, compared by what was recorded, and promoted."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import yaml
from rich.console import Console
from rich.table import Table

from monitor.align import Window
from monitor.archive import Span
from monitor.config import Config, Rule
from monitor.decide import SPOKEN, Decider
from monitor.errors import ConfigError
from monitor.feedback import Feedback, Verdict
from monitor.fusion import measures
from monitor.messages import Alert, Mark, Score, Topic
from monitor.metrics import Metrics
from monitor.models import Located, locate
from workers import evidence
from workers.feedback import Store
from workers.fuse import Network

RECORD: Final = "promotions.jsonl"
DELTA: Final = "promoted.yaml"
FIRST: Final = "default"
SECOND: Final = "shadow"


@dataclass(frozen=True, slots=True)
class Beside:
    """The candidate, with the rules by which its judgements would be alarming."""

    network: Network
    rule: Callable[[str], Rule]

    def __call__(self, asked: Sequence[Window], items: Sequence[Window | Mark], made: list[Score | Mark]) -> list[Score | Mark]:
        """Add what it says of the windows that the network was asked about."""
        said = iter(self.network(asked) if asked else ())
        return [
            msgspec.structs.replace(score, shadow=next(said))
            if isinstance(item, Window) and isinstance(score, Score) and not item.unchanged
            else score
            for item, score in zip(items, made, strict=True)
        ]

    def count(self, metrics: Metrics, scores: Sequence[Score | Mark]) -> None:
        """Count the windows that either finds alarming, each kind on the revision that decides it."""
        for score in scores:
            if isinstance(score, Score):
                for kind, agreement in self._agreements(score):
                    metrics.shadow.labels(kind, agreement).inc()

    def _agreements(self, score: Score) -> Iterator[tuple[str, str]]:
        first = {judgement.kind: judgement.probability for judgement in score.judgements}
        for judgement in score.shadow:
            kind, raise_at = judgement.kind, self.rule(judgement.kind).raise_at
            if score.final if kind in SPOKEN else score.revision == 0:
                alarming = first.get(kind, 0.0) >= raise_at, judgement.probability >= raise_at
                if any(alarming):
                    yield kind, "both" if all(alarming) else FIRST if alarming[0] else SECOND


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of incident: what either would have raised in the same time."""

    kind: str
    default: int
    """Alarms of the network that decides, …"""
    shadow: int
    """… of the candidate, …"""
    both: int
    """… and of both at the same time."""
    default_right: int
    """Of those that people spoke of: right, and all."""
    default_judged: int
    shadow_right: int
    shadow_judged: int


def compare(scores: Sequence[Score | Mark], config: Config, said: Sequence[Feedback]) -> list[Row]:
    """What each network would have raised under the same rules, kind by kind; scores in their order."""
    first, second = _alarms(scores, config, shadow=False), _alarms(scores, config, shadow=True)
    kinds = sorted({alert.kind for alert in (*first, *second)})
    return [_row(kind, [a for a in first if a.kind == kind], [a for a in second if a.kind == kind], said) for kind in kinds]


def _alarms(scores: Sequence[Score | Mark], config: Config, *, shadow: bool) -> list[Alert]:
    """Whole incidents, by the last event of each."""
    decider, last = Decider(config.alerts), dict[str, Alert]()
    kinds = {judgement.kind for score in scores if isinstance(score, Score) for judgement in score.shadow}
    cameras = dict.fromkeys(score.camera for score in scores)
    told = [alert for score in scores for alert in _decided(decider, score, kinds, shadow=shadow)]
    for alert in [*told, *(alert for camera in cameras for alert in decider.ended(camera))]:
        last[alert.id] = alert
    return list(last.values())


def _decided(decider: Decider, score: Score | Mark, kinds: set[str], *, shadow: bool) -> list[Alert]:
    if isinstance(score, Mark):
        return decider.ended(score.camera) if score.last else []
    judged = score.shadow if shadow else tuple(judgement for judgement in score.judgements if judgement.kind in kinds)
    return decider.score(msgspec.structs.replace(score, judgements=judged, shadow=()))


def _row(kind: str, first: Sequence[Alert], second: Sequence[Alert], said: Sequence[Feedback]) -> Row:
    judged = [[right for alert in alerts for right in _verdict(alert, said)] for alerts in (first, second)]
    return Row(
        kind=kind,
        default=len(first),
        shadow=len(second),
        both=sum(any(_meet(alert, other.camera, other.at, other.until) for other in second) for alert in first),
        default_right=sum(judged[0]),
        default_judged=len(judged[0]),
        shadow_right=sum(judged[1]),
        shadow_judged=len(judged[1]),
    )


def _verdict(alert: Alert, said: Sequence[Feedback]) -> Iterator[bool]:
    """Whether people said that an alarm of this kind and time is right; the newest verdict counts, and there may be none."""
    spoken = [item for item in said if item.kind in ("", alert.kind) and _meet(alert, item.camera, item.at, item.until)]
    if spoken:
        yield max(spoken, key=lambda item: item.given).verdict is not Verdict.ORDINARY


def _meet(alert: Alert, camera: str, at: float, until: float) -> bool:
    return alert.camera == camera and alert.at <= until and at <= alert.until


async def report(config: Config, span: Span, out: Path | None) -> int:
    """Compare by the scores that Kafka still has of a span of the wall clock; exit status 1 if no shadow judged in it."""
    scores = [item async for item in _scores(config, span)]
    said = Store(Path(config.alerts.feedback)).all() if config.alerts.feedback else ()
    judged = sum(bool(score.shadow) for score in scores if isinstance(score, Score))
    if not judged:
        sys.stderr.write("shadow: no window of that time was judged by one. Set models.shadow for the fuse workers\n")
        return 1
    rows = compare(scores, config, said)
    show(rows, judged, Console(soft_wrap=True, highlight=False))
    if out is not None:
        _write(out, rows)
    return 0


def _write(out: Path, rows: Sequence[Row]) -> None:
    out.write_bytes(msgspec.json.format(msgspec.json.encode(rows), indent=1) + b"\n")


async def _scores(config: Config, span: Span) -> AsyncIterator[Score | Mark]:
    async with aclosing(evidence.archive(config).span([Topic.SCORES], span)) as records:
        async for record in records:
            if isinstance(record.message, Score | Mark):
                yield record.message


def show(rows: Sequence[Row], windows: int, console: Console) -> None:
    """Print the table."""
    table = Table("kind", "alarms of the default", "of the shadow", "of both", "right of the default", "right of the shadow")
    for row in rows:
        right = f"{row.default_right} of {row.default_judged}", f"{row.shadow_right} of {row.shadow_judged}"
        table.add_row(row.kind, str(row.default), str(row.shadow), str(row.both), *right)
    console.print(table)
    console.print(f"{windows} windows judged by both; right: of the alarms that somebody gave a verdict on")


class Promotion(msgspec.Struct, frozen=True, kw_only=True):
    """A line of promotions.jsonl."""

    at: float
    name: str
    sha256: str
    instead_of: str
    """Name and hash of the network before."""
    weights: str


def promote(config: Config, name: str, folder: Path) -> Path:
    """Copy a candidate's weights, by their hash, into a folder, record it, and write the configuration that makes it the default.

    Raises ModelError for weights that are not what their card says, ConfigError for a folder that can't be written.
    """
    found, before = locate(name), locate(config.models.fusion)
    if measures(found).kinds != measures(before).kinds:
        sys.stderr.write(f"promote: {name} judges {', '.join(measures(found).kinds)}: other kinds than {before.name} did\n")
    place = folder / f"{found.name}-{found.sha256[:8]}"
    try:
        _copy(found, place)
        done = Promotion(at=time.time(), name=found.name, sha256=found.sha256, instead_of=before.version, weights=str(place.resolve()))
        with (folder / RECORD).open("ab") as record:
            record.write(msgspec.json.encode(done) + b"\n")
        delta = {"models": {"fusion": str(place.resolve()), "shadow": ""}}
        (folder / DELTA).write_text(yaml.safe_dump(delta), "utf-8")
    except OSError as error:
        raise ConfigError(f"{folder}: can't be written: {error.strerror}. Name a folder that can with --to") from error
    locate(str(place.resolve()))
    return folder / DELTA


def _copy(found: Located, place: Path) -> None:
    place.mkdir(parents=True, exist_ok=True)
    for path in (found.weights, found.weights.with_suffix(".json")):
        shutil.copyfile(path, place / path.name)
