"""Which place answers for which box, and that the loss falls to what it should where the answer is right."""

import numpy as np
import torch

from maskery.training.detection.box_labels import Targets
from maskery.training.detection.detection_head import BINS
from maskery.training.detection.detection_loss import Assigner, detection_loss, iou

SIDE, CLASSES = 64, 3
Rows = list[list[float]]


def targets(boxes: Rows, ignored: Rows | None = None) -> Targets:
    rows, others = np.array(boxes, np.float32).reshape(-1, 6), np.array(ignored or [], np.float32).reshape(-1, 5)
    return Targets(rows, others)


def test_places_lie_in_their_box_and_every_box_has_one() -> None:
    assigner = Assigner(SIDE, CLASSES)
    large, tiny = [8.0, 8, 56, 56, 1, 1], [60.5, 1, 63, 3, 2, 1]
    owner, _ = assigner.assign(targets([large, tiny]))
    points = assigner.points[owner == 0]
    assert len(points) > 0
    assert bool(((points > 8) & (points < 56)).all())
    assert int((owner == 1).sum()) == 1
    assert int((owner == -1).sum()) > len(owner) / 2


def test_ignored_boxes_silence_one_class_or_all() -> None:
    assigner = Assigner(SIDE, CLASSES)
    _, judged = assigner.assign(targets([], [[0, 0, 32, 64, 1], [32, 0, 64, 64, -1]]))
    left = assigner.points[:, 0] < 32
    assert judged[left][:, [0, 2]].all()
    assert not judged[left][:, 1].any()
    assert not judged[~left].any()


def test_intersection_over_union() -> None:
    assert iou(torch.tensor([[0.0, 0, 10, 10]]), torch.tensor([[5.0, 0, 15, 10]])).item() == np.float32(1 / 3)


def test_the_right_answer_costs_less_than_others() -> None:
    assigner = Assigner(SIDE, CLASSES)
    truth = targets([[16, 16, 48, 48, 1, 1]])
    owner, _ = assigner.assign(truth)
    right = (torch.full((1, len(owner), CLASSES), -8.0), _distances(assigner, (16, 16, 48, 48)))
    right[0][0, owner == 0, 1] = 8.0
    wrong_class = (right[0].roll(1, 2), right[1])
    shifted = (right[0], _distances(assigner, (26, 16, 58, 48)))
    costs = [float(detection_loss(*one, [truth], assigner)[0]) for one in (right, wrong_class, shifted)]
    assert costs[0] < 0.8 * costs[1]
    assert costs[0] < 0.8 * costs[2]


def test_a_picture_without_boxes_learns_that_there_are_none() -> None:
    assigner = Assigner(SIDE, CLASSES)
    logits = torch.zeros(1, len(assigner.points), CLASSES, requires_grad=True)
    loss, parts = detection_loss(logits, torch.zeros(1, len(assigner.points), 4 * BINS), [targets([])], assigner)
    loss.backward()
    assert logits.grad is not None
    assert bool((logits.grad > 0).all())
    assert parts["boxes"] == 0


def _distances(assigner: Assigner, box: tuple[float, float, float, float]) -> torch.Tensor:
    """Sure of the sides of ``box``, from every place, as far as the bins reach."""
    x, y = assigner.points.T
    reach = torch.stack([x - box[0], y - box[1], box[2] - x, box[3] - y], 1) / assigner.strides[:, None]
    reach = reach.clamp(0, BINS - 1.01)
    low = reach.floor().long()
    bins = torch.full((*reach.shape, BINS), -30.0)
    bins.scatter_(2, low[..., None], torch.log(1 - (reach - low) + 1e-9)[..., None])
    bins.scatter_(2, low[..., None] + 1, torch.log(reach - low + 1e-9)[..., None])
    return bins.flatten(1)[None]
