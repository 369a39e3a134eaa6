"""What every result says of itself."""

from dataclasses import replace

import pytest

from maskery.core.boxes import Occurrence
from maskery.core.plan import Placement, Plan
from maskery.core.result.meta import Face, Faces
from tests.encode.results import halves, semantic

META = semantic(halves()).meta
PLAN = Plan(
    placement=Placement((768, 576), (384, 288), (384, 288), (0, 0)),
    working_wh=(384, 288),
    decode="reduced",
    reduce=2,
    banded=False,
    photo=None,
    need_bytes=3 << 20,
    budget_bytes=9 << 20,
    changed="To fit the memory: no tiles.",
)
FACE = Face((1.25, 2, 30, 40), 0.98765, (0, 0, 50.06, 50))


def test_a_colour_for_each_label() -> None:
    with pytest.raises(ValueError, match="3 labels but 2 colours"):
        replace(META, palette=META.palette[:2])


def test_shares_are_of_the_answers_grid_and_the_largest_comes_first() -> None:
    found = META.shares(
        [Occurrence(1, 48, (0, 0, 4, 12)), Occurrence(2, 96, (0, 0, 8, 12)), Occurrence(255, 9, (0,) * 4)]
    )
    assert [(share.name, share.share, share.colour) for share in found] == [
        ("dog", 0.5, (10, 240, 90)),
        ("cat", 0.25, (200, 30, 60)),
    ]


def test_background_by_its_name() -> None:
    assert META.background == 0
    assert replace(META, labels=("sky", "cat", "dog")).background is None


def test_without_a_plan_there_is_nothing_to_say_of_it() -> None:
    assert (META.plan_document(), META.plan_header(), META.note) == ({}, "", "")


def test_a_plan_with_and_without_faces() -> None:
    planned = replace(META, plan=PLAN)
    assert "faces" not in planned.plan_document()
    assert planned.plan_header() == (
        'decode=reduced:1/2; working=384x288; estimated_mb=3; budget_mb=9; changed="To fit the memory: no tiles."'
    )
    seen = replace(planned, faces=Faces((FACE,), 1))
    assert seen.plan_document() == planned.plan_document() | {
        "faces": [{"box": [1.2, 2, 30, 40], "score": 0.9877, "crop": [0, 0, 50.1, 50]}]
    }
    assert seen.plan_header() == planned.plan_header().replace("; changed", "; faces=1; changed")


def test_notes_on_faces() -> None:
    assert Faces((FACE,), 1).note == ""
    assert Faces((FACE,), 3).note == "3 faces were found; only the 1 surest were looked at."
    assert replace(META, faces=Faces((), 0)).note == "No face was found: all is background."
