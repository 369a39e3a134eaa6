import numpy as np
import torch

from maskery.core.arrays import Pixels
from maskery.inference.prompts.prompt_maps import BOX, FORMER, NEGATIVE, POSITIVE
from maskery.training.prompt_dialogue import Dialogue, best_of, drawn_generator, former_of, rounds_of
from maskery.training.recipe import PromptSpec


def truth(count: int = 6) -> Pixels:
    masks = np.zeros((count, 32, 40), np.uint8)
    masks[:, 8:24, 10:30] = 1
    masks[:, :, 36:] = 255
    return masks


def dialogue(**settings: float) -> Dialogue:
    spec = PromptSpec(**({"jitter": 0.0} | settings))  # type: ignore[arg-type]
    return Dialogue(truth(), spec, np.random.default_rng(0))


def test_a_box_is_the_object_s() -> None:
    prompts = dialogue(boxes=1.0, both=0.0).prompts()
    assert prompts.shape == (6, 4, 16, 20)
    assert prompts[:, BOX].sum((1, 2)).tolist() == [80.0] * 6
    assert not prompts[:, [POSITIVE, NEGATIVE, FORMER]].any()


def test_a_first_click_lies_on_the_object() -> None:
    talk = dialogue(boxes=0.0, both=0.0)
    for one in talk.asked:
        ((x, y),) = one.positive
        assert talk.truth[0, int(y * 2), int(x * 2)]
        assert one.box is None
    assert dialogue(boxes=0.0, both=1.0).prompts()[:, [POSITIVE, BOX]].amax((2, 3)).all()


def test_corrections_go_into_errors_and_show_the_former_mask() -> None:
    talk = dialogue(boxes=1.0, both=0.0, forget=0.0)
    lacking = torch.full((6, 32, 40), -4.0)
    lacking[:, 8:24, 10:16] = 4
    talk.correct(lacking)
    for one in talk.asked:
        ((x, y),) = one.positive
        assert 16 <= x * 2 < 30
        assert 8 <= y * 2 < 24
        assert one.former is not None
        np.testing.assert_allclose(one.former, former_of(lacking)[0])
    too_much = torch.full((6, 32, 40), 4.0)
    talk.correct(too_much)
    for one in talk.asked:
        ((x, y),) = one.negative
        assert not talk.truth[0, int(y * 2), int(x * 2)]
        assert talk.judged[0, int(y * 2), int(x * 2)]


def test_a_right_answer_needs_no_correction() -> None:
    talk = dialogue(boxes=1.0, both=0.0)
    before = talk.prompts()
    talk.correct(torch.from_numpy(np.where(talk.truth, 3.0, -3.0)))
    assert torch.equal(talk.prompts(), before)


def test_the_former_mask_is_shown_at_the_prompts_cells() -> None:
    logits = torch.full((1, 4, 4), -50.0)
    logits[0, :2, :1] = 50
    np.testing.assert_allclose(former_of(logits)[0], [[0.5, 0], [0, 0]], atol=1e-6)


def test_an_object_that_is_not_there_is_clicked_all_the_same() -> None:
    empty = Dialogue(np.zeros((2, 32, 32), np.uint8), PromptSpec(boxes=1.0, both=0.0), np.random.default_rng(1))
    assert [len(one.positive) for one in empty.asked] == [1, 1]


def test_the_surest_candidate_is_the_answer_and_draws_are_torch_s() -> None:
    logits = torch.arange(2 * 3 * 4.0).reshape(2, 3, 2, 2)
    best = best_of(logits, torch.tensor([[0.1, 0.9, 0.2], [0.8, 0.1, 0.3]]))
    assert torch.equal(best, torch.stack([logits[0, 1], logits[1, 0]]))
    torch.manual_seed(4)
    first = drawn_generator().random()
    torch.manual_seed(4)
    assert drawn_generator().random() == first
    drawn = {rounds_of(PromptSpec(rounds=3), np.random.default_rng(seed)) for seed in range(40)}
    assert drawn == {1, 2, 3}
