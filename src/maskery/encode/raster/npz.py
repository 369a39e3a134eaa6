"""The arrays of a result for ``numpy.load``: .npy and .npz files."""

import io
import zipfile

import numpy as np
from numpy.typing import NDArray

from maskery.core.result.types import ClassificationResult, ForegroundResult, Result, SemanticResult
from maskery.encode.options import Options
from maskery.encode.provenance import provenance_text
from maskery.encode.raster.confidence import asked_map


def encode_npy(result: Result) -> bytes:
    """.npy bytes: class ids (H, W) uint8 or uint16; the soft mask (H, W) float32, 0..1; class scores (C,) float32."""
    file = io.BytesIO()
    np.save(file, _numbers(result), allow_pickle=False)
    return file.getvalue()


def _numbers(result: Result) -> NDArray[np.generic]:
    if isinstance(result, ForegroundResult):
        return result.alpha / np.float32(255)
    if isinstance(result, ClassificationResult):
        return result.scores
    return result.class_map


def encode_npz(result: Result, options: Options) -> bytes:
    """.npz bytes: ids are packed, numbers of 32 bits are stored as they are, for they hardly pack.

    ``class_map`` (H, W) uint8 or uint16, and of a foreground model ``alpha`` (H, W) uint8; of a classifier ``scores``
    (C,) float32. ``confidence``, ``entropy``, ``margin`` (H, W) float32: those of ``options.maps``, or all that the
    result has. ``labels`` (C,) and ``provenance``, a line of JSON, as text. Raises ``BadRequest`` for a map that the
    result does not have.
    """
    file = io.BytesIO()
    texts = {"labels": np.array(result.labels), "provenance": np.array(provenance_text(result))}
    arrays = _arrays(result) | _maps(result, options) | texts
    with zipfile.ZipFile(file, "w", compresslevel=1) as archive:
        for name, array in arrays.items():
            entry = zipfile.ZipInfo(f"{name}.npy")  # without the time: the same result, the same bytes
            entry.compress_type = zipfile.ZIP_DEFLATED if array.dtype.kind == "u" else zipfile.ZIP_STORED
            with archive.open(entry, "w", force_zip64=True) as target:
                np.lib.format.write_array(target, array, allow_pickle=False)
    return file.getvalue()


def _arrays(result: Result) -> dict[str, NDArray[np.generic]]:
    if isinstance(result, ClassificationResult):
        return {"scores": result.scores}
    if isinstance(result, ForegroundResult):
        return {"class_map": result.as_semantic.class_map, "alpha": result.alpha}
    return {"class_map": result.class_map}


def _maps(result: Result, options: Options) -> dict[str, NDArray[np.generic]]:
    every = tuple(result.maps) if isinstance(result, SemanticResult) else ()
    return {name: asked_map(result, name) for name in options.maps or every}
