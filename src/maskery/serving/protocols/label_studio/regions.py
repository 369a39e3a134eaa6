"""A result -> the regions of a prediction, as JSON, with their scores."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from maskery.core.arrays import Doubles
from maskery.core.card import ModelCard
from maskery.core.plan import RunOptions
from maskery.core.result.capabilities import HasAlpha, HasClassMap, HasInstances, HasMaps, Result, capable, expect
from maskery.core.result.instances import CropMask, Instance, InstanceResult
from maskery.core.result.meta import Meta
from maskery.core.result.types import SemanticResult
from maskery.encode.annotations.label_studio import regions
from maskery.encode.vector.outlines import box_ring
from maskery.inference.tasks.registry import task_of
from maskery.serving.protocols.label_studio.config import Part

BAND_PIXELS = 1 << 20


@dataclass(frozen=True)
class DrawnRegions:
    """``items``: each region as JSON. ``scored``: the sum of the scores of its pixels, and their number."""

    items: list[bytes]
    scored: tuple[float, int]


def run_options_of(card: ModelCard) -> RunOptions:
    """With a confidence map where the model has scores."""
    return RunOptions(maps=tuple(name for name in task_of(card).maps(card) if name == "confidence"))


def draw(result: Result, parts: Sequence[Part]) -> DrawnRegions:
    """The regions of all parts. A region's score is the mean of its label's pixels; left out where there are none.

    Of single objects each has its own region and score.
    """
    objects = capable(result, HasInstances)
    if objects and not capable(result, HasClassMap):
        return _draw_objects(objects, parts)
    mapped, certainty = expect(result, HasClassMap), _certainty(result)
    items: list[bytes] = []
    total, pixels = 0.0, 0
    for part in parts:
        if not part.labels:
            continue
        named = _relabelled(mapped, part)
        sums, counts = _sums(named, certainty)
        total, pixels = total + float(sums.sum()), pixels + int(counts.sum())
        for item in regions(named, part.control.options)[0]:
            label = item["value"][part.control.kind][0]
            items.append(
                _finished(item, len(items), named.meta.labels.index(label), sums, counts, certainty is not None)
            )
    return DrawnRegions(items, (total, pixels if certainty is not None else 0))


def _draw_objects(result: HasInstances, parts: Sequence[Part]) -> DrawnRegions:
    items: list[bytes] = []
    total, pixels = 0.0, 0
    for part in parts:
        if not part.labels:
            continue
        named = _own_objects(result, part)
        for item in regions(named, part.control.options)[0]:
            items.append(msgspec.json.encode(item | {"id": f"maskery-{len(items) + 1}"}))
        total += sum(one.score * one.area for one in named.instances)
        pixels += sum(one.area for one in named.instances)
    return DrawnRegions(items, (total, pixels))


def _own_objects(result: HasInstances, part: Part) -> InstanceResult:
    """Those of the project's labels. A tool for masks or polygons is given the box of an object that has no mask."""
    meta = replace(result.meta, labels=part.labels, palette=((0, 0, 0),) * len(part.labels))
    boxes = part.control.options.shape == "box"
    found = [
        replace(one, class_id=part.new_ids[one.class_id], mask=one.mask if one.mask or boxes else _box_mask(one, meta))
        for one in result.instances
        if part.new_ids[one.class_id] >= 0
    ]
    return InstanceResult(meta, tuple(found))


def _box_mask(one: Instance, meta: Meta) -> CropMask:
    left, top, right, bottom = box_ring(one, meta.frame.size_wh)[[0, 2]].reshape(-1).tolist()
    size = (right - left, bottom - top)
    return CropMask((left, top), size, np.array([0, size[0] * size[1]], np.int64))


def _finished(item: dict[str, Any], number: int, label: int, sums: Doubles, counts: Doubles, scored: bool) -> bytes:
    score = {"score": float(sums[label] / counts[label])} if scored else {}
    return msgspec.json.encode(item | {"id": f"maskery-{number + 1}"} | score)


def _certainty(result: Result) -> NDArray[np.uint8] | NDArray[np.float32] | None:
    """(H, W): how sure the model is of each pixel; uint8 stands for 0..1."""
    if soft := capable(result, HasAlpha):
        return soft.alpha
    mapped = capable(result, HasMaps)
    return mapped.maps.get("confidence") if mapped else None


def _relabelled(result: HasClassMap, part: Part) -> SemanticResult:
    """The same map with the project's labels; pixels of other classes are of none."""
    dtype = np.uint8 if len(part.labels) <= 255 else np.uint16
    table = np.full(result.unlabelled + 1, np.iinfo(dtype).max, dtype)
    for old, new in enumerate(part.new_ids):
        if new >= 0:
            table[old] = new
    meta = replace(result.meta, labels=part.labels, palette=((0, 0, 0),) * len(part.labels))
    class_map = np.take(table, result.class_map)
    return SemanticResult(meta=meta, class_map=class_map, decided_by=result.decided_by, kept=part.labels)


def _sums(result: SemanticResult, certainty: NDArray[np.uint8] | NDArray[np.float32] | None) -> tuple[Doubles, Doubles]:
    """By label: the sum of the scores of its pixels, and their number. uint8 stands for 0..1."""
    count = len(result.meta.labels)
    sums, counts = np.zeros(count), np.zeros(count)
    if certainty is None:
        return sums, counts
    ids, values = result.class_map.reshape(-1), certainty.reshape(-1)
    for start in range(0, len(ids), BAND_PIXELS):
        band = ids[start : start + BAND_PIXELS]
        weights = values[start : start + BAND_PIXELS]
        sums += np.bincount(band, weights, count)[:count]
        counts += np.bincount(band, minlength=count)[:count]
    return (sums / 255 if certainty.dtype == np.uint8 else sums), counts
