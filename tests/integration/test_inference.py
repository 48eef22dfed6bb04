import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from monitor import inference


def test_openvino_tells_nobody_that_it_runs(tmp_path: Path):
    """In a home of its own and not in CI, where OpenVINO would say so at its import, and keep count in ~/intel."""
    program = "import monitor.inference, openvino.tools.ovc.telemetry_utils as t; print(t.tm.__name__)"
    quiet = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)}
    said = subprocess.run([sys.executable, "-c", program], env=quiet, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "openvino.tools.ovc.telemetry_stub"
    assert list(tmp_path.iterdir()) == []


THREADS = """
import monitor.things
from threadpoolctl import threadpool_info

print(*(pool["num_threads"] for pool in threadpool_info() if pool["internal_api"] == "openblas"))
"""


@pytest.mark.parametrize(("chosen", "threads"), [({}, "1"), ({"OPENBLAS_NUM_THREADS": "2"}, "2")])
def test_numpys_products_take_no_core_from_the_networks_unless_they_are_to(chosen: dict[str, str], threads: str):
    """Its idle threads spin: with them a picture took twice the processor time."""
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"} | chosen
    said = subprocess.run([sys.executable, "-c", THREADS], env=environment, capture_output=True, text=True, check=True)
    assert said.stdout.split() == [threads]


def test_threads_run_on_whichever_core_is_free(tmp_path: Path):
    """OpenVINO ties one thread to the first core while it infers: three networks, or processes, would share that one."""
    ends = inference.operations.parameter([1, 256, 256], np.float32)
    product = inference.operations.matmul(ends, ends, transpose_a=False, transpose_b=True)
    inference.save(inference.graph([product], [ends]), tmp_path / "model.xml")
    request = inference.load(tmp_path / "model.xml", threads=1)
    found, ended, here = set(), threading.Event(), f"/proc/self/task/{threading.get_native_id()}/status"

    def look() -> None:
        while not ended.is_set():
            found.update(line for line in Path(here).read_text().splitlines() if line.startswith("Cpus_allowed_list"))

    looking = threading.Thread(target=look)
    looking.start()
    for _ in range(500):
        request.infer([np.zeros((1, 256, 256), np.float32)])
    ended.set()
    looking.join()
    assert len(found) == 1


def test_networks_are_computed_in_the_precision_that_they_were_taught_in(tmp_path: Path):
    """Many a CPU knows bfloat16, which OpenVINO takes by itself, and a test that runs on another one sees nothing of it."""
    ends = inference.operations.parameter([1, 64], np.float32)
    inference.save(inference.graph([inference.operations.relu(ends)], [ends]), tmp_path / "model.xml")
    compiled = inference.load(tmp_path / "model.xml", threads=1).get_compiled_model()
    assert compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name() == "f32"


RACE = """
import os, sys, threading
import numpy as np
from monitor import config
from monitor.language import text_encoder
from monitor.vision import picture_encoder

sys.setswitchinterval(1e-5)
models = config.Models()
sees, reads, both = picture_encoder(models), text_encoder(models), threading.Barrier(2)

def see():
    both.wait()
    sees([np.zeros((224, 224, 3), np.uint8)])

def read():
    both.wait()
    reads(["help"])

threads = [threading.Thread(target=job) for job in (see, read)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
os._exit(0)
"""


@pytest.mark.parametrize("_again", range(4))
def test_two_threads_that_infer_at_once_for_the_first_time_do_not_wait_for_each_other(_again: int) -> None:
    """Five in twelve did, for ever, while nothing had been inferred before."""
    subprocess.run([sys.executable, "-c", RACE], check=True, timeout=60)
