"""Average precision of boxes and masks as COCO defines it (cocodataset.org), by the package faster-coco-eval.

Every number is the package's. Intervals are the middle 95 % of what it accumulates of pictures drawn again with
replacement (bootstrap).
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from maskery.core.arrays import Doubles
from maskery.core.errors import MissingExtra
from maskery.core.result.instances import Box, CropMask

Kind = Literal["box", "mask"]
IOU_TYPES: dict[Kind, str] = {"box": "bbox", "mask": "segm"}
MOST_DETECTIONS = 100
DRAWS, LOW, HIGH = 200, 2.5, 97.5
AT_50, AT_75 = 0, 5
"""Places of 0.50 and 0.75 among COCO's ten thresholds."""
AREAS = ("all", "small", "medium", "large")
Spread = dict[str, tuple[float, float]]


@dataclass(frozen=True, eq=False, kw_only=True)
class JudgedObject:
    """One true or predicted object.

    Attributes:
        label: Index of its class.
        box_xyxy: Left, top, right, bottom in pixels.
        mask: Its pixels; None where only boxes are judged.
        score: Of a predicted one.
        crowd: Of a true one: a group, in which predictions do not count.
    """

    label: int
    box_xyxy: Box
    mask: CropMask | None = None
    score: float = 1.0
    crowd: bool = False


@dataclass(frozen=True, eq=False)
class JudgedPicture:
    """The objects of a picture of ``size_wh``, true and predicted."""

    size_wh: tuple[int, int]
    truth: Sequence[JudgedObject]
    predicted: Sequence[JudgedObject]


@dataclass(frozen=True, kw_only=True)
class Precision:
    """Average precision over the classes that the truth has, 0..1; NaN is never among them, None where there is none.

    Attributes:
        ap: Mean over the IoU thresholds .50, .55, ... .95.
        ap50: At IoU .50.
        ap75: At IoU .75.
        small: ``ap`` of objects of less than 32 x 32 pixels.
        medium: Of up to 96 x 96.
        large: Of larger ones.
        recall: Mean over the thresholds of the most that 100 predictions a picture find.
        ap_of: ``ap`` by class.
        ap50_of: ``ap50`` by class.
        intervals: 95 % of ``ap``, ``ap50`` and ``ap75``.
    """

    ap: float | None
    ap50: float | None
    ap75: float | None
    small: float | None
    medium: float | None
    large: float | None
    recall: float | None
    ap_of: dict[str, float | None]
    ap50_of: dict[str, float | None]
    intervals: Spread


def average_precision(pictures: Sequence[JudgedPicture], labels: Sequence[str], kind: Kind) -> Precision:
    """Raises ``MissingExtra`` without the package."""
    run = _evaluated(pictures, len(labels), kind)
    table = np.asarray(run.eval["precision"])  # thresholds, recalls, classes, areas, limits
    recall = np.asarray(run.eval["recall"])[:, :, 0, -1]
    whole = table[..., 0, -1]
    by_area = [_mean(table[:, :, :, area, -1]) for area in range(len(AREAS))]
    classes = range(len(labels))
    return Precision(
        ap=by_area[0],
        ap50=_mean(whole[AT_50]),
        ap75=_mean(whole[AT_75]),
        small=by_area[1],
        medium=by_area[2],
        large=by_area[3],
        recall=_mean(recall),
        ap_of={labels[i]: _mean(whole[:, :, i]) for i in classes},
        ap50_of={labels[i]: _mean(whole[AT_50, :, i]) for i in classes},
        intervals=_intervals(run, len(pictures), len(labels)),
    )


def expect_package() -> Any:
    """The package. Raises ``MissingExtra`` where it is not installed."""
    try:
        import faster_coco_eval
    except ImportError as error:
        raise MissingExtra(
            "Measuring objects needs the package faster-coco-eval.", "Run: pip install 'maskery[evaluate]'"
        ) from error
    return faster_coco_eval


def _evaluated(pictures: Sequence[JudgedPicture], classes: int, kind: Kind) -> Any:
    package = expect_package()
    truth, predicted = list[dict[str, Any]](), list[dict[str, Any]]()
    for number, picture in enumerate(pictures):
        truth += [_annotation(one, number, picture.size_wh, kind) for one in picture.truth]
        predicted += [_annotation(one, number, picture.size_wh, kind) for one in picture.predicted]
    for number, one in enumerate(truth, 1):
        one["id"] = number
    sizes = [{"id": i, "width": one.size_wh[0], "height": one.size_wh[1]} for i, one in enumerate(pictures)]
    categories = [{"id": i, "name": str(i)} for i in range(classes)]
    true = package.COCO({"images": sizes, "annotations": truth, "categories": categories})
    run = package.COCOeval_faster(true, true.loadRes(predicted), IOU_TYPES[kind], separate_eval=True)
    run.print_function = _silent
    run.evaluate()
    run.accumulate()
    return run


def _annotation(one: JudgedObject, picture: int, size_wh: tuple[int, int], kind: Kind) -> dict[str, Any]:
    left, top, right, bottom = one.box_xyxy
    area = float((right - left) * (bottom - top))
    found: dict[str, Any] = {
        "image_id": picture,
        "category_id": one.label,
        "bbox": [left, top, right - left, bottom - top],
        "score": one.score,
        "iscrowd": int(one.crowd),
        "area": float(one.mask.area) if one.mask else area,
    }
    if kind == "mask":
        assert one.mask is not None, "masks are judged of objects that have one"
        from faster_coco_eval.core import mask as masks

        found["segmentation"] = masks.encode(np.asfortranarray(one.mask.placed(size_wh).astype(np.uint8)))
    return found


def _intervals(run: Any, pictures: int, classes: int) -> Spread:
    """The package's single pictures, drawn again, and accumulated by itself."""
    from faster_coco_eval import faster_eval_api_cpp as core

    single = np.empty(classes * len(AREAS) * pictures, object)
    single[:] = list(run._evalImgs_cpp)
    single = single.reshape(classes, len(AREAS), pictures)[:, 0]
    settings = copy.deepcopy(run._paramsEval)
    settings.areaRng, settings.areaRngLbl, settings.maxDets = settings.areaRng[:1], ["all"], [MOST_DETECTIONS]
    rng, rows = np.random.default_rng(0), list[list[float]]()
    for _ in range(DRAWS):
        drawn = single[:, rng.integers(pictures, size=pictures)]
        table = np.asarray(core.COCOevalAccumulate(settings, list(drawn.reshape(-1)))["precision"])[..., 0, 0]
        rows.append([_mean(part) or 0.0 for part in (table, table[AT_50], table[AT_75])])
    ends = np.percentile(np.array(rows), (LOW, HIGH), axis=0)
    return {name: (float(ends[0, i]), float(ends[1, i])) for i, name in enumerate(("ap", "ap50", "ap75"))}


def _mean(part: Doubles) -> float | None:
    """Of what the truth has: the package marks the rest by -1."""
    there = part[part > -1]
    return float(there.mean()) if there.size else None


def _silent(*words: object) -> None:
    """In place of the package's prints."""
