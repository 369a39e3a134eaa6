import platform
import subprocess
import sys

import pytest

from tests.material import shared

FAULTS = """
import resource, sys
from pathlib import Path
import numpy as np
from maskery.engine.runtimes import open_session
from maskery.zoo.catalog import catalog
card = catalog()["deeplabv3-mobilenetv2-voc-257"]
session = open_session(card, Path(sys.argv[1]), "cpu", 1)
faults = []
for _ in range(10):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    session.run(np.zeros((1, 257, 257, 3), np.float32))
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
print(sorted(faults)[5])
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="it is glibc that has to be told")
def test_a_run_finds_the_memory_of_the_one_before() -> None:
    model = shared("models/deeplabv3-mobilenetv2-voc-257.onnx")
    done = subprocess.run([sys.executable, "-c", FAULTS, str(model)], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 500, "some 2700 pages are mapped and cleared anew in each run"
