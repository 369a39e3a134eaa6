"""Estimates of memory hold against what a process takes: not much too low, and not twice too high."""

import json
import os
import subprocess
import sys

import pytest

from maskery.core.process_memory import reset_peak
from tests.material import ROOT

MIB = 1 << 20
LOW, HIGH, SMALL = 1.15, 2.0, 40 * MIB
"""The measured peak is at most ``LOW`` times the estimate; the estimate at most ``HIGH`` times that, and ``SMALL``."""


def probed(module: str) -> list[str]:
    """Runs ``module`` in a process of its own; what its cases are called. Fails where an estimate does not hold."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")])}
    command = [sys.executable, "-m", module]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    cases = [json.loads(line) for line in run.stdout.splitlines()]
    wrong = [
        f"{what}: estimated {estimated / MIB:.0f} MiB, took {took / MIB:.0f}"
        for what, estimated, took in cases
        if took > LOW * estimated or estimated > HIGH * took + SMALL
    ]
    assert not wrong, "\n".join(wrong)
    return [what for what, *_ in cases]


@pytest.mark.slow
def test_estimates_hold() -> None:
    if not reset_peak():
        pytest.skip("the peak cannot be measured here")
    cases = probed("tests.inference.planning.memory_probe")
    assert len(cases) == 26
    assert {"decode=bands", "decode=whole", "decode=reduced:1"} <= {
        what.split(": ")[1].split("/")[0].split(";")[0] for what in cases
    }
