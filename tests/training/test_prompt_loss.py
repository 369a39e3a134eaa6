import pytest
import torch

from maskery.training.prompt_loss import prompt_loss


def example() -> tuple[torch.Tensor, torch.Tensor]:
    truth = torch.zeros(1, 12, 12, dtype=torch.uint8)
    truth[:, 3:9, 3:9] = 1
    right = torch.where(truth == 1, 20.0, -20.0)[:, None]
    return truth, right


def test_right_candidates_with_right_scores_cost_nothing() -> None:
    truth, right = example()
    loss = prompt_loss(right.expand(1, 3, 12, 12), torch.ones(1, 3), truth, 3.0)
    assert loss.item() == pytest.approx(0, abs=1e-4)
    assert prompt_loss(right.expand(1, 3, 12, 12), torch.zeros(1, 3), truth, 3.0).item() == pytest.approx(1, abs=1e-4)


def test_the_first_learns_and_of_the_others_mostly_the_best() -> None:
    truth, right = example()
    logits = torch.cat([0.05 * right, 0.1 * right, -0.05 * right], 1).requires_grad_()
    prompt_loss(logits, torch.ones(1, 3), truth, 0.0).backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    first, best, worst = (logits.grad[0, k].abs().sum().item() for k in range(3))
    assert first > 5 * worst
    assert best > 5 * worst
    assert worst > 0


def test_pixels_that_are_not_judged_do_not_count() -> None:
    truth, right = example()
    wrong = right.clone()
    wrong[:, :, :, 10:] = 20
    truth[:, :, 10:] = 255
    assert prompt_loss(wrong.expand(1, 3, 12, 12), torch.ones(1, 3), truth, 3.0).item() == pytest.approx(0, abs=1e-4)


def test_an_error_at_the_outline_costs_more() -> None:
    truth, right = example()
    at_edge, far = right.clone(), right.clone()
    at_edge[..., 2, 5] = 20
    far[..., 0, 0] = 20
    costs = [prompt_loss(x.expand(1, 3, 12, 12), torch.ones(1, 3), truth, 3.0).item() for x in (at_edge, far)]
    assert costs[0] > 1.5 * costs[1]
