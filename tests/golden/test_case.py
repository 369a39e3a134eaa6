"""Golden cases: what makes no difference, what makes one, and how it is said."""

import json
from typing import Any

import numpy as np
import pytest
from PIL import Image

import maskery
from tests.golden import pictures
from tests.golden.case import Case, array_case, case_of, differences

ANSWER: dict[str, Any] = {
    "software": f"Maskery {maskery.__version__}",
    "classes": [{"name": "cat", "share": 0.25}, {"name": "dog", "share": 0.75}],
    "plan": {"estimated_mb": 24, "decode": "whole"},
    "timings_ms": {"run": 12.5},
}


def of(**changes: Any) -> Case:
    return case_of(json.dumps(ANSWER | changes).encode(), status=200)


def test_versions_times_and_estimates_make_no_difference() -> None:
    other = of(software="Maskery 9.1.0rc2", plan={"estimated_mb": 99, "decode": "whole"}, timings_ms={"run": 1.0})
    assert differences("a", of(), other, exact=True) == []


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"plan": {"estimated_mb": 24, "decode": "rows"}}, ["a: other bytes in plan"]),
        ({"timings_ms": {"find": 1.0}}, ["a: other bytes in timings_ms"]),
        (
            {"classes": [{"name": "cat", "share": 0.25}, {"name": "dgo", "share": 0.75}]},
            ["a: dgo was 0.0000, is 0.7500", "a: dog was 0.7500, is 0.0000", "a: other bytes in classes"],
        ),
        ({"more": 1}, ["a: keys was", "a: other bytes in more"]),
    ],
)
def test_all_that_differs_is_said(changes: dict[str, Any], says: list[str]) -> None:
    found = differences("a", of(), of(**changes), exact=True)
    assert len(found) == len(says)
    for line, start in zip(found, says, strict=True):
        assert line.startswith(start)


def test_on_another_machine_shares_may_stray_a_little() -> None:
    near = of(
        classes=[{"name": "cat", "share": 0.256}, {"name": "dog", "share": 0.742}, {"name": "cow", "share": 0.002}]
    )
    far = of(classes=[{"name": "cat", "share": 0.27}, {"name": "dog", "share": 0.73}])
    assert differences("a", of(), near, exact=False) == []
    assert len(differences("a", of(), near, exact=True)) == 4
    assert differences("a", of(), far, exact=False) == ["a: cat was 0.2500, is 0.2700", "a: dog was 0.7500, is 0.7300"]


def test_a_case_that_is_missing_is_a_difference() -> None:
    assert differences("a", of(), None, exact=False) == ["a: no longer answered"]
    assert differences("a", None, of(), exact=False) == ["a: not recorded"]


def test_a_palette_a_pixel_and_a_type_make_a_difference() -> None:
    plain = Image.new("P", (8, 4))
    plain.putpalette([1, 2, 3])
    colour, pixel = plain.copy(), plain.copy()
    colour.putpalette([1, 2, 4])
    pixel.putpixel((7, 3), 1)
    cases = [case_of(pictures.file_of(picture)) for picture in (plain, colour, pixel)]
    assert differences("a", cases[0], cases[1], exact=True) == ["a: other bytes, the same pixels"]
    assert differences("a", cases[0], cases[2], exact=True)[0] == "a: 0 was 1.0000, is 0.9688"
    ids = np.zeros((2, 2), np.uint8)
    found = differences("a", array_case(ids), array_case(ids.astype(np.uint16)), exact=False)
    assert found == ["a: dtype was 'uint8', is 'uint16'"]
