"""Detection and instance segmentation: single objects, as boxes or with masks, by the readers that cards name."""

from collections.abc import Iterable, Iterator

import numpy as np

from maskery.core.arrays import Doubles, Floats, Integers
from maskery.core.card import ModelCard
from maskery.core.errors import TooLarge
from maskery.core.plan import PLAIN
from maskery.core.result.instances import Box, CropMask, Instance, InstanceResult
from maskery.inference.objects.readers import Candidates, ObjectOutputs, chosen, read_candidates
from maskery.inference.objects.resize_back import boxes_in_picture, cut_boxes, mask_in_box, mask_of_box
from maskery.inference.objects.suppression import suppressed
from maskery.inference.tasks.base import ModelOutput, Task

MOST_COVERED = 32
"""Times the picture's area that the boxes of all masks may cover together: it bounds time and memory of a request."""
MASK_BYTES = 2
"""That the runs of all masks may hold, a pixel of the answer, as the plan counts them."""
LEAST_BYTES = 1 << 20


def read(model_output: ModelOutput) -> InstanceResult:
    """Objects in pixels of the answer, surest first, ids from 1; masks are cut to their boxes.

    Of an instance model an object without a single pixel is none. Raises ``ModelError`` where an output does not fit
    the card, ``TooLarge`` where masks would take more than the plan has for them.
    """
    found = kept(model_output)
    boxes = boxes_in_picture(found.boxes, model_output.placement)
    size_wh = model_output.placement.original_wh
    if found.mask_of:
        expect_room(listed(cut_boxes(boxes, size_wh)), size_wh[0] * size_wh[1])
    masks = masks_of(found, boxes, model_output) if found.mask_of else None
    return listing(model_output, boxes, found.scores, found.class_ids, masks)


def listing(
    model_output: ModelOutput, boxes: Doubles, scores: Floats, class_ids: Integers, masks: Iterable[CropMask] | None
) -> InstanceResult:
    """The result of objects, surest first. ``boxes``: (N, 4) in pixels of the answer; ``scores`` and ``class_ids``:
    (N,); ``masks``: one each, made one after another, or None.

    Raises ``TooLarge`` where masks would take more than the plan has for them.
    """
    width, height = model_output.placement.original_wh
    rows = listed(cut_boxes(boxes, (width, height)))
    instances: list[Instance] = []
    held = 0
    each: Iterable[CropMask | None] = [None] * len(rows) if masks is None else masks
    for box, mask, score, class_id in zip(rows, each, scores.tolist(), class_ids.tolist(), strict=True):
        held += 0 if mask is None else mask.counts.nbytes
        if held > MASK_BYTES * width * height + LEAST_BYTES:
            raise TooLarge(f"The masks of {len(rows)} objects take too much memory.", "Ask for fewer: max_objects.")
        if box[2] > box[0] and box[3] > box[1] and (mask is None or mask.area):
            number = len(instances) + 1
            score = min(1.0, score)
            instances.append(Instance(id=number, class_id=class_id, score=score, box_xyxy=box, mask=mask))
    return InstanceResult(model_output.meta, tuple(instances))


def expect_room(boxes: list[Box], pixels: int) -> None:
    """Raises ``TooLarge`` where the masks of these boxes, surest first, are more than a picture of ``pixels`` may have.

    They cover ``MOST_COVERED`` times its area at most.
    """
    covered = np.cumsum([(right - left) * (bottom - top) for left, top, right, bottom in boxes])
    if len(covered) and covered[-1] > MOST_COVERED * pixels:
        fitting = int(np.searchsorted(covered, MOST_COVERED * pixels, side="right"))
        raise TooLarge(
            f"The boxes of {len(boxes)} objects cover {covered[-1] / pixels:.0f} times the picture, more than "
            f"{MOST_COVERED}: their masks would not fit the memory.",
            f"Ask for fewer: max_objects={max(1, fitting)}, or a higher score.",
        )


def limits(model_output: ModelOutput) -> tuple[float, float, int]:
    """``score``, ``overlap`` and ``max_objects``: the caller's, or else the card's."""
    options, spec = model_output.plan.options if model_output.plan else PLAIN, model_output.card.objects
    assert spec is not None, "a card of a task of objects says how they are read"
    score = spec.score if options.score is None else options.score
    overlap = spec.overlap if options.overlap is None else options.overlap
    return score, overlap, options.max_objects or spec.max_objects


def kept(model_output: ModelOutput, most: int | None = None) -> Candidates:
    """Those that the caller asked for, each once, surest first; at most ``most``, None = as many as were asked for."""
    card, classes = model_output.card, model_output.plan.options.classes if model_output.plan else ()
    score, overlap, asked = limits(model_output)
    outputs = ObjectOutputs(model_output.outputs, card, model_output.placement.working_wh, score)
    found = read_candidates(outputs)
    if classes:
        wanted = [card.labels.index(name) for name in classes]
        found = chosen(found, np.flatnonzero(np.isin(found.class_ids, wanted)))
    return chosen(found, suppressed(found.boxes, found.scores, found.class_ids, overlap, most or asked))


def listed(boxes: Doubles) -> list[Box]:
    """(N, 4) as plain numbers."""
    return [(box[0], box[1], box[2], box[3]) for box in boxes.tolist()]


def masks_of(found: Candidates, boxes: Doubles, model_output: ModelOutput) -> Iterator[CropMask]:
    """One at a time: each straight to its runs. ``boxes``: in pixels of the picture, not cut at its edges."""
    placement = model_output.placement
    cut = listed(cut_boxes(boxes, placement.original_wh))
    for place, (box, inside) in enumerate(zip(listed(boxes), cut, strict=True)):
        assert found.mask_of is not None, "boxes only have no masks"
        logits = found.mask_of(place)
        if found.covers == "box":
            yield mask_of_box(logits, box, placement.original_wh)
        else:
            yield mask_in_box(logits, placement, inside)


def _no_map(card: ModelCard, maps: int) -> int:
    """Boxes take nothing a pixel."""
    return 0


def _mask_bytes(card: ModelCard, maps: int) -> int:
    return MASK_BYTES


DETECTION = Task(
    name="detection",
    title="Object Detection",
    noun="a detection model",
    results=InstanceResult,
    read=read,
    answer_bytes=_no_map,
    joins=True,
)
INSTANCE = Task(
    name="instance",
    title="Instance Segmentation",
    noun="an instance model",
    results=InstanceResult,
    read=read,
    answer_bytes=_mask_bytes,
    joins=True,
)
