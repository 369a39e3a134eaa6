"""Single objects as arrays, and back: what an .npz of them holds."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from maskery.core.result.instances import CropMask, Instance, InstanceResult
from maskery.core.result.meta import Meta

NONE = -1
"""In the place of a number that an object does not have."""


def object_arrays(objects: tuple[Instance, ...]) -> dict[str, NDArray[np.generic]]:
    """By name, a row an object, surest first.

    ``object_id``, ``object_class``, ``object_track`` (-1 = none): (n,) int64; ``object_score`` (n,) and ``object_box``
    (n, 4) float64, left, top, right, bottom; ``mask_place`` (n, 4) int64: left, top, width, height of the part that the
    mask lies in, all -1 without one; ``mask_counts`` (m,) uint32: run lengths of each part, row by row, zeros first,
    one object after another; ``mask_starts`` (n + 1,) int64: where those of each object begin, and m.
    """
    counts = [one.mask.counts if one.mask else np.zeros(0, np.int64) for one in objects]
    places = [(*one.mask.left_top, *one.mask.size_wh) if one.mask else (NONE,) * 4 for one in objects]
    tracks = [NONE if one.track_id is None else one.track_id for one in objects]
    return {
        "object_id": np.array([one.id for one in objects], np.int64),
        "object_class": np.array([one.class_id for one in objects], np.int64),
        "object_track": np.array(tracks, np.int64),
        "object_score": np.array([one.score for one in objects], np.float64),
        "object_box": np.array([one.box_xyxy for one in objects], np.float64).reshape(-1, 4),
        "mask_place": np.array(places, np.int64).reshape(-1, 4),
        "mask_counts": np.concatenate([*counts, np.zeros(0, np.int64)]).astype(np.uint32),
        "mask_starts": np.cumsum([0, *map(len, counts)]),
    }


def objects_of(arrays: Mapping[str, NDArray[np.generic]], meta: Meta) -> InstanceResult:
    """The inverse. Raises ``KeyError`` and ``ValueError`` for arrays that are no such."""
    starts, counts = arrays["mask_starts"].astype(np.int64), arrays["mask_counts"].astype(np.int64)
    rows = zip(
        arrays["object_id"].tolist(),
        arrays["object_class"].tolist(),
        arrays["object_track"].tolist(),
        arrays["object_score"].tolist(),
        arrays["object_box"].tolist(),
        arrays["mask_place"].tolist(),
        strict=True,
    )
    found = []
    for number, (id, class_id, track, score, box, (left, top, width, height)) in enumerate(rows):
        runs = counts[starts[number] : starts[number + 1]]
        mask = None if left == NONE else CropMask((left, top), (width, height), runs)
        track_id = None if track == NONE else track
        found.append(Instance(id=id, class_id=class_id, score=score, box_xyxy=tuple(box), mask=mask, track_id=track_id))
    return InstanceResult(meta, tuple(found))
