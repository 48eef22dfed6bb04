import os
import subprocess
import sys
from pathlib import Path


def test_openvino_tells_nobody_that_it_runs(tmp_path: Path):
    """In a home of its own and not in CI, where OpenVINO would say so at its import, and keep count in ~/intel."""
    program = "import monitor.inference, openvino.tools.ovc.telemetry_utils as t; print(t.tm.__name__)"
    quiet = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)}
    said = subprocess.run([sys.executable, "-c", program], env=quiet, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "openvino.tools.ovc.telemetry_stub"
    assert list(tmp_path.iterdir()) == []
