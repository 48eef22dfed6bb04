"""Memory and use of GPUs, asked for when Prometheus scrapes; registered by processes that have loaded torch anyway."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector


class Gpus(Collector):
    """The GPUs that `torch.cuda`, or whatever is given in its place, sees."""

    def __init__(self, cuda: Any) -> None:
        self._cuda = cuda

    def describe(self) -> list[GaugeMetricFamily]:
        """The families, without asking any GPU."""
        return [
            GaugeMetricFamily("scenewatch_gpu_memory_used_bytes", "Memory in use, by whomever.", labels=["device"]),
            GaugeMetricFamily("scenewatch_gpu_memory_total_bytes", "Memory there is.", labels=["device"]),
            GaugeMetricFamily("scenewatch_gpu_utilization_ratio", "Share of the last second in which it computed.", labels=["device"]),
        ]

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Ask every GPU; what the driver does not tell is left out."""
        used, total, busy = self.describe()
        for number in range(self._cuda.device_count()):
            device = str(number)
            free, there = self._cuda.mem_get_info(number)
            used.add_metric([device], there - free)
            total.add_metric([device], there)
            try:
                busy.add_metric([device], self._cuda.utilization(number) / 100)
            except (ModuleNotFoundError, RuntimeError):  # needs nvidia-ml-py
                continue
        yield from (family for family in (used, total, busy) if family.samples)


def watch(cuda: Any, registry: CollectorRegistry) -> None:
    """Ask these GPUs at every scrape; a process that loads several stages does so once."""
    with suppress(ValueError):  # it is registered
        registry.register(Gpus(cuda))
