"""The plan's estimate for a picture with faces holds against what a process takes."""

import json
import os
import subprocess
import sys

import pytest

from maskery import streaming
from maskery.process_memory import reset_peak
from tests.engine.test_memory_estimates import HIGH, LOW, MIB, SMALL
from tests.material import ROOT


def test_estimates_hold_for_faces() -> None:
    if not reset_peak():
        pytest.skip("the peak cannot be measured here")
    if not streaming.available():
        pytest.skip("needs the extra huge")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")])}
    command = [sys.executable, "-m", "tests.face_memory_probe"]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    cases = [json.loads(line) for line in run.stdout.splitlines()]
    assert len(cases) == 6
    wrong = [
        f"{what}: estimated {estimated / MIB:.0f} MiB, took {took / MIB:.0f}"
        for what, estimated, took in cases
        if took > LOW * estimated or estimated > HIGH * took + SMALL
    ]
    assert not wrong, "\n".join(wrong)
    assert "decode=bands" in cases[-1][0]
