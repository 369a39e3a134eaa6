"""One box for each object: the surest ones, where boxes of one class overlap."""

import numpy as np

from maskery.core.arrays import Doubles, Floats, Indices, Integers


def suppressed(boxes: Floats, scores: Floats, class_ids: Integers, overlap: float, most: int) -> Indices:
    """Class-wise non-maximum suppression: the places of the boxes that stay, the surest first, at most ``most``.

    ``boxes``: (N, 4) left, top, right, bottom; ``scores``: (N,); ``class_ids``: (N,). A box goes where a surer one of
    its class overlaps it by more than ``overlap`` (intersection over union). Equal scores stay in their order.
    """
    order = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    while len(order) and len(kept) < most:
        best, rest = int(order[0]), order[1:]
        kept.append(best)
        same = (class_ids[rest] == class_ids[best]) & (overlaps(boxes[best], boxes[rest]) > overlap)
        order = rest[~same]
    return np.array(kept, np.intp)


def overlaps(box: Floats, others: Floats) -> Doubles:
    """(N,): intersection over union, 0 to 1, of a box (4,) with ``others``, (N, 4)."""
    shared = shared_areas(box, others)
    together = areas(box[None]) + areas(others) - shared
    return np.divide(shared, together, out=np.zeros_like(shared), where=together > 0)


def shared_areas(box: Floats, others: Floats) -> Doubles:
    """(N,): the area that a box (4,) has in common with each of ``others``, (N, 4)."""
    corner = np.minimum(box[2:], others[:, 2:]).astype(np.float64) - np.maximum(box[:2], others[:, :2])
    sides: Doubles = np.maximum(corner, 0)
    return sides[:, 0] * sides[:, 1]


def areas(boxes: Floats) -> Doubles:
    """(N,): of boxes (N, 4); 0 of one that is turned round."""
    sides: Doubles = np.maximum(boxes[:, 2:].astype(np.float64) - boxes[:, :2], 0)
    return sides[:, 0] * sides[:, 1]
