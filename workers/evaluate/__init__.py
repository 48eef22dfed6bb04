"""Measuring how good it is, on real data: each evaluation is a function from a `Task` to figures, and is named here."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Final, TypeAlias, cast

from monitor.config import Config
from monitor.errors import ConfigError, ModelError, SourceError


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is to be measured on what."""

    data: Path
    """The folder that holds manifest.csv."""
    of: str = ""
    """One set of it (`vad/ucsd_ped2`), where the evaluation can be had of several; empty for its own."""
    config: Config = field(default_factory=Config)


Evaluation: TypeAlias = Callable[[Task], dict[str, float]]

EVALUATIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "speech": "workers.evaluate.speech:speech",
        "fusion": "workers.evaluate.fusion:fusion",
        "fusion-kinds": "workers.evaluate.kinds:fusion_kinds",
        "fights": "workers.evaluate.fights:fights",
        "budget": "workers.evaluate.budget:budget",
        "normality": "workers.evaluate.normality:normality",
        "retrieval": "workers.evaluate.retrieval:retrieval",
        "reasons": "workers.evaluate.reasons:reasons",
        "incidents": "workers.evaluate.incidents:incidents",
        "incidents-research": "workers.evaluate.incidents:with_research_weights",
        "sounds": "workers.evaluate.sounds:sounds",
        "tone": "workers.evaluate.tone:tone",
        "intent": "workers.evaluate.intent:intent",
        "sentiment": "workers.evaluate.sentiment:sentiment",
    }
)
"""Where each stands: a module is loaded when it is asked for, and no other's models are."""
OF_SETS: Final = ("fights", "fusion-kinds", "incidents", "incidents-research", "normality", "reasons")
"""Those that can be had of one of several sets."""


def run(name: str, task: Task) -> dict[str, float]:
    """The figures of one evaluation. Raises SourceError if the data is not there, ConfigError for a set of what has none."""
    measure = evaluation(name)
    _check_set(name, task)
    return measure(task)


def everything(task: Task, page: Path | None) -> dict[str, float]:
    """The figures of all that `docs/accuracy.md` tells of, and that page; what has no data or no weights is left out, and said."""
    from workers.evaluate import page as pages  # noqa: PLC0415

    _check_set("all", task)
    measured: dict[str, dict[str, float]] = {}
    for name in pages.ALL:
        try:
            measured[name] = run(name, task)
        except (SourceError, ModelError) as error:
            sys.stderr.write(f"eval {name}: left out: {error}\n")
    if page:
        page.write_text(pages.page(measured), "utf-8")
    return pages.flat(measured)


def _check_set(name: str, task: Task) -> None:
    if task.of and name not in OF_SETS:
        raise ConfigError(f"eval {name} has no sets: leave --set {task.of} out; it is for {', '.join(OF_SETS)}")


def evaluation(name: str) -> Evaluation:
    """Load what the evaluation needs. Raises ConfigError for a name that there is not."""
    if name not in EVALUATIONS:
        raise ConfigError(f"eval: there is no {name!r}; there are {', '.join(EVALUATIONS)} and all")
    module, function = EVALUATIONS[name].split(":")
    return cast("Evaluation", getattr(import_module(module), function))
