"""The arrays of a result for ``numpy.load``: .npy and .npz files; and an .npz with details as a result again."""

import io
import zipfile
import zlib

import msgspec
import numpy as np
from numpy.typing import NDArray

from maskery.core.result.capabilities import (
    HasAlpha,
    HasCandidates,
    HasClassMap,
    HasInstances,
    HasMaps,
    HasScores,
    Result,
    capable,
    expect,
)
from maskery.core.result.instances import CropMask, Instance
from maskery.core.result.meta import MAPS, Meta
from maskery.core.result.prompted import PromptResult
from maskery.core.result.types import ClassificationResult, ForegroundResult, SemanticResult
from maskery.encode.format import MASKS, OBJECTS, SCORES, Encoder, FileType
from maskery.encode.options import Options
from maskery.encode.provenance import provenance_text
from maskery.encode.raster.confidence import asked_map
from maskery.encode.raster.object_arrays import object_arrays, objects_of


def encode_npy(result: Result) -> bytes:
    """.npy bytes: class ids (H, W) uint8 or uint16; the soft mask (H, W) float32, 0..1; class scores (C,) float32."""
    file = io.BytesIO()
    np.save(file, _numbers(result), allow_pickle=False)
    return file.getvalue()


def _numbers(result: Result) -> NDArray[np.generic]:
    if soft := capable(result, HasAlpha):
        return soft.alpha / np.float32(255)
    if scored := capable(result, HasScores):
        return scored.scores
    return expect(result, HasClassMap).class_map


def encode_npz(result: Result, options: Options) -> bytes:
    """.npz bytes: ids are packed, numbers of 32 bits are stored as they are, for they hardly pack.

    ``class_map`` (H, W) uint8 or uint16, and of a foreground model ``alpha`` (H, W) uint8; of a classifier ``scores``
    (C,) float32; of single objects those of ``object_arrays``. ``confidence``, ``entropy``, ``margin`` (H, W) float32:
    those of ``options.maps``, or all that the result has. ``labels`` (C,) and ``provenance``, a line of JSON, as text;
    ``details``, another one, where ``options.details``. Raises ``BadRequest`` for a map that the result does not have.
    """
    file = io.BytesIO()
    texts = {"labels": np.array(result.meta.labels), "provenance": np.array(provenance_text(result.meta))}
    if options.details:
        texts["details"] = np.array(_details(result))
    arrays = _arrays(result) | _maps(result, options) | texts
    with zipfile.ZipFile(file, "w", compresslevel=1) as archive:
        for name, array in arrays.items():
            entry = zipfile.ZipInfo(f"{name}.npy")  # without the time: the same result, the same bytes
            entry.compress_type = zipfile.ZIP_DEFLATED if array.dtype.kind == "u" else zipfile.ZIP_STORED
            with archive.open(entry, "w", force_zip64=True) as target:
                np.lib.format.write_array(target, array, allow_pickle=False)
    return file.getvalue()


def _arrays(result: Result) -> dict[str, NDArray[np.generic]]:
    arrays: dict[str, NDArray[np.generic]] = {}
    if mapped := capable(result, HasClassMap):
        arrays["class_map"] = mapped.class_map
    if soft := capable(result, HasAlpha):
        arrays["alpha"] = soft.alpha
    if scored := capable(result, HasScores):
        arrays["scores"] = scored.scores
    if (objects := capable(result, HasInstances)) and not arrays:
        arrays |= object_arrays(objects.instances)
    return arrays


def _maps(result: Result, options: Options) -> dict[str, NDArray[np.generic]]:
    mapped = capable(result, HasMaps)
    every = tuple(mapped.maps) if mapped else ()
    return {name: asked_map(result, name) for name in options.maps or every}


class StoredObject(msgspec.Struct, frozen=True, kw_only=True):
    """One of several candidates.

    Attributes:
        class_id: The class.
        score: 0 to 1.
        box: Left, top, right, bottom.
        left_top: Of the part that the mask lies in.
        size: Width and height of that part.
        counts: Runs of its pixels, row by row, zeros first.
    """

    class_id: int
    score: float
    box: tuple[float, float, float, float]
    left_top: tuple[int, int]
    size: tuple[int, int]
    counts: list[int]

    def instance(self, id: int) -> Instance:
        """The same as a part of a result."""
        mask = CropMask(self.left_top, self.size, np.array(self.counts, np.int64))
        return Instance(id=id, class_id=self.class_id, score=self.score, box_xyxy=self.box, mask=mask)


class ResultDetails(msgspec.Struct, frozen=True, kw_only=True):
    """What a result is beside its arrays.

    Attributes:
        meta: What all results have.
        decided_by: Of a class map: how the class of a pixel was decided.
        kept: Of a class map: the only classes that were asked for.
        threshold: Of a soft mask: the least probability of the foreground.
        candidates: Where the class map is the best of several: all of them.
    """

    meta: Meta
    decided_by: str = ""
    kept: tuple[str, ...] = ()
    threshold: float | None = None
    candidates: tuple[StoredObject, ...] | None = None


def _details(result: Result) -> str:
    mapped, soft = capable(result, HasClassMap), capable(result, HasAlpha)
    details = ResultDetails(
        meta=result.meta,
        decided_by=mapped.decided_by if mapped else "",
        kept=mapped.kept if mapped else (),
        threshold=soft.threshold if soft else None,
        candidates=_candidates(result),
    )
    return msgspec.json.encode(details).decode()


def _candidates(result: Result) -> tuple[StoredObject, ...] | None:
    found = capable(result, HasCandidates)
    if found is None:
        return None
    return tuple(
        StoredObject(
            class_id=one.class_id,
            score=one.score,
            box=one.box_xyxy,
            left_top=one.mask.left_top,
            size=one.mask.size_wh,
            counts=one.mask.counts.tolist(),
        )
        for one in found.instances
        if one.mask
    )


def decode_npz(data: bytes) -> Result:
    """An .npz that was written with ``details`` -> the same result. Raises ``ValueError`` for anything else."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        details = msgspec.json.decode(str(arrays["details"]), type=ResultDetails)
    except (OSError, KeyError, EOFError, ValueError, zipfile.BadZipFile, zlib.error, msgspec.MsgspecError) as error:
        raise ValueError(f"this is no result with its details: {type(error).__name__}: {error}") from error
    if details.candidates is not None:
        instances = (one.instance(id) for id, one in enumerate(details.candidates, 1))
        return PromptResult(details.meta, tuple(instances))
    if "object_id" in arrays:
        return objects_of(arrays, details.meta)
    if "scores" in arrays:
        return ClassificationResult(details.meta, arrays["scores"])
    if "alpha" in arrays and details.threshold is not None:
        return ForegroundResult(details.meta, arrays["alpha"], details.threshold)
    if "class_map" not in arrays:
        raise ValueError(f"there is no array of a result among {', '.join(arrays)}")
    return SemanticResult(
        meta=details.meta,
        class_map=arrays["class_map"],
        decided_by=details.decided_by,
        maps={name: arrays[name] for name in MAPS if name in arrays},
        kept=details.kept,
    )


NPY = Encoder(
    name="npy", file=FileType("application/x-npy", ".npy"), needs=MASKS + SCORES, function=encode_npy, held=1.5
)
NPZ = Encoder(
    name="npz",
    file=FileType("application/x-npz", ".npz"),
    needs=MASKS + SCORES + OBJECTS,
    function=encode_npz,
    options=frozenset({"maps", "details"}),
)
