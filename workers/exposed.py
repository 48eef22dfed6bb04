"""The page that lists every metric: docs/metrics.md, from the code (`scenewatch metrics`)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from monitor.gpu import Gpus
from monitor.metrics import Described, Metrics

HEAD: Final = """# Metrics

Every process answers `GET /metrics` on `metrics.host`:`metrics.port` (127.0.0.1:9108), in Prometheus' text format, or in OpenMetrics
where that is asked for. This page is written by `scenewatch metrics`; a test says when it is stale.

- **The same names everywhere.** `scenewatch run` shows all of them in one process; `scenewatch worker STAGE` those of its stage. `stage`
  is a label of ours (`deliver-2` is the second sink's group), so sums over `stage` mean the same either way.
- **Cameras are bounded.** A process names the first `metrics.max_cameras` (200) that it meets; all others share the label
  `camera="other"` in counters and histograms, and have no gauges, because each would overwrite the others'. A camera that is removed, or
  that another process has now, takes its gauges with it; one that has ended says so in `camera_state`.
- **Counters begin at 0** when their labels are known beforehand, so that `increase()` sees the first event.
- **Exemplars** on `capture_to_alert_seconds` and `utterance_to_alert_seconds` name camera and alert of a slow observation (OpenMetrics
  only; Prometheus keeps them with `--enable-feature=exemplar-storage`).
- **What nobody knows is NaN**: the broker's gauges on `memory://`, and while no broker answers.
- `scenewatch bench scrape` measures series a camera and the cost of a scrape.

`stage_delay_seconds` and the two alert latencies compare the wall clock at capture with the wall clock of whoever observes: on several
machines, keep their clocks together (NTP).
"""

TAIL: Final = """
Besides: `process_*` (processor seconds, resident memory, open files), `python_info` and `python_gc_*`, as prometheus-client gives them.
"""


def page() -> str:
    """Give the page as Markdown."""
    return HEAD + "\n" + "\n".join(_table()) + "\n" + TAIL


def _table() -> Iterator[str]:
    yield "| metric | kind | labels | meaning |"
    yield "|---|---|---|---|"
    for one in (*Metrics().described, *_gpus()):
        labels = ", ".join(f"`{label}`" for label in one.labels)
        bounds = f" Buckets: {' '.join(f'{bound:g}' for bound in one.buckets)}." if one.buckets else ""
        yield f"| `{one.name}` | {one.kind} | {labels} | {one.text}{bounds} |"


def _gpus() -> Iterator[Described]:
    for family in Gpus(None).describe():
        text = f"{family.documentation} Only where torch sees a GPU."
        yield Described(name=family.name, kind="gauge", labels=("device",), text=text)
