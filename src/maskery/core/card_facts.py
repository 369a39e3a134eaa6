"""What a card states that was measured: scores, the stored answer, and what a smaller file costs."""

from typing import Literal

import msgspec


class ObjectQuality(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How well a model of objects was measured to find them; None where it gives no masks.

    Attributes:
        objects: How many the truth has, crowds left out.
        mask_ap: Average precision of masks, the mean over IoU .50 to .95, 0..1, by COCO's definition.
        mask_ap50: At IoU .50.
        mask_ap75: At IoU .75.
        box_ap: The same of boxes.
        box_ap50: At IoU .50.
        box_ap75: At IoU .75.
        pq: Panoptic quality of the things.
        count_error: By how many objects a class of a picture is miscounted, in the mean.
        ap50_of: By class, of masks, else of boxes.
        intervals: 95 % of each number, by its name here.
    """

    objects: int
    mask_ap: float | None = None
    mask_ap50: float | None = None
    mask_ap75: float | None = None
    box_ap: float | None = None
    box_ap50: float | None = None
    box_ap75: float | None = None
    pq: float | None = None
    count_error: float | None = None
    ap50_of: dict[str, float] = {}
    intervals: dict[str, tuple[float, float]] = {}


class PromptQuality(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a model of prompts was measured to do, over single objects.

    Attributes:
        objects: How many.
        least_area: Objects of at most so many pixels were left out.
        iou_box: Mean IoU from the true box, 0..1.
        iou_clicks: Mean IoU after 1, 2, ... simulated clicks.
        noc_85: Mean number of clicks until the IoU is 0.85, at most 20.
        noc_90: The same until it is 0.90.
        intervals: 95 % of each number, by its name in the JSON of ``maskery evaluate``.
    """

    objects: int
    least_area: int
    iou_box: float
    iou_clicks: list[float]
    noc_85: float
    noc_90: float
    intervals: dict[str, tuple[float, float]] = {}


class Quality(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was measured, on what and how: numbers of this project's own ``maskery evaluate``, named as in its JSON.

    Scores are 0..1; None or empty where they do not apply or were not measured (docs/evaluation.md defines them).

    Attributes:
        data: The data set.
        split: Its part; "" for one without splits.
        pictures: How many were measured.
        miou: Mean IoU over the classes that occur.
        pixel_accuracy: Share of all pixels that are right.
        fw_iou: IoU weighted by the pixels of the truth.
        mean_accuracy: Mean over the classes of the share of their pixels that are right.
        mean_dice: Mean Dice score over the classes that occur.
        boundary_f: Mean F of the outlines.
        top1: Of a classification, the share of pictures whose best class is the true one.
        top5: The same of the best five.
        iou: By label.
        accuracy: Of a classification, by label.
        images: Pictures that have the class in their truth, by label.
        overrides: Classes of the data set -> the model's, as ``--map`` was given.
        prompts: Of a model of prompts.
        objects: Of a model of objects.
        note: What one must know to read the numbers.
    """

    data: str
    split: str = ""
    pictures: int | None = None
    miou: float | None = None
    pixel_accuracy: float | None = None
    fw_iou: float | None = None
    mean_accuracy: float | None = None
    mean_dice: float | None = None
    boundary_f: float | None = None
    top1: float | None = None
    top5: float | None = None
    iou: dict[str, float | None] = {}
    accuracy: dict[str, float] = {}
    images: dict[str, int] = {}
    overrides: dict[str, list[str]] = {}
    prompts: PromptQuality | None = None
    objects: ObjectQuality | None = None
    note: str = ""


class Check(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The stored answer to the stored picture: shares of some classes (0..1), each within ``tolerance``.

    For classification the numbers are not shares but the class that must come first, with any number.
    """

    shares: dict[str, float]
    tolerance: float = 0.05


class Quantisation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How this file was made smaller from another model's, and what that cost: the report of ``maskery quantise``.

    Attributes:
        to: What the weights became.
        method: How, in words.
        of: The other model, NAME@VERSION.
        of_sha256: Of its file.
        calibration: The data on which ranges were seen; "" where none were needed.
        calibration_pictures: How many pictures of it.
        kept_float: Layers that were not quantised.
        measure: The score that decided.
        data: The data set that it was measured on.
        split: Its part.
        before: ``measure`` of the other model, 0..1.
        after: The same of this one.
        loss: ``before`` less ``after``.
        limit: The largest ``loss`` that was allowed.
        speed_ratio: How many times as fast as the other it is on ``machine``, by runs of both in turn.
        ms_before: Milliseconds of one run of the other.
        ms_after: The same of this one.
        bytes_before: Size of the other's file.
        bytes_after: Size of this one's.
        machine: Where the times were taken.
        runtime: What ran both.
    """

    to: Literal["int8", "fp16"]
    method: str
    of: str
    of_sha256: str
    calibration: str = ""
    calibration_pictures: int = 0
    kept_float: list[str] = []
    measure: Literal["mIoU", "top-1"]
    data: str
    split: str
    before: float
    after: float
    loss: float
    limit: float
    speed_ratio: float
    ms_before: float
    ms_after: float
    bytes_before: int
    bytes_after: int
    machine: str
    runtime: str
