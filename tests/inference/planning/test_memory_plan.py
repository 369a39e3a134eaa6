"""What is chosen where memory is short, and what is said about it."""

import re
from dataclasses import replace
from typing import Any

import pytest

from maskery.core.card import ModelCard
from maskery.core.errors import TooLarge
from maskery.core.picture import stream
from maskery.core.plan import PLAIN, Demand, RunOptions
from maskery.inference.planning.header import PictureFacts
from maskery.inference.planning.memory_plan import Footprint, PlanRequest, choose
from tests.inference.pointwise import model

MIB = 1 << 20
BANDS = Demand(bands=True, held=0.5)
SMALL = Footprint(170, 6)


def png(width: int, height: int) -> PictureFacts:
    return PictureFacts(
        size_wh=(width, height),
        orientation=1,
        format="PNG",
        source_bytes=width * height,
        always_bytes=0,
        pillow=4,
        beside=0.0,
        copied=False,
        why_whole="",
    )


def jpeg(width: int, height: int, always: int = 0) -> PictureFacts:
    return replace(png(width, height), format="JPEG", source_bytes=width * height // 6, always_bytes=always)


def card(**input: object) -> ModelCard:
    return model(**{"side": 384, "multiple": 32, "max_side": 1024, **input}).card  # type: ignore[arg-type]


def wanted(
    facts: PictureFacts,
    demand: Demand = BANDS,
    options: RunOptions = PLAIN,
    footprint: Footprint = SMALL,
    **others: Any,
) -> PlanRequest:
    request = PlanRequest(facts=facts, card=card(), demand=demand, options=options, footprint=footprint)
    return replace(request, **others)


def test_without_a_budget_nothing_is_changed() -> None:
    plan = choose(wanted(png(8000, 6000)))
    assert (plan.decode, plan.banded, plan.changed, plan.budget_bytes) == ("whole", False, "", None)
    assert plan.working_wh == (384, 288)
    assert plan.need_bytes > 4 * 8000 * 6000


def test_a_large_jpeg_is_decoded_reduced() -> None:
    plan = choose(wanted(jpeg(8000, 6000)))
    assert (plan.decode, plan.reduce) == ("reduced", 8)
    assert plan.document()["decode"] == "reduced 1/8"
    assert plan.need_bytes < choose(wanted(png(8000, 6000))).need_bytes


def test_a_progressive_jpeg_is_held_whatever_its_reduction() -> None:
    plain, progressive = jpeg(8000, 6000), jpeg(8000, 6000, always=6 * 8000 * 6000)
    more = choose(wanted(progressive)).need_bytes - choose(wanted(plain)).need_bytes
    assert more >= 130 * MIB


def test_first_the_map_is_packed_then_the_picture_read_in_bands() -> None:
    assert stream.available()
    facts = png(8000, 6000)
    free = choose(wanted(facts))
    banded = choose(wanted(facts), free.need_bytes - 1)
    assert (banded.decode, banded.banded, banded.working_wh) == ("bands", False, (384, 288))
    assert "read in bands of rows" in banded.changed
    both = choose(wanted(facts), banded.need_bytes - 1)
    assert (both.decode, both.banded, both.working_wh) == ("bands", True, (384, 288))
    assert "compressed" in both.changed


def test_then_the_working_side_shrinks_in_steps_of_the_model() -> None:
    big = wanted(jpeg(1000, 750), footprint=Footprint(1000, 6), options=RunOptions(max_side=1024))
    free = choose(big)
    assert free.working_wh == (1024, 768)
    less = choose(big, free.need_bytes // 2)
    assert less.max_side is not None
    assert less.max_side % 32 == 0
    assert less.need_bytes <= free.need_bytes // 2
    next_side = choose(replace(big, options=RunOptions(max_side=less.max_side + 32)))
    assert next_side.need_bytes > free.need_bytes // 2
    assert "instead of 1024 x 768" in less.changed


def test_small_squares_shrink_by_sixteen() -> None:
    square = card(resize="square", side=512, multiple=16, min_side=16)
    big = wanted(jpeg(600, 600), card=square, footprint=Footprint(1000, 6))
    plan = choose(big, choose(big).need_bytes * 2 // 3)
    assert plan.working_wh[0] == plan.working_wh[1]
    assert plan.working_wh[0] % 16 == 0


def test_the_size_that_would_fit_does_and_a_larger_one_does_not() -> None:
    for facts in (png(8000, 6000), jpeg(8000, 6000)):
        for demand in (Demand(photo=True, held=6), BANDS):
            with pytest.raises(TooLarge) as caught:
                choose(wanted(facts, demand), 34 * MIB)
            said = re.search(r"One of (\d+) x (\d+) pixels would fit", caught.value.cure)
            assert said, caught.value.cure
            width = int(said[1])
            assert choose(wanted(facts.scaled(width / 8000), demand), 34 * MIB)
            with pytest.raises(TooLarge):
                choose(wanted(facts.scaled((width + 40) / 8000), demand), 34 * MIB)


def test_what_else_would_help_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TooLarge, match="ask for format mask"):
        choose(wanted(png(8000, 6000), Demand()), 80 * MIB)
    webp = replace(png(8000, 6000), format="WEBP", why_whole="WEBP files are decoded as a whole")
    with pytest.raises(TooLarge, match="save it as a plain PNG or JPEG: WEBP files"):
        choose(wanted(webp), 80 * MIB)
    with pytest.raises(TooLarge, match="No picture fits"):
        choose(wanted(png(8000, 6000)), MIB)
    monkeypatch.setattr(stream, "available", lambda: False)
    with pytest.raises(TooLarge, match=r"maskery\[huge\]"):
        choose(wanted(png(8000, 6000)), 160 * MIB)


def test_huge_pictures_are_tiled_and_more_coarsely_where_memory_is_short() -> None:
    huge = wanted(png(20_000, 20_000), footprint=Footprint(170, 84))
    plan = choose(huge)
    assert plan.tiles is not None
    assert (plan.decode, plan.banded) == ("bands", True)
    assert plan.working_wh == (384, 384)
    assert plan.tiles.side == pytest.approx(4 * 384, rel=0.02)
    assert plan.need_bytes - 400_000_000 < 700 * MIB
    less = choose(huge, plan.need_bytes - 30 * MIB)
    assert less.tiles is not None
    assert less.tiles.side > plan.tiles.side
    assert "instead of" in less.changed


def test_huge_pictures_are_not_tiled_where_that_is_not_wished() -> None:
    assert choose(wanted(png(20_000, 20_000), options=RunOptions(tile=0))).tiles is None
    assert choose(wanted(png(1000, 1000))).tiles is None
    tiles = choose(wanted(png(1000, 1000), options=RunOptions(tile=300))).tiles
    assert tiles is not None
    assert tiles.count > 9


def test_the_plan_as_a_header() -> None:
    plan = choose(wanted(png(20_000, 20_000)), 1 << 40)
    assert re.fullmatch(
        r"decode=bands; working=384x384; tiles=\d+x\d+px; estimated_mb=\d+; budget_mb=1048576", plan.header()
    )
