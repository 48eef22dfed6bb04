"""What several boards ask, in PromQL. Names of metrics are written out, so that they can be searched for."""

from __future__ import annotations

from typing import Final

INFO: Final = 'scenewatch_camera_info{site=~"$site", camera=~"$camera"}'
"""The chosen cameras. Capture exports it; other processes know their cameras by name alone."""

SITES: Final = f"max by (camera, site) ({INFO})"

PROCESSES: Final = 'job=~".*scenewatch.*"'

STAGES: Final = 'stage=~"$stage"'

RARE: Final = "15m"
"""A window for what happens a few times an hour: in $__rate_interval there is mostly nothing."""

CODES: Final = {"live": 1, "ended": 2, "silent": 3, "connecting": 4, "frozen": 5, "blind": 6, "stalled": 7}
"""A camera can be in several states at once; the worst, which has the highest number, is shown."""


def here(vector: str) -> str:
    """Keep of a vector what is about the chosen cameras. A set operation: no two series of camera_info can make it fail."""
    return f"({vector} and on (camera) {INFO})"


def state() -> str:
    """Each camera's worst state, as its number in CODES."""
    states = " or ".join(f'scenewatch_camera_state{{state="{name}"}} * {code}' for name, code in CODES.items())
    return f"max by (camera) (({states}) and on (camera) {INFO})"


def gone() -> str:
    """Cameras that were there within the hour and of which no process speaks any more."""
    return f"max by (camera, site) (last_over_time({INFO}[1h])) unless on (camera) scenewatch_camera_info"


def quantile(q: float, metric: str, by: str = "", window: str = "$__rate_interval", where: str = "") -> str:
    """A quantile of a histogram, by some labels."""
    labels = f"{by}, le" if by else "le"
    return f"histogram_quantile({q}, sum by ({labels}) (rate({metric}_bucket{where}[{window}])))"


def in_time(window: str) -> str:
    """The share of alerts that came within the objective's 5 s, of those that somebody or something caused (not cameras' own states)."""
    within = f'sum(increase(scenewatch_capture_to_alert_seconds_bucket{{le="5.0", kind!="camera"}}[{window}]))'
    return f'{within} / sum(increase(scenewatch_capture_to_alert_seconds_count{{kind!="camera"}}[{window}]))'


def precision(by: str = "") -> str:
    """The share of alerts that people called right, of those that they judged."""
    grouped = f"sum by ({by}) " if by else "sum "
    return f"{grouped}({verdict('right')}) / ({grouped}({verdict('right|wrong')}) > 0)"


def verdict(which: str) -> str:
    """What people said of the alerts of the chosen cameras."""
    return here(f'scenewatch_feedback_total{{verdict=~"{which}"}}')
