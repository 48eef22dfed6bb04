"""How a training went, as TensorBoard's event files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from monitor.errors import ConfigError
from workers.training.checkpoint import Curves


def write(curves: Curves, figures: Mapping[str, float], folder: Path) -> None:
    """Write curves and figures to a folder. Raises ConfigError where TensorBoard is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ConfigError("tensorboard: it is not installed. Install scenewatch[tensorboard], or leave the key out") from error
    with SummaryWriter(str(folder)) as writer:
        for step, value in enumerate(curves.taught, 1):
            writer.add_scalar("loss/taught", value, step)
        for step, value in zip(curves.looks, curves.held_out, strict=True):
            writer.add_scalar("loss/held out", value, step)
        for name, value in figures.items():
            writer.add_scalar(f"figures/{name}", value, len(curves.taught))
