"""What a run takes is measured, not believed."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from maskery.core.arrays import Array
from maskery.core.process_memory import reset_peak
from maskery.inference.planning import footprint
from maskery.inference.planning.footprint import MARGIN, measure_footprint
from maskery.inference.planning.memory_plan import RUN_BYTES
from tests.inference.pointwise import PointWise, model


class Hungry(PointWise):
    """Takes 400 bytes a working pixel while it runs."""

    def run(self, inputs: Mapping[str, Array], keep: bool = True) -> dict[str, Array]:
        np.ones(400 * inputs["x"].shape[2] * inputs["x"].shape[3], np.uint8)
        return super().run(inputs)


def test_it_is_measured() -> None:
    if not reset_peak():
        pytest.skip("the peak cannot be reset here")
    card = model(side=512, multiple=32).card
    found = measure_footprint(Hungry("semantic", "logits"), card)
    assert 395 <= found.run / MARGIN < 440
    assert found.output == 3 * 4 / 64
    assert measure_footprint(replace(model(side=512)).session, card).run < 100


def test_where_it_cannot_be_measured_it_is_put_high(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(footprint, "reset_peak", lambda: False)
    toy = model()
    assert measure_footprint(toy.session, toy.card).run == pytest.approx(MARGIN * RUN_BYTES)
