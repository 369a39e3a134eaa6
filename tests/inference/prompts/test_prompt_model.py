"""Masks by prompt, from a network whose answers can be foreseen."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from maskery.core.arrays import Array
from maskery.core.errors import BadRequest
from maskery.core.picture.decode import open_picture
from maskery.core.plan import RunOptions
from maskery.core.prompt import Click, Prompt
from maskery.core.result.instances import CropMask, crop_mask
from maskery.core.result.prompted import PromptResult
from maskery.core.timing import Stopwatch
from maskery.inference.pipeline import Model
from maskery.inference.prompts.prompt_input import coarse_mask, prompt_of
from maskery.inference.prompts.prompt_model import PromptModel, open_prompt_model
from maskery.inference.runtimes.base import Session
from tests.inference.prompts.toy_prompt import scene, toy_card, write_toy

SIZE_WH = (120, 90)
THING = (40, 20, 80, 60)
MIDDLE = Prompt((Click(60, 40),))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> PromptModel:
    folder = write_toy(tmp_path_factory.mktemp("toy"))
    return open_prompt_model(toy_card(), [folder / "encoder.onnx", folder / "decoder.onnx"])


class Counted:
    """A ``Session`` that counts its runs."""

    def __init__(self, inner: Session) -> None:
        self.inner, self.runs = inner, 0
        self.device, self.runtime, self.batches = inner.device, inner.runtime, inner.batches

    def run(self, inputs: Mapping[str, Array], keep: bool = True) -> dict[str, Array]:
        self.runs += 1
        return self.inner.run(inputs, keep)


def counted(model: PromptModel) -> tuple[PromptModel, Counted, Counted]:
    encoder, decoder = Counted(model.session), Counted(model.decoder)
    return replace(model, session=encoder, decoder=decoder), encoder, decoder


def run(model: Model, prompt: Prompt | None, candidates: int = 1, size_wh: tuple[int, int] = SIZE_WH) -> PromptResult:
    picture = open_picture(scene(size_wh, THING), max_bytes=1 << 30, max_pixels=1 << 30)
    result = model.run(picture, RunOptions(prompt=prompt, candidates=candidates))
    assert isinstance(result, PromptResult)
    return result


def edges(mask: CropMask) -> tuple[int, ...]:
    """Left, top, right, bottom."""
    return (*mask.left_top, *(start + length for start, length in zip(mask.left_top, mask.size_wh, strict=True)))


def test_a_click_cuts_out_the_thing_at_the_pictures_pixels(model: PromptModel) -> None:
    (found,) = run(model, MIDDLE).instances
    assert found.mask is not None
    mask = found.mask.placed(SIZE_WH)
    truth = scene(SIZE_WH, THING)[..., 0] > 0
    assert (mask & truth).sum() / (mask | truth).sum() > 0.93
    assert found.score == pytest.approx(0.9)
    assert (found.id, found.class_id) == (1, 1)
    assert found.box_xyxy == edges(found.mask)


def test_candidates_come_best_first(model: PromptModel) -> None:
    corner = np.zeros(SIZE_WH[::-1], np.bool_)
    corner[:10, :10] = True
    previous = coarse_mask(crop_mask(corner), SIZE_WH)
    found = run(model, Prompt((Click(60, 40),), previous=previous), 3).instances
    assert [one.id for one in found] == [1, 2, 3]
    assert [one.score for one in found] == pytest.approx([0.9, 0.5, 0.2])
    assert found[2].box_xyxy[2] < 20, "the previous mask is shown to the network where it was"


def test_a_box_says_what_is_meant_and_a_negative_click_what_is_not(model: PromptModel) -> None:
    half = prompt_of(box=(40, 20, 60, 60))
    (boxed,) = run(model, half).instances
    assert boxed.box_xyxy == pytest.approx((40, 20, 60, 60), abs=2)
    (clicked,) = run(model, replace(half, clicks=(Click(50, 30, positive=False),))).instances
    assert clicked.area < boxed.area
    assert clicked.mask is not None
    assert not clicked.mask.placed(SIZE_WH)[30, 50]


@pytest.mark.parametrize("size_wh", [(97, 61), (61, 97), (1000, 70), (33, 33)])
def test_masks_of_odd_sizes_lie_where_the_thing_is(model: PromptModel, size_wh: tuple[int, int]) -> None:
    width, height = size_wh
    thing = (width // 4, height // 4, width // 2 + 1, height // 2 + 3)
    embedded = model.embed(scene(size_wh, thing))
    for prompt in (prompt_of(box=thing), prompt_of([((thing[0] + thing[2]) / 2, (thing[1] + thing[3]) / 2)])):
        (found,) = model.decode(embedded, prompt)
        step = 2 * max(size_wh) / 64  # a cell of the logits
        assert edges(found.mask) == pytest.approx(thing, abs=step + 1)


def test_a_picture_is_embedded_once(model: PromptModel) -> None:
    watched, encoder, decoder = counted(replace(model))
    picture = open_picture(scene(SIZE_WH, (5, 5, 110, 85)), max_bytes=1 << 30, max_pixels=1 << 30)
    watched.run(picture, RunOptions(prompt=Prompt()))
    assert (encoder.runs, decoder.runs) == (1, 0)
    for count in (1, 2, 3):
        clicks = tuple(Click(60 + i, 40) for i in range(count))
        watched.run(picture, RunOptions(prompt=Prompt(clicks)))
    assert encoder.runs == 1
    assert decoder.runs == 3, "each click is answered once; its answer is shown to the next one"


def test_clicks_all_at_once_and_one_by_one_have_the_same_answer(model: PromptModel) -> None:
    clicks = (Click(60, 40), Click(45, 25), Click(70, 50, positive=False))
    one_by_one = model.embed(scene(SIZE_WH, THING))
    for count in (1, 2):
        model.decode(one_by_one, Prompt(clicks[:count]))
    at_once = model.embed(scene(SIZE_WH, THING))
    (first,), (second,) = (model.decode(embedded, Prompt(clicks)) for embedded in (one_by_one, at_once))
    np.testing.assert_array_equal(first.mask.counts, second.mask.counts)


def test_a_boxed_thing_is_looked_at_from_near_and_so_are_its_clicks(model: PromptModel) -> None:
    watched, encoder, _ = counted(model)
    thing = (501, 303, 591, 365)
    embedded = watched.embed(scene((1200, 800), thing))
    (boxed,) = watched.decode(embedded, prompt_of(box=thing))
    assert edges(boxed.mask) == pytest.approx(thing, abs=4), "from far off, one cell of the logits is 37 pixels"
    (corrected,) = watched.decode(embedded, prompt_of([(546, 334)], box=thing))
    assert edges(corrected.mask) == pytest.approx(thing, abs=4)
    assert encoder.runs == 2, "the whole picture, and the window around the box"
    watched.decode(embedded, prompt_of([(546, 334), (1100, 700)], box=thing))
    assert encoder.runs == 2, "a click beyond the window: all of the picture again"


def test_many_boxes_are_run_together(model: PromptModel) -> None:
    watched, encoder, decoder = counted(model)
    boxes = np.array([[40, 20, 80, 60], [40, 20, 60, 40], [0, 0, 20, 20], [500, 500, 600, 600]] * 3, np.float32)
    masks = list(watched.from_boxes(scene(SIZE_WH, THING), boxes))
    assert (encoder.runs, decoder.runs) == (2, 2)
    assert len(masks) == 12
    assert masks[0].area == pytest.approx(40 * 40, rel=0.05)
    assert masks[1].area == pytest.approx(20 * 20, rel=0.15)
    assert masks[2].area == masks[3].area == 0
    assert list(watched.from_boxes(scene(SIZE_WH, THING), np.zeros((0, 4), np.float32))) == []


def test_without_a_prompt_there_is_no_answer(model: PromptModel) -> None:
    with pytest.raises(BadRequest, match="points or a box"):
        run(model, None)
    assert run(model, Prompt()).instances == ()


def test_a_plan_says_what_it_takes_and_stages_are_timed(model: PromptModel) -> None:
    picture = open_picture(scene((640, 480), THING), max_bytes=1 << 30, max_pixels=1 << 30)
    measured = model.measured()
    plan = measured.plan(picture, RunOptions(prompt=MIDDLE))
    assert plan.alone
    assert 640 * 480 * 3 < plan.need_bytes < 256 << 20
    watch = Stopwatch()
    measured.follow(plan, picture, watch)
    assert {"decode", "run", "postprocess"} <= set(watch.timings_ms)


def test_a_prompt_beyond_the_picture_is_refused(model: PromptModel) -> None:
    for prompt in (prompt_of([(121, 5)]), prompt_of(box=(130, 0, 150, 20)), prompt_of([(5, 5)], [False])):
        with pytest.raises(BadRequest):
            run(model, prompt)


def test_the_files_of_a_model_are_read_from_its_folder(tmp_path: Path) -> None:
    from maskery.models.segmenter import load

    assert isinstance(load(str(write_toy(tmp_path / "toy"))).model, PromptModel)
