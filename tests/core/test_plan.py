"""A plan is plain data."""

import pickle
from dataclasses import replace

import pytest

from maskery.core.plan import Placement, Plan, RunOptions, TileGrid

GRID = TileGrid(
    picture_wh=(800, 600),
    content_wh=(200, 150),
    whole_wh=(224, 160),
    tile_wh=(128, 96),
    lefts=(0, 96),
    tops=(0, 64),
    unit=32,
)
PLAN = Plan(
    options=RunOptions(classes=("cat",), maps=("entropy",)),
    placement=Placement((800, 600), (64, 64), (64, 48), (0, 8)),
    working_wh=(64, 64),
    decode="reduced",
    reduce=4,
    banded=False,
    photo="whole",
    need_bytes=3 << 20,
    budget_bytes=1 << 30,
)


@pytest.mark.parametrize("plan", [PLAN, replace(PLAN, tiles=GRID, decode="bands", banded=True)])
def test_a_plan_pickles(plan: Plan) -> None:
    assert pickle.loads(pickle.dumps(plan)) == plan


def test_what_is_worked_on_alone() -> None:
    assert not PLAN.alone
    assert replace(PLAN, tiles=GRID).alone
    assert replace(PLAN, max_faces=4).alone


def test_a_plan_in_answers() -> None:
    assert PLAN.document() == {
        "decode": "reduced 1/4",
        "working": {"width": 64, "height": 64},
        "tiles": None,
        "estimated_mb": 3,
        "budget_mb": 1024,
        "changed": "",
    }
    tiled = replace(PLAN, tiles=GRID, changed="To fit the memory: no tiles.")
    assert tiled.document()["tiles"] == {"side": 512, "overlap": 128, "count": 4}
    assert tiled.header(["faces=2"]) == (
        "decode=reduced:1/4; working=64x64; tiles=4x512px; estimated_mb=3; budget_mb=1024; faces=2; "
        'changed="To fit the memory: no tiles."'
    )
