"""What is pointed at, as data: what is refused, and what is put right."""

import math
import pickle

import numpy as np
import pytest

from maskery.core.errors import BadRequest
from maskery.core.plan import RunOptions
from maskery.core.prompt import Click, Prompt
from maskery.core.result.instances import crop_mask
from maskery.inference.prompts.prompt_input import (
    COARSE_SIDE,
    MOST_CLICKS,
    check_candidates,
    coarse_mask,
    fitted,
    prompt_of,
    shares_of_cells,
    text_box,
    text_click,
)

SIZE_WH = (640, 480)


def test_points_are_positive_unless_labels_say_otherwise() -> None:
    assert prompt_of([(1, 2), (3, 4)]).clicks == (Click(1, 2), Click(3, 4))
    assert [click.positive for click in prompt_of([(1, 2), (3, 4)], [True, False]).clicks] == [True, False]
    assert prompt_of().empty


def test_a_box_may_be_turned_round_and_reach_beyond_the_picture() -> None:
    turned = prompt_of(box=(700, 300, 100, -20))
    assert turned.box_xyxy == (100, -20, 700, 300)
    assert fitted(turned, SIZE_WH).box_xyxy == (100, 0, 640, 300)


@pytest.mark.parametrize(
    ("points", "labels", "box", "said"),
    [
        ([(math.nan, 3)], None, None, "2 finite"),
        ([(1, 2, 3)], None, None, "2 finite"),
        ([(1e400, 0)], None, None, "2 finite"),
        ([(1, 2)], [True, False], None, "1 points and 2 labels"),
        ([(1, 1)] * 10_000, None, None, f"at most {MOST_CLICKS}"),
        ((), None, (1, 2, 3), "4 finite"),
        ((), None, (1, 2, 3, math.inf), "4 finite"),
    ],
)
def test_what_is_no_prompt_is_refused(
    points: list[tuple[float, ...]], labels: list[bool] | None, box: tuple[float, ...] | None, said: str
) -> None:
    with pytest.raises(BadRequest, match=said):
        prompt_of(points, labels, box)


@pytest.mark.parametrize(
    "prompt",
    [
        prompt_of([(-1, 5)]),
        prompt_of([(5, 481)]),
        prompt_of([(5, 5)], [False]),
        prompt_of(box=(10, 10, 10.5, 300)),
        prompt_of(box=(700, 10, 900, 300)),
        Prompt((Click(1, 1),), None, coarse_mask(crop_mask(np.ones((481, 640), np.bool_)), (640, 481))),
    ],
)
def test_what_does_not_fit_the_picture_is_refused(prompt: Prompt) -> None:
    with pytest.raises(BadRequest):
        fitted(prompt, SIZE_WH)


def test_the_rough_shape_of_a_mask() -> None:
    mask = np.zeros((300, 200), np.bool_)
    mask[20:220, 50:90] = True
    mask[20:120, 50:70] = False
    found = coarse_mask(crop_mask(mask), (200, 300))
    assert found is not None
    assert found.box_xyxy == (50, 20, 90, 220)
    shares = shares_of_cells(found)
    assert shares.shape == (COARSE_SIDE, 40)
    assert shares[:60, :20].max() == 0
    assert shares[70:].min() == 1
    assert coarse_mask(crop_mask(np.zeros((3, 3), np.bool_)), (3, 3)) is None


def test_a_prompt_pickles_compares_and_is_a_key() -> None:
    prompt = Prompt((Click(1.5, 2),), (0.0, 1.0, 2.0, 3.0), coarse_mask(crop_mask(np.eye(9, dtype=np.bool_)), (9, 9)))
    same = pickle.loads(pickle.dumps(prompt))
    assert same == prompt
    assert {prompt: 1}[same] == 1
    assert "prompt" not in repr(RunOptions(prompt=prompt)), "ETags of answers without prompts are of this text"


def test_points_and_boxes_as_text() -> None:
    assert text_click(" 12.5, 3") == Click(12.5, 3)
    assert text_click("12,3,-") == Click(12, 3, positive=False)
    assert text_click("12,3,+") == Click(12, 3)
    assert text_box("10, 20,5,2") == (5, 2, 10, 20)
    assert text_box(" ") is None
    for text in ("12", "a,b", "1,2,x", "1,2,3,4", ""):
        with pytest.raises(BadRequest):
            text_click(text)
    with pytest.raises(BadRequest):
        text_box("1,2,3")


def test_an_answer_has_one_to_three_candidates() -> None:
    assert check_candidates(3) == 3
    for count in (0, 4):
        with pytest.raises(BadRequest, match="1 to 3"):
            check_candidates(count)
