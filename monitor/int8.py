"""Matrices of a graph as int8: a quarter of the memory, and on CPUs that multiply int8 a third of the time.

Each row has a scale of its own, so that its largest number becomes 127 (Dettmers et al. 2022, arXiv 2208.07339, row-wise, without the
outliers' own way). OpenVINO scales what is multiplied with them as it goes, in groups of 32 numbers (its dynamic quantization).
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from monitor.inference import Graph, operations

MATRICES: Final = {"MatMul": 1, "Gather": 0}
"""Which input is the matrix: of a product by rows of outputs [out, in], of a table [rows, width]."""
SMALL: Final = 100_000
"""Matrices of fewer numbers are left alone: they cost nothing."""


def with_int8(graph: Graph) -> Graph:
    """The same graph, its large matrices of constants as int8 and their rows' scales."""
    for node in graph.get_ops():
        if node.get_type_name() in MATRICES:
            side = node.input(MATRICES[node.get_type_name()])
            matrix = side.get_source_output().get_node()
            if matrix.get_type_name() == "Constant" and _is_large(matrix.get_data()) and node.get_attributes().get("transpose_b", True):
                side.replace_source_output(_int8(matrix.get_data()).output(0))
    return graph


def _is_large(numbers: npt.NDArray[Any]) -> bool:
    return numbers.ndim == 2 and numbers.size >= SMALL


def _int8(matrix: npt.NDArray[Any]) -> Any:
    """Int8 times a scale for each row, as nodes of a graph."""
    largest = np.abs(matrix).max(axis=1, keepdims=True)
    scale = np.where(largest > 0, largest / 127, 1).astype(np.float32)
    return operations.multiply(
        operations.convert(operations.constant(np.round(matrix / scale).astype(np.int8)), "f32"), operations.constant(scale)
    )
