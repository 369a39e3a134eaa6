"""The plan's estimate for a picture with faces holds against what a process takes."""

import pytest

from maskery.core.picture import stream
from maskery.core.process_memory import reset_peak
from tests.inference.planning.test_memory_estimates import probed


def test_estimates_hold_for_faces() -> None:
    if not reset_peak():
        pytest.skip("the peak cannot be measured here")
    if not stream.available():
        pytest.skip("needs the extra huge")
    cases = probed("tests.inference.faces.face_memory_probe")
    assert len(cases) == 6
    assert "decode=bands" in cases[-1]
