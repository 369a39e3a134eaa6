"""The peak of one piece of work can be measured without forgetting the one of all."""

import numpy as np
import pytest

from maskery.core import process_memory
from maskery.core.process_memory import peak_bytes, peak_since_reset, reset_peak, resident_bytes

MIB = 1 << 20


def test_the_peak_of_a_piece_of_work() -> None:
    if not reset_peak():
        pytest.skip("the peak cannot be reset here")
    before = resident_bytes()
    np.ones(60 * MIB, np.uint8)
    assert 55 * MIB <= peak_since_reset() - before < 70 * MIB
    most = peak_bytes()
    assert reset_peak()
    assert peak_since_reset() - before < 20 * MIB
    assert peak_bytes() >= most


def test_systems_that_do_not_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_memory, "_STATUS", process_memory.Path("/nowhere/status"))
    monkeypatch.setattr(process_memory, "_CLEAR", process_memory.Path("/nowhere/clear_refs"))
    monkeypatch.setattr(process_memory, "_before_resets", 0)
    assert not reset_peak()
    assert peak_bytes() == 0
