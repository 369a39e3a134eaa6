"""Which places answer for which boxes, and the loss of a batch.

Places: ATSS (arXiv 1912.02424): of each grid the nearest ones, those of them that overlap more than their own mean plus
their deviation. Loss: that of Generalized Focal Loss (arXiv 2006.04388): quality focal loss of the classes, GIoU and
distribution focal loss of the boxes.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from maskery.training.detection.box_labels import Targets
from maskery.training.detection.detection_head import BINS, STRIDES, boxes_of, centres

NEAREST = 9
ANCHOR = 5.0
"""Sides of the squares that stand for places when they are chosen, in strides."""
BOX_WEIGHT, DISTRIBUTION_WEIGHT = 2.0, 0.25
TINY = 1e-7


class Assigner:
    """For a square of ``side`` pixels."""

    def __init__(self, side: int, classes: int) -> None:
        self.points, self.strides = centres(side)
        self.classes = classes
        half = self.strides[:, None] * ANCHOR / 2
        self._squares = torch.cat([self.points - half, self.points + half], 1)
        sizes = [(side // stride) ** 2 for stride in STRIDES]
        self._starts = [sum(sizes[:i]) for i in range(len(sizes) + 1)]

    def assign(self, targets: Targets) -> tuple[Tensor, Tensor]:
        """The box of each place (A,), -1 = none, and which classes are judged there (A, classes) bool."""
        judged = torch.ones(len(self.points), self.classes, dtype=torch.bool)
        for x0, y0, x1, y1, label in targets.ignored.tolist():
            inside = self._inside(torch.tensor([[x0, y0, x1, y1]]))[:, 0]
            judged[inside, slice(None) if label < 0 else int(label)] = False
        owner = torch.full((len(self.points),), -1)
        if not len(targets.boxes):
            return owner, judged
        rows = torch.from_numpy(targets.boxes)
        overlaps = iou(self._squares[:, None], rows[None, :, :4])
        chosen = self._chosen(rows[:, :4], overlaps) & self._inside(rows[:, :4])
        lonely = ~chosen.any(0)
        chosen[self._distances(rows[lonely, :4]).argmin(0), lonely.nonzero()[:, 0]] = True
        best, owner_there = torch.where(chosen, overlaps, -1.0).max(1)
        owner[best >= 0] = owner_there[best >= 0]
        mine = owner >= 0
        judged[mine, rows[owner[mine], 4].long()] = True
        return owner, judged

    def _chosen(self, boxes: Tensor, overlaps: Tensor) -> Tensor:
        distances = self._distances(boxes)
        near = torch.zeros_like(distances, dtype=torch.bool)
        for start, end in zip(self._starts, self._starts[1:], strict=False):
            count = min(NEAREST, end - start)
            near[distances[start:end].topk(count, 0, largest=False).indices + start, torch.arange(len(boxes))] = True
        counts = near.sum(0)
        mean = (overlaps * near).sum(0) / counts
        deviation = (((overlaps - mean) ** 2 * near).sum(0) / (counts - 1).clamp(min=1)).sqrt()
        result: Tensor = near & (overlaps >= mean + deviation)
        return result

    def _distances(self, boxes: Tensor) -> Tensor:
        """Of all places to the middle of each box, (A, N)."""
        return torch.cdist(self.points, (boxes[:, :2] + boxes[:, 2:]) / 2)

    def _inside(self, boxes: Tensor) -> Tensor:
        x, y = self.points[:, :1], self.points[:, 1:]
        return (x > boxes[:, 0]) & (y > boxes[:, 1]) & (x < boxes[:, 2]) & (y < boxes[:, 3])


def iou(one: Tensor, other: Tensor) -> Tensor:
    """Intersection over union of boxes (..., 4), broadcast."""
    both, union, _ = _areas(one, other)
    return both / (union + TINY)


def _areas(one: Tensor, other: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Areas of intersection, union and hull."""
    size = (torch.minimum(one[..., 2:], other[..., 2:]) - torch.maximum(one[..., :2], other[..., :2])).clamp(min=0)
    hull = torch.maximum(one[..., 2:], other[..., 2:]) - torch.minimum(one[..., :2], other[..., :2])
    both = size.prod(-1)
    union = (one[..., 2:] - one[..., :2]).prod(-1) + (other[..., 2:] - other[..., :2]).prod(-1) - both
    return both, union, hull.prod(-1)


def detection_loss(
    logits: Tensor, distances: Tensor, targets: Sequence[Targets], assigner: Assigner
) -> tuple[Tensor, dict[str, float]]:
    """Of ``DetectionHead``'s output for a batch: the loss, and its parts with the mean IoU of the places of boxes."""
    pairs = [assigner.assign(one) for one in targets]
    owners, judged = torch.stack([owner for owner, _ in pairs]), torch.stack([known for _, known in pairs])
    picture, place = (owners >= 0).nonzero(as_tuple=True)
    rows = [torch.from_numpy(one.boxes)[owner[owner >= 0]] for one, owner in zip(targets, owners, strict=True)]
    true = torch.cat(rows)
    quality = torch.zeros_like(logits)
    points, strides = assigner.points[place], assigner.strides[place]
    own = distances[picture, place]
    predicted = boxes_of(own, points, strides)
    both, union, hull = _areas(predicted, true[:, :4])
    overlap = both / (union + TINY)
    label = true[:, 4].long()
    quality[picture, place, label] = overlap.detach().clamp(0, 1)
    weight = logits.detach().sigmoid().amax(-1)[picture, place] * true[:, 5]
    scores = F.binary_cross_entropy_with_logits(logits, quality, reduction="none")
    scores = scores * (logits.detach().sigmoid() - quality).square() * judged
    certain = torch.ones_like(scores)
    certain[picture, place, label] = true[:, 5]
    count = max(1.0, float(true[:, 5].sum()))
    of_classes = (scores * certain).sum() / count
    total = weight.sum().clamp(min=1.0)
    of_boxes = ((1 - overlap + (hull - union) / (hull + TINY)) * weight).sum() / total
    of_sides = (_distribution(own, points, strides, true[:, :4]) * weight).sum() / total
    loss = of_classes + BOX_WEIGHT * of_boxes + DISTRIBUTION_WEIGHT * of_sides
    parts = {"classes": of_classes, "boxes": of_boxes, "sides": of_sides, "iou": overlap.mean() if len(true) else total}
    return loss, {name: float(value.detach()) for name, value in parts.items()}


def _distribution(distances: Tensor, points: Tensor, strides: Tensor, boxes: Tensor) -> Tensor:
    """Distribution focal loss, the mean of the four sides, (P,)."""
    reach = torch.cat([points - boxes[:, :2], boxes[:, 2:] - points], 1) / strides[:, None]
    reach = reach.clamp(0, BINS - 1 - 0.01)
    low = reach.floor().long()
    upper = reach - low
    logs = distances.reshape(*distances.shape[:-1], 4, BINS).log_softmax(-1)
    first, second = (logs.gather(-1, one[..., None])[..., 0] for one in (low, low + 1))
    return -(first * (1 - upper) + second * upper).mean(1)
