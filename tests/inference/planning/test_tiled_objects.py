"""Plans of looking for objects tile by tile: what is asked for first, then fewer and larger tiles."""

from dataclasses import replace

import pytest

from maskery.core.errors import TooLarge
from maskery.core.picture import decode
from maskery.core.plan import RunOptions
from maskery.inference.planning.header import facts_of
from maskery.inference.planning.memory_plan import PlanRequest, choose
from maskery.inference.planning.tiled_objects import object_tile_ways
from tests.inference.objects.object_cards import object_card
from tests.material import encoded, photo


def request(tile: int) -> PlanRequest:
    card = object_card("detection", {"y": ("object-rows", "NC")}, {"reader": "kept-rows"})
    picture = decode.open_picture(encoded(photo("chelsea"), "PNG"), max_bytes=1 << 24, max_pixels=1 << 24)
    return PlanRequest(facts=facts_of(picture), card=card, options=RunOptions(tile=tile), answer_bytes=0)


def test_tiles_grow_until_one_is_all() -> None:
    plans = list(object_tile_ways(request(50)))
    counts = [plan.tiles.count for plan in plans if plan.tiles]
    assert counts == sorted(counts, reverse=True)
    assert len(counts) == len(plans)
    assert counts[0] > 30
    assert counts[-1] == 1
    assert all(plan.alone and plan.decode == "whole" and not plan.banded for plan in plans)


def test_the_picture_as_a_whole_is_counted_and_too_little_is_refused() -> None:
    asked = request(50)
    plan = choose(asked, None, object_tile_ways)
    assert plan.need_bytes > 4 * asked.facts.pixels
    larger = replace(asked, facts=asked.facts.scaled(3.0))
    assert choose(larger, None, object_tile_ways).need_bytes > plan.need_bytes + 3 * 4 * asked.facts.pixels
    with pytest.raises(TooLarge, match="would fit"):
        choose(larger, plan.need_bytes, object_tile_ways)
