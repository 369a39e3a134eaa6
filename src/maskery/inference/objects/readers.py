"""What networks say of single objects, in many forms, as candidates in one form. The card's ``objects.reader`` chooses.

Boxes are left, top, right, bottom in working pixels. Rows are read as float32.

- ``distances`` (NanoDet, Generalized Focal Loss, arXiv 2006.04388): for each stride the scores of all classes of each
  cell, and four distances from its middle to the box's sides, each a distribution over 0, 1, 2, ... strides.
- ``grid`` (YOLOX, arXiv 2107.08430): rows of x, y from the cell's corner in strides, logarithms of width and height in
  strides, the object's probability, those of the classes.
- ``kept-rows``: rows of box, score, class, coefficients, already suppressed in the network.
- ``raw-rows`` (YOLOv8 and later): rows of centre x, y, width, height, the classes' scores, coefficients.
- ``cropped-masks`` (Mask R-CNN as torchvision exports it): boxes, scores, classes and a mask each.
- ``centres`` (Panoptic-DeepLab, arXiv 1911.10194): scores of the classes of each pixel, how likely it is the centre of
  an object, and how far down and right the centre of its own object is, in pixels of the map.
- ``queries`` (DETR, Mask2Former): logits of the classes with "no object" as the last, and a mask each.

Coefficients (N, K) are of the output ``prototypes`` (K, h, w): their product is the logits of a mask (YOLACT, arXiv
1904.02689).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from maskery.core.arrays import Array, Floats, Indices, Integers
from maskery.core.card import ModelCard, ObjectReader, Objects
from maskery.core.card_tensors import Output, OutputRole
from maskery.core.errors import ModelError

MOST_CANDIDATES = 4096
"""The surest ones; of more, most are the same objects again."""
LEAST_HEAT, PEAK, MOST_CENTRES = 0.1, 3, 200
"""Of centres, as Panoptic-DeepLab has them: the least probability, of how many pixels each way the most, how many."""
LARGEST_EXPONENT = 20.0  # of a width or height in strides; more is no box

MaskOf = Callable[[int], Floats]
"""(place of a candidate) -> the logits of its mask, (h, w)."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Candidates:
    """Objects of one picture as the network gives them, in no order.

    Attributes:
        boxes: (N, 4), left, top, right, bottom in working pixels.
        scores: (N,), 0..1.
        class_ids: (N,), of the card's labels.
        mask_of: The logits of a candidate's mask; None of a network that gives boxes only.
        covers: What a mask covers: all of the working picture, or its box.
    """

    boxes: Floats
    scores: Floats
    class_ids: Integers
    mask_of: MaskOf | None = None
    covers: Literal["picture", "box"] = "picture"


@dataclass(frozen=True)
class ObjectOutputs:
    """The outputs of one picture by role. ``working_wh``: of the picture's tensor. ``score``: the least that counts."""

    outputs: Mapping[str, Array]
    card: ModelCard
    working_wh: tuple[int, int]
    score: float

    @property
    def objects(self) -> Objects:
        """How they are read."""
        assert self.card.objects is not None, "a card of a task of objects says how they are read"
        return self.card.objects

    def all(self, role: OutputRole) -> list[Floats]:
        """Of each output of this role, without batch: (N, K), of C (N,), of NHW (N, h, w), of planes (C, h, w)."""
        return [self._plain(one) for one in self.card.outputs if one.role == role]

    def one(self, role: OutputRole) -> Floats | None:
        """Of the first one; None where there is none."""
        return next(iter(self.all(role)), None)

    def need(self, role: OutputRole) -> Floats:
        """Of the first one, which the card has."""
        return self.all(role)[0]

    def logits(self, role: OutputRole) -> bool:
        """Whether the first output of this role gives logits."""
        found = self.card.output_of(role)
        return found is not None and found.logits

    def wrong(self, what: str) -> ModelError:
        """The error for outputs that do not fit the card."""
        return ModelError(f"{self.card.name} gave {what}.", "Correct objects.reader, layouts and labels of its card.")

    def _plain(self, spec: Output) -> Floats:
        values, axes = self.outputs[spec.tensor], {"C": 1, "NC": 2, "CN": 2, "HW": 2}.get(spec.layout, 3)
        if spec.layout == "HW" and values.size == values.shape[-1] * values.shape[-2]:
            values = values.reshape(values.shape[-2:])
        elif spec.layout == "NHW" and values.ndim == 4 and values.shape[1] == 1:
            values = values[:, 0]  # one channel a mask
        elif values.ndim == axes + 1 and values.shape[0] == 1:
            values = values[0]
        if values.ndim != axes:
            raise self.wrong(f"shape {values.shape} for {spec.tensor!r} of layout {spec.layout}")
        if spec.layout == "HW":
            values = values[None]
        elif spec.layout == "CN":
            values = values.T
        elif spec.layout == "HWC":
            values = values.transpose(2, 0, 1)
        plain: Floats = values.astype(np.float32, copy=False)
        return plain


