from pathlib import Path
from typing import Any

import pytest

from maskery.core.errors import BadRequest
from maskery.models.quantisation.quantise_request import QuantiseRequest

PLAIN: dict[str, Any] = {"folder": Path("f"), "name": "n", "validate": Path("d"), "calibrate": Path("d")}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"max_loss": -0.1}, "max_loss is -0.1"),
        ({"max_loss": 1.5}, "max_loss is 1.5"),
        ({"pictures": 7}, "Calibrate on 8 or more"),
        ({"keep_float": ("none", "first")}, "Leave one of them out"),
        ({"calibrate": None}, "--calibrate DATA"),
        ({"calibrate_split": "val"}, "judged by the pictures that it is calibrated on"),
        ({"calibrate_split": "val", "calibrate": Path("x/../d")}, "judged by the pictures"),
        ({"name": "A B"}, "cannot be a model's name"),
    ],
)
def test_orders_that_make_no_sense_are_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(BadRequest, match=said):
        QuantiseRequest(**PLAIN | wrong)


def test_fp16_needs_no_pictures_to_calibrate_on() -> None:
    assert QuantiseRequest(**PLAIN | {"to": "fp16", "calibrate": None, "calibrate_split": "val"}).to == "fp16"
