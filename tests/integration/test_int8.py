from pathlib import Path

import numpy as np
import pytest
import torch

from monitor import inference
from monitor.int8 import with_int8


class Reads(torch.nn.Module):
    """Numbers of words to a table's rows, through a large matrix and a small one."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.table, self.large, self.small = torch.nn.Embedding(500, 256), torch.nn.Linear(256, 512), torch.nn.Linear(512, 8)
        with torch.no_grad():
            self.table.weight[3] = 0.0  # a row of nothing has no scale

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Turn int64 [n, words] into float32 [n, words, 8]."""
        made: torch.Tensor = self.small(torch.relu(self.large(self.table(ids))))
        return made


@pytest.fixture(scope="module")
def network() -> Reads:
    return Reads().eval()


def test_large_matrices_take_a_quarter_and_say_nearly_the_same(network: Reads, tmp_path: Path):
    ids = torch.arange(500)[None]
    for name, change in (("whole", lambda graph: graph), ("int8", with_int8)):
        inference.save(change(inference.convert(network, [ids], free=2)), tmp_path / name / "model.xml")
    whole, small = ((tmp_path / name / "model.bin").stat().st_size for name in ("whole", "int8"))
    assert 0.25 < small / whole < 0.3  # the small matrix, offsets and scales are as they were
    said = inference.load(tmp_path / "int8" / "model.xml", threads=1).infer([ids.numpy()], share_inputs=True)[0]
    expected = network(ids).detach().numpy()
    assert np.isfinite(said).all()
    assert np.corrcoef(said.ravel(), expected.ravel())[0, 1] > 0.999


def test_a_matrix_is_left_alone_where_its_rows_are_no_outputs():
    ends = inference.operations.parameter([1, 512], np.float32)
    matrix = inference.operations.constant(np.ones((512, 512), np.float32))
    graph = inference.graph([inference.operations.matmul(ends, matrix, transpose_a=False, transpose_b=False)], [ends])
    assert {node.get_type_name() for node in with_int8(graph).get_ops()} == {"Parameter", "Constant", "MatMul", "Result"}
