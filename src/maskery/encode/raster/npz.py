"""The arrays of a result for ``numpy.load``: .npy and .npz files."""

import io
import zipfile

import numpy as np
from numpy.typing import NDArray

from maskery.core.result.capabilities import HasAlpha, HasClassMap, HasMaps, HasScores, Result, capable, expect
from maskery.encode.format import MASKS, SCORES, Encoder, FileType
from maskery.encode.options import Options
from maskery.encode.provenance import provenance_text
from maskery.encode.raster.confidence import asked_map


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
    (C,) float32. ``confidence``, ``entropy``, ``margin`` (H, W) float32: those of ``options.maps``, or all that the
    result has. ``labels`` (C,) and ``provenance``, a line of JSON, as text. Raises ``BadRequest`` for a map that the
    result does not have.
    """
    file = io.BytesIO()
    texts = {"labels": np.array(result.meta.labels), "provenance": np.array(provenance_text(result.meta))}
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
    return arrays


def _maps(result: Result, options: Options) -> dict[str, NDArray[np.generic]]:
    mapped = capable(result, HasMaps)
    every = tuple(mapped.maps) if mapped else ()
    return {name: asked_map(result, name) for name in options.maps or every}


NPY = Encoder(
    name="npy", file=FileType("application/x-npy", ".npy"), needs=MASKS + SCORES, function=encode_npy, held=1.5
)
NPZ = Encoder(
    name="npz",
    file=FileType("application/x-npz", ".npz"),
    needs=MASKS + SCORES,
    function=encode_npz,
    options=frozenset({"maps"}),
)
