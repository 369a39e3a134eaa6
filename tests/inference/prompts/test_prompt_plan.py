"""What prompts take, before a picture is decoded."""

import io

import pytest
from PIL import Image

from maskery.core.errors import TooLarge
from maskery.core.picture.decode import open_picture
from maskery.core.plan import RunOptions
from maskery.inference.pipeline import Model
from maskery.inference.planning.header import facts_of
from maskery.inference.planning.memory_plan import PlanRequest, choose
from maskery.inference.prompts.prompt_input import prompt_of
from maskery.inference.prompts.prompt_plan import prompt_ways
from tests.inference.prompts.toy_prompt import toy_card


def request(side: int) -> PlanRequest:
    file = io.BytesIO()
    Image.new("RGB", (side, side)).save(file, "PNG")
    picture = open_picture(file.getvalue(), max_bytes=1 << 30, max_pixels=1 << 30)
    return PlanRequest(
        facts=facts_of(picture), card=toy_card(), options=RunOptions(prompt=prompt_of([(1, 1)])), divisible=False
    )


def test_larger_pictures_need_more_and_are_kept_smaller() -> None:
    small, large = (choose(request(side), None, prompt_ways) for side in (200, 2000))
    assert small.need_bytes < large.need_bytes < small.need_bytes + 12 * 2000**2 + (64 << 20)
    assert small.alone
    assert not small.banded


def test_what_fits_nowhere_is_refused() -> None:
    with pytest.raises(TooLarge, match="MiB"):
        choose(request(2000), 12 << 20, prompt_ways)


def test_a_plan_is_the_models_own() -> None:
    assert Model.plan is not None
    plan = choose(request(300), 1 << 30, prompt_ways)
    assert plan.working_wh == (64, 64)
    assert plan.budget_bytes == 1 << 30