def read_candidates(outputs: ObjectOutputs) -> Candidates:
    """Those with a score of at least ``outputs.score``, of a known class, whose box has finite corners and a size.

    Raises ``ModelError`` where an output does not fit the card.
    """
    found = READERS[outputs.objects.reader](outputs)
    boxes, ids = found.boxes, found.class_ids
    with np.errstate(invalid="ignore"):
        good = np.isfinite(boxes).all(1) & (boxes[:, 2:] > boxes[:, :2]).all(1) & (found.scores >= outputs.score)
    places = np.flatnonzero(good & (ids >= 0) & (ids < len(outputs.card.labels)))
    return chosen(found, places)


def chosen(candidates: Candidates, places: Indices) -> Candidates:
    """Only those at ``places``, in their order."""
    mask_of = candidates.mask_of
    return Candidates(
        boxes=candidates.boxes[places],
        scores=candidates.scores[places],
        class_ids=candidates.class_ids[places],
        mask_of=None if mask_of is None else lambda place: mask_of(int(places[place])),
        covers=candidates.covers,
    )


def _distances(outputs: ObjectOutputs) -> Candidates:
    found = []
    for stride, scores, sides in zip(
        outputs.objects.strides, outputs.all("object-scores"), outputs.all("object-boxes"), strict=True
    ):
        middles = _cells(outputs.working_wh, stride) + np.float32(0.5 * stride + outputs.objects.shift)
        if len(scores) != len(middles) or len(sides) != len(middles) or sides.shape[1] % 4:
            raise outputs.wrong(f"shapes {scores.shape} and {sides.shape} for {len(middles)} cells of stride {stride}")
        rows, ids, sure = _sure(_probabilities(scores, outputs.logits("object-scores")), outputs)
        shares = _softmax(sides[rows].reshape(len(rows), 4, sides.shape[1] // 4))
        distances = (shares @ np.arange(shares.shape[2], dtype=np.float32)) * np.float32(stride)
        corners = [middles[rows] - distances[:, :2], middles[rows] + distances[:, 2:]]
        found.append((np.concatenate(corners, axis=1), sure, ids))
    boxes, scores, ids = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return Candidates(boxes=boxes, scores=scores, class_ids=ids)


def _grid(outputs: ObjectOutputs) -> Candidates:
    rows, strides = outputs.need("object-rows"), outputs.objects.strides
    corners = [_cells(outputs.working_wh, stride) for stride in strides]
    each = np.repeat(np.array(strides, np.float32), [len(grid) for grid in corners])
    if len(rows) != len(each) or rows.shape[1] < 6:
        raise outputs.wrong(f"shape {rows.shape} for {len(each)} cells")
    places, ids, sure = _sure(rows[:, 4:5] * rows[:, 5:], outputs)
    rows, each, corner = rows[places], each[places, None], np.concatenate(corners)[places]
    middle, sides = rows[:, :2] * each + corner, np.exp(np.minimum(rows[:, 2:4], LARGEST_EXPONENT)) * each
    return Candidates(boxes=_around(middle, sides), scores=sure, class_ids=ids)


def _kept_rows(outputs: ObjectOutputs) -> Candidates:
    rows = outputs.need("object-rows")
    if rows.shape[1] < 6:
        raise outputs.wrong(f"shape {rows.shape} for rows of box, score and class")
    ids = _ids(rows[:, 5]) - outputs.objects.first_class
    mask_of = _from_prototypes(outputs, rows[:, 6:])
    return Candidates(boxes=_absolute(rows[:, :4], outputs), scores=rows[:, 4], class_ids=ids, mask_of=mask_of)


def _raw_rows(outputs: ObjectOutputs) -> Candidates:
    rows, prototypes = outputs.need("object-rows"), outputs.one("prototypes")
    first, last = 4 + outputs.objects.first_class, rows.shape[1] - (0 if prototypes is None else len(prototypes))
    if last - first != len(outputs.card.labels):
        raise outputs.wrong(f"shape {rows.shape} for rows of a box and {len(outputs.card.labels)} classes")
    places, ids, sure = _sure(_probabilities(rows[:, first:last], outputs.logits("object-rows")), outputs)
    boxes = _absolute(_around(rows[places, :2], rows[places, 2:4]), outputs)
    mask_of = _from_prototypes(outputs, rows[places, last:])
    return Candidates(boxes=boxes, scores=sure, class_ids=ids, mask_of=mask_of)


def _cropped_masks(outputs: ObjectOutputs) -> Candidates:
    boxes, masks = outputs.need("object-boxes"), outputs.need("object-masks")
    scores, ids = outputs.need("object-scores").reshape(-1), _ids(outputs.need("object-classes").reshape(-1))
    if not len(boxes) == len(masks) == len(scores) == len(ids):
        raise outputs.wrong(f"{len(boxes)} boxes, {len(scores)} scores, {len(ids)} classes and {len(masks)} masks")
    zero = 0.0 if outputs.logits("object-masks") else 0.5
    return Candidates(
        boxes=_absolute(boxes, outputs),
        scores=scores,
        class_ids=ids - outputs.objects.first_class,
        mask_of=lambda place: masks[place] - np.float32(zero),
        covers=outputs.objects.masks_cover,
    )


def _queries(outputs: ObjectOutputs) -> Candidates:
    """A query's score is that of its class times the mean probability of the pixels of its mask (Mask2Former, arXiv
    2112.01527); its box is the mask's where there is none.
    """
    logits, masks = outputs.need("object-scores"), outputs.need("object-masks")
    first = outputs.objects.first_class
    if len(logits) != len(masks) or logits.shape[1] != len(outputs.card.labels) + first + 1:
        raise outputs.wrong(f"shapes {logits.shape} and {masks.shape} for {len(outputs.card.labels)} classes")
    classes = _softmax(logits)[:, first:-1]
    inside = masks > 0
    pixels = inside.sum((1, 2))
    likely = np.where(inside, _sigmoid(masks), 0).sum((1, 2)) / np.maximum(pixels, 1)
    return Candidates(
        boxes=_boxes_of(inside, outputs.working_wh),
        scores=(classes.max(1) * likely).astype(np.float32),
        class_ids=classes.argmax(1),
        mask_of=lambda place: masks[place],
    )


def _centres(outputs: ObjectOutputs) -> Candidates:
    """A pixel of a thing belongs to the centre that is nearest to where its offset points. An object's class is that of
    most of its pixels, its score the centre's times their mean probability of that class.
    """
    scores, heat, offsets = outputs.need("scores"), outputs.need("object-centres")[0], outputs.need("object-offsets")
    if heat.shape != scores.shape[1:] or offsets.shape != (2, *heat.shape) or len(scores) != len(outputs.card.labels):
        raise outputs.wrong(f"shapes {scores.shape}, {heat.shape} and {offsets.shape}")
    classes = _softmax(scores.transpose(1, 2, 0)) if outputs.logits("scores") else scores.transpose(1, 2, 0)
    things = [outputs.card.labels.index(name) for name in outputs.objects.things]
    y, x = _peaks(heat)
    rows, columns = np.nonzero(np.isin(classes.argmax(-1), things) & (len(y) > 0))
    places = np.stack([rows + offsets[0, rows, columns], columns + offsets[1, rows, columns]], axis=1)
    owner = _nearest(places, np.stack([y, x], axis=1).astype(np.float32))
    planes = np.zeros((len(y), *heat.shape), np.bool_)
    planes[owner, rows, columns] = True
    likely, ids = np.zeros(len(y), np.float32), np.full(len(y), -1, np.int64)
    for place, plane in enumerate(planes):
        if plane.any():
            own = classes[plane][:, things]
            best = int(np.bincount(own.argmax(1), minlength=len(things)).argmax())
            ids[place], likely[place] = things[best], heat[y[place], x[place]] * own[:, best].mean()
    return Candidates(
        boxes=_boxes_of(planes, outputs.working_wh),
        scores=likely,
        class_ids=ids,
        mask_of=lambda place: planes[place].astype(np.float32) - np.float32(0.5),
    )


def _peaks(heat: Floats) -> tuple[Indices, Indices]:
    """Rows and columns of the centres, surest first: at least ``LEAST_HEAT``, and the most within ``PEAK`` pixels."""
    around = np.lib.stride_tricks.sliding_window_view(np.pad(heat, PEAK, constant_values=-np.inf), (2 * PEAK + 1,) * 2)
    rows, columns = np.nonzero((heat >= LEAST_HEAT) & (heat == around.max((2, 3))))
    order = np.argsort(-heat[rows, columns], kind="stable")[:MOST_CENTRES]
    return rows[order], columns[order]


def _nearest(places: Floats, centres: Floats) -> Indices:
    """(n,): which of ``centres``, (m, 2), is nearest to each of ``places``, (n, 2). Some rows at a time."""
    step = max(1, (1 << 20) // max(1, len(centres)))
    parts = [places[start : start + step] for start in range(0, len(places), step)]
    found = [((part[:, None] - centres) ** 2).sum(2).argmin(1) for part in parts]
    return np.concatenate(found) if found else np.zeros(0, np.intp)


READERS: dict[ObjectReader, Callable[[ObjectOutputs], Candidates]] = {
    "distances": _distances,
    "grid": _grid,
    "kept-rows": _kept_rows,
    "raw-rows": _raw_rows,
    "cropped-masks": _cropped_masks,
    "queries": _queries,
    "centres": _centres,
}


def _sure(scores: Floats, outputs: ObjectOutputs) -> tuple[Indices, Integers, Floats]:
    """(N, C) -> of every score that counts: its row, its class, itself; the surest ``MOST_CANDIDATES``."""
    if scores.shape[1] != len(outputs.card.labels):
        raise outputs.wrong(f"{scores.shape[1]} classes, its card has {len(outputs.card.labels)} labels")
    rows, ids = np.nonzero(scores >= outputs.score)
    sure = scores[rows, ids]
    if len(sure) > MOST_CANDIDATES:
        best = np.argsort(-sure, kind="stable")[:MOST_CANDIDATES]
        rows, ids, sure = rows[best], ids[best], sure[best]
    return rows, ids.astype(np.int64), sure


def _cells(working_wh: tuple[int, int], stride: int) -> Floats:
    """(N, 2): x and y of the left upper corner of every cell, in working pixels, row by row."""
    x, y = (np.arange(-(-side // stride), dtype=np.float32) * stride for side in working_wh)
    return np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)


def _around(middle: Floats, sides: Floats) -> Floats:
    return np.concatenate([middle - sides / 2, middle + sides / 2], axis=1)


def _absolute(boxes: Floats, outputs: ObjectOutputs) -> Floats:
    if boxes.shape[1] != 4:
        raise outputs.wrong(f"boxes of shape {boxes.shape}")
    return boxes * np.tile(np.array(outputs.working_wh, np.float32), 2) if outputs.objects.relative else boxes


def _ids(values: Floats) -> Integers:
    """Classes that come as float; what is no number is no class."""
    return np.nan_to_num(values, nan=-1.0, posinf=-1.0, neginf=-1.0).round().astype(np.int64)


def _from_prototypes(outputs: ObjectOutputs, coefficients: Floats) -> MaskOf | None:
    prototypes = outputs.one("prototypes")
    if prototypes is None:
        return None
    if coefficients.shape[1] != len(prototypes):
        raise outputs.wrong(f"{coefficients.shape[1]} coefficients for {len(prototypes)} prototypes")
    planes = np.ascontiguousarray(prototypes).reshape(len(prototypes), -1)
    size = prototypes.shape[1:]
    return lambda place: (coefficients[place] @ planes).reshape(size)


def _boxes_of(inside: NDArray[np.bool_], working_wh: tuple[int, int]) -> Floats:
    """(N, h, w) of the working picture -> (N, 4) in working pixels; of an empty mask all zeros."""
    boxes = np.zeros((len(inside), 4), np.float32)
    for axis, (side, size) in enumerate(zip(working_wh, inside.shape[:0:-1], strict=True)):
        along: NDArray[np.bool_] = inside.max(1 + axis)
        boxes[:, axis] = along.argmax(1) * (side / size)
        boxes[:, axis + 2] = np.where(along.any(1), size - along[:, ::-1].argmax(1), 0) * (side / size)
    return boxes


def _probabilities(values: Floats, logits: bool) -> Floats:
    return _sigmoid(values) if logits else values


def _sigmoid(values: Floats) -> Floats:
    result: Floats = np.reciprocal(1 + np.exp(-np.clip(values, -80, 80)), dtype=np.float32)
    return result


def _softmax(values: Floats) -> Floats:
    """Over the last axis."""
    result: Floats = np.exp(values - values.max(-1, keepdims=True))
    result /= result.sum(-1, keepdims=True)
    return result
