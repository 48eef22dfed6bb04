"""OpenVINO without its telemetry: everything of this project imports it from here.

`import openvino` reports each start to a statistics server, unless its package `openvino_telemetry` is missing: then it
uses a stand-in of its own that sends nothing. Cameras' programs tell nobody that they run, so the package is hidden.
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from monitor.cache import cache_dir, place_folder
from monitor.errors import ModelError
from monitor.models import Located

if TYPE_CHECKING:
    import torch

sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type] # an import of it fails from here on

import openvino  # noqa: E402

Graph: TypeAlias = openvino.Model
operations: Any = openvino.opset13
"""What a graph is made of, where it is put together by hand."""


def convert(network: torch.nn.Module, examples: Sequence[torch.Tensor], *, free: int) -> Graph:
    """Make an OpenVINO graph of a network; the first `free` axes of its inputs may then have any length."""
    import torch  # noqa: PLC0415 (takes seconds, and who finds the graph kept needs none of it)
    from openvino.frontend import FrontEndManager  # noqa: PLC0415 (the same)
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder  # noqa: PLC0415 (the same)

    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch would rather export, which takes ten times as long
        warnings.simplefilter("ignore", torch.jit.TracerWarning)  # type: ignore[attr-defined] # tests compare graph and network, at other lengths too
        traced = torch.jit.trace(network, tuple(examples), check_trace=False)  # type: ignore[no-untyped-call]
    frontend = FrontEndManager().load_by_framework("pytorch")
    decoder = TorchScriptPythonDecoder(traced)  # must outlive the conversion
    graph = frontend.convert(frontend.load(decoder))
    graph.reshape({at: openvino.PartialShape([*([-1] * free), *example.shape[free:]]) for at, example in enumerate(examples)})
    return graph


def read(path: Path) -> Graph:
    """Read a model of any form that OpenVINO knows, as TensorFlow's SavedModel. Raises ModelError."""
    try:
        return openvino.Core().read_model(path)
    except RuntimeError as error:
        raise ModelError(f"{path} can't be read: {error}") from error


def graph(results: Sequence[Any], parameters: Sequence[Any]) -> Graph:
    """A graph from its ends."""
    return openvino.Model([operations.result(end) for end in results], list(parameters))


def kept(located: Located, make: Callable[[Located], Graph], *code: Path) -> Path:
    """A model as OpenVINO's files, made once for these weights, this OpenVINO and this code, and kept in the cache folder."""
    written = hashlib.sha256(b"".join(path.read_bytes() for path in code)).hexdigest()[:8]
    version = str(openvino.get_version()).split("-")[0]  # without the build's name
    folder = cache_dir() / "openvino" / f"{located.name}-{located.sha256[:12]}-{written}-{version}"
    path = folder / "model.xml"
    if path.is_file():
        return path
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as scratch:
        made = Path(scratch, "made")
        save(make(located), made / "model.xml")
        place_folder(made, folder)
    return path


def save(graph: Graph, path: Path) -> None:
    """Write a graph and, beside it, its weights, as they are."""
    openvino.save_model(graph, path, compress_to_fp16=False)


def load(path: Path, threads: int, shape: Sequence[int] | None = None) -> openvino.InferRequest:
    """Read a graph and compile it for the CPU, for one input at a time; 0 threads: as many as it likes. Raises ModelError.

    With `shape` its one input is given that shape. It is computed in float32, as it was taught: left alone, OpenVINO takes bfloat16
    wherever a CPU knows it, which gives other numbers on other machines, and takes longer where it is AVX-512 that does it.

    Its threads run on whichever core is free: OpenVINO would tie a single one to the first core while it infers, and so each process
    and each network of a process to the same. It has inferred once when this returns. If two threads do so for the first time together,
    OpenVINO 2026.4's bindings hang: one holds Python's lock and waits for a table that the other is making, which waits for Python's
    lock. The first real inference is not the slow one either.
    """
    limit = {"INFERENCE_NUM_THREADS": threads} if threads else {}
    chosen = {"PERFORMANCE_HINT": "LATENCY", "ENABLE_CPU_PINNING": False, "INFERENCE_PRECISION_HINT": "f32", **limit}
    core = openvino.Core()
    try:
        graph = core.read_model(path)
        if shape is not None:
            graph.reshape(openvino.PartialShape([*shape]))
        request = core.compile_model(graph, "CPU", chosen).create_infer_request()
        request.infer([_nothing(port) for port in request.model_inputs], share_inputs=True)
    except RuntimeError as error:
        raise ModelError(f"{path} can't be read: {error}. Remove {path.parent}: it is made again.") from error
    return request


def _nothing(port: Any) -> npt.NDArray[Any]:
    """Zeros that fit an input, one where any length does."""
    return np.zeros([1 if side.is_dynamic else side.get_length() for side in port.partial_shape], port.element_type.to_dtype())
