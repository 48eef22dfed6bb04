"""OpenVINO without its telemetry: everything of this project imports it from here.

`import openvino` reports each start to a statistics server, unless its package `openvino_telemetry` is missing: then it
uses a stand-in of its own that sends nothing. Cameras' programs tell nobody that they run, so the package is hidden.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import TypeAlias

import torch

from monitor.errors import ModelError

sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type] # an import of it fails from here on

import openvino  # noqa: E402
from openvino.frontend import FrontEndManager  # noqa: E402
from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder  # noqa: E402

Graph: TypeAlias = openvino.Model
Properties: TypeAlias = dict[str, str | int]


def version() -> str:
    """OpenVINO's version, without the build's name."""
    return str(openvino.get_version()).split("-")[0]


def convert(network: torch.nn.Module, example: torch.Tensor) -> Graph:
    """Make an OpenVINO graph of a network; the first axis of its input may then have any length."""
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch would rather export, which takes ten times as long
        traced = torch.jit.trace(network, example, check_trace=False)  # type: ignore[no-untyped-call]
    frontend = FrontEndManager().load_by_framework("pytorch")
    decoder = TorchScriptPythonDecoder(traced)  # must outlive the conversion
    graph = frontend.convert(frontend.load(decoder))
    graph.reshape([-1, *example.shape[1:]])
    return graph


def save(graph: Graph, path: Path) -> None:
    """Write a graph (.xml) and its float32 weights (.bin beside it)."""
    openvino.save_model(graph, path, compress_to_fp16=False)


def load(path: Path, properties: Properties) -> openvino.InferRequest:
    """Read a graph and compile it for the CPU. Raises ModelError if it can't be read."""
    core = openvino.Core()
    try:
        return core.compile_model(core.read_model(path), "CPU", properties).create_infer_request()
    except RuntimeError as error:
        raise ModelError(f"{path} can't be read: {error}. Remove {path.parent}: it is made again.") from error
