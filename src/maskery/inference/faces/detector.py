"""Where the faces of a picture are: a detector looks at all of it, and at parts of it; its output -> boxes."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from maskery.core.arrays import Array, Floats
from maskery.core.boxes import Box, merged
from maskery.core.card import Detector, ModelCard
from maskery.core.errors import ModelError
from maskery.core.plan import Placement
from maskery.core.result.rle import pieces, runs
from maskery.inference import preprocess
from maskery.inference.faces.crop_plan import view_size
from maskery.inference.faces.region import Region, around, is_cut, looks
from maskery.inference.faces.view import View
from maskery.inference.planning.memory_plan import UNMEASURED, Footprint
from maskery.inference.runtimes.base import Session
from maskery.inference.tasks.base import ModelOutput, channels_first, sigmoid, softmax

HIGHEST_LOGIT = 80.0  # beyond it exp overflows in float32, and the score is 0 or 1 anyway
LONGEST = 3.0  # times its shorter side, of a piece


def read(outputs: Mapping[str, Array], placement: Placement, card: ModelCard, detector: Detector) -> list[Box]:
    """The boxes of one run, of at least ``detector.min_score``, in pixels of ``placement.original_wh``.

    A box may reach beyond the picture. Boxes of one thing are not merged yet. Raises ``ModelError`` where the output
    does not fit the card.
    """
    if card.output.role == "boxes":
        found = _anchored(outputs, placement, card, detector.min_score)
    else:
        found = [box for box in _pieces(outputs, placement, card, detector) if box.score >= detector.min_score]
    (width, height), (content_w, content_h) = placement.original_wh, placement.content_wh
    scale = (width / content_w, height / content_h)
    offset = (-placement.offset_xy[0] * scale[0], -placement.offset_xy[1] * scale[1])
    return [box.moved(scale, offset) for box in found]


def anchor_centres(working_wh: tuple[int, int], anchors: list[tuple[int, int]]) -> Floats:
    """(N, 2): x and y of every anchor in working pixels, in the order of ``card_tensors.Output.anchors``."""
    grids = []
    for stride, count in anchors:
        x, y = (np.arange(-(-side // stride), dtype=np.float32) + np.float32(0.5) for side in working_wh)
        grid = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2) * np.float32(stride)
        grids.append(np.repeat(grid, count, axis=0))
    return np.concatenate(grids)


def _anchored(outputs: Mapping[str, Array], placement: Placement, card: ModelCard, min_score: float) -> list[Box]:
    centres = anchor_centres(placement.working_wh, card.output.anchors)
    values, logits = _boxes_and_logits(outputs, card)
    if values.ndim != 2 or len(values) != len(centres) or values.shape[1] < 4 or logits.shape != centres.shape[:1]:
        shapes = " and ".join(str(output.shape) for output in outputs.values())
        raise ModelError(f"{card.name} gave shape {shapes}, its anchors are {len(centres)}.", "Correct its anchors.")
    scores = sigmoid(np.clip(logits, -HIGHEST_LOGIT, HIGHEST_LOGIT))
    sure = np.flatnonzero((scores >= min_score) & (values[:, 2:4] > 0).all(1))
    middle, half = (centres + values[:, :2])[sure], values[sure, 2:4] / 2
    found = np.concatenate([middle - half, middle + half], axis=1).tolist()
    return [Box((box[0], box[1], box[2], box[3]), float(score)) for box, score in zip(found, scores[sure], strict=True)]


def _boxes_and_logits(outputs: Mapping[str, Array], card: ModelCard) -> tuple[Floats, Floats]:
    """(N, 4 or more) and (N,): of two outputs, or of one whose last column is the logit."""
    boxes = outputs[card.output.tensor][0].astype(np.float32, copy=False)
    beside = card.output_of("box-logits")
    if beside is None:
        return boxes[..., :-1], boxes[..., -1]
    return boxes, outputs[beside.tensor][0].astype(np.float32, copy=False).reshape(-1)


def _pieces(outputs: Mapping[str, Array], placement: Placement, card: ModelCard, detector: Detector) -> list[Box]:
    """The connected pieces of the class, each grown to the box of which it is the middle.

    A piece several times as long as it is wide is no face.
    """
    frame = preprocess.frame_of(placement, 1)
    scores = channels_first(ModelOutput(outputs=outputs, placement=placement, frame=frame, card=card, timings_ms={}))
    if detector.label not in card.labels or len(scores) != len(card.labels):
        raise ModelError(f"{card.name} does not give scores of {detector.label!r}.", "Correct detector.label.")
    label = card.labels.index(detector.label)
    likely = (softmax(scores) if card.output.logits else scores)[label]
    inside = (scores.argmax(0) == label).astype(np.uint8)
    height, width = inside.shape
    x, y = placement.working_wh[0] / width, placement.working_wh[1] / height
    found = []
    for left, top, right, bottom, score in _extents(inside, likely):
        wide, high = (right - left) * x, (bottom - top) * y
        if max(wide, high) <= LONGEST * min(wide, high):
            grown = _grown((left * x, top * y, right * x, bottom * y), 1 / detector.marked)
            found.append(Box(grown, score))
    return found


def _extents(inside: NDArray[np.uint8], likely: Floats) -> list[tuple[int, int, int, int, float]]:
    """Left, top, right, bottom (exclusive) of every piece of ones, and the mean of ``likely`` over it."""
    parts = runs(inside)
    piece = pieces(parts)
    width = inside.shape[1]
    rows, columns = parts.starts // width, parts.starts % width
    totals = np.add.reduceat(likely.reshape(-1), parts.starts)
    found = []
    for number in np.unique(piece[parts.ids == 1]):
        mine = piece == number
        left, right = columns[mine].min(), (columns[mine] + parts.lengths[mine]).max()
        mean = float(totals[mine].sum() / parts.lengths[mine].sum())
        found.append((int(left), int(rows[mine].min()), int(right), int(rows[mine].max()) + 1, mean))
    return found


def _grown(box: tuple[float, float, float, float], factor: float) -> tuple[float, float, float, float]:
    left, top, right, bottom = box
    x, y = (right - left) * (factor - 1) / 2, (bottom - top) * (factor - 1) / 2
    return left - x, top - y, right + x, bottom + y


@dataclass(frozen=True)
class FaceDetector:
    """A loaded model that finds faces, with the card's ``spec`` of how it is used. Thread-safe."""

    spec: Detector
    card: ModelCard
    session: Session
    footprint: Footprint = UNMEASURED

    def view_wh(self, size_wh: tuple[int, int]) -> tuple[int, int]:
        """The size at which it wants to see a whole picture of ``size_wh``."""
        return view_size(size_wh, self.spec.levels, self.card)

    def find(
        self, view: View, size_wh: tuple[int, int], check_cancelled: Callable[[], None] = lambda: None
    ) -> list[Box]:
        """The faces in pixels of the picture, of ``size_wh``, the surest first; ``view`` shows all of it.

        Where it finds nothing it looks once more, at the picture with a margin around it: a face that fills the picture
        is too large for a detector that was trained on faces in scenes. ``check_cancelled`` is called before each run.
        Raises ``ModelError``.
        """
        found = self._seen(looks(size_wh, self.spec.levels), view, size_wh, check_cancelled)
        return merged(found or self._seen([around(size_wh)], view, size_wh, check_cancelled))

    def _seen(
        self, windows: Iterable[Region], view: View, size_wh: tuple[int, int], check_cancelled: Callable[[], None]
    ) -> list[Box]:
        found = []
        for window in windows:
            check_cancelled()
            boxes = self._look(view, window)
            found += [box for box in boxes if not is_cut(box.xyxy, window, size_wh)]
        return found

    def _look(self, view: View, window: Region) -> list[Box]:
        image = self.card.input
        place = preprocess.place(window.whole_wh, image)
        pixels = view.crop(window, place.content_wh, image.pad_value)
        outputs = self.session.run({image.tensor: preprocess.to_tensor(pixels, place, image)})
        boxes = read(outputs, place, self.card, self.spec)
        scale = (window.width / place.original_wh[0], window.height / place.original_wh[1])
        return [box.moved(scale, (window.left, window.top)) for box in boxes]
