"""A result as the shapes that CVAT is answered with: one an object, or of a class map one a class."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from maskery.core.arrays import Integers
from maskery.core.result.capabilities import HasClassMap, HasInstances, Result, capable, expect
from maskery.core.result.instances import CropMask, Instance, crop_mask
from maskery.core.result.meta import Meta
from maskery.core.result.types import SemanticResult
from maskery.encode.options import Options
from maskery.encode.selection import shown
from maskery.encode.vector.outlines import outlines, single_ring

POLYGONS = Options(tolerance=1.0, min_area=16)
NOWHERE = 255


@dataclass(frozen=True)
class CvatShape:
    """``points``: x, y, x, y ... of a polygon; of a mask its run lengths and corners, as CVAT's SDK has them.

    ``score``: 0 to 1; None where the model has none.
    """

    class_id: int
    kind: Literal["mask", "polygon"]
    points: list[float]
    score: float | None


def mask_shapes(result: Result, least_score: float = 0.0) -> Iterator[tuple[CvatShape, CropMask]]:
    """Each object of at least ``least_score``, or each class but background, with its mask.

    Raises ``BadRequest`` for a result without masks.
    """
    if objects := capable(result, HasInstances):
        for one in objects.instances:
            if one.mask and one.mask.area and one.score >= least_score:
                yield CvatShape(one.class_id, "mask", mask_points(one.mask), one.score), one.mask
        return
    mapped = expect(result, HasClassMap)
    for share in shown(mapped):
        mask = crop_mask(mapped.class_map == share.id)
        yield CvatShape(share.id, "mask", mask_points(mask), None), mask


def polygon_shapes(result: Result, least_score: float = 0.0) -> Iterator[CvatShape]:
    """The same as polygons, one a connected piece; holes are joined to the outline by cuts of no width.

    Raises ``BadRequest`` for a result without masks.
    """
    if objects := capable(result, HasInstances):
        for one in objects.instances:
            if one.mask and one.mask.area and one.score >= least_score:
                alone = _outlined(_alone(one, one.mask, result.meta), one.score)
                yield from (replace(shape, class_id=one.class_id) for shape in alone)
        return
    yield from _outlined(expect(result, HasClassMap), None)


def mask_points(mask: CropMask) -> list[float]:
    """Run lengths row by row, zeros first, and left, top, right, bottom, both inclusive."""
    (left, top), (width, height) = mask.left_top, mask.size_wh
    counts: Integers = mask.counts
    return [*counts.tolist(), left, top, left + width - 1, top + height - 1]


def _outlined(result: HasClassMap, score: float | None) -> Iterator[CvatShape]:
    for polygon in outlines(result, POLYGONS).polygons:
        yield CvatShape(polygon.id, "polygon", single_ring(polygon).astype(np.float64).reshape(-1).tolist(), score)


def _alone(one: Instance, mask: CropMask, meta: Meta) -> SemanticResult:
    """One object as a class map in which everything else has no class."""
    class_map = np.where(mask.placed(meta.frame.size_wh), np.uint8(0), np.uint8(NOWHERE))
    labels, palette = (meta.labels[one.class_id],), (meta.palette[one.class_id],)
    return SemanticResult(
        meta=replace(meta, labels=labels, palette=palette), class_map=class_map, decided_by="objects", kept=labels
    )
