"""How sure the model is of each pixel, as a grey PNG: 0 is 0.0 and white is 1.0."""

import numpy as np
from numpy.typing import NDArray

from maskery.core.errors import BadRequest
from maskery.core.result.capabilities import HasMaps, Result, capable
from maskery.encode.format import PNG, Encoder
from maskery.encode.options import Options
from maskery.encode.provenance import png_text
from maskery.encode.raster import png


def encode_confidence(result: HasMaps, options: Options) -> bytes:
    """PNG bytes, grey of ``options.depth`` bits: the highest class probability."""
    return _grey(result, "confidence", options.depth)


def encode_entropy(result: HasMaps, options: Options) -> bytes:
    """PNG bytes, grey of ``options.depth`` bits: the entropy of the class probabilities, divided by log(classes)."""
    return _grey(result, "entropy", options.depth)


def encode_margin(result: HasMaps, options: Options) -> bytes:
    """PNG bytes, grey of ``options.depth`` bits: the highest class probability less the second."""
    return _grey(result, "margin", options.depth)


def asked_map(result: Result, name: str) -> NDArray[np.float32]:
    """The map ``name``, (H, W). Raises ``BadRequest`` where the result was made without it."""
    mapped = capable(result, HasMaps)
    if mapped is None or name not in mapped.maps:
        cure = f"Ask for it when the picture is segmented: segment(..., maps=({name!r},))."
        raise BadRequest(f"The result has no {name} map.", cure)
    return mapped.maps[name]


def _grey(result: HasMaps, name: str, depth: int) -> bytes:
    values = asked_map(result, name)
    grey: NDArray[np.uint8] | NDArray[np.uint16] = np.empty(values.shape, np.uint8 if depth == 8 else np.uint16)
    white = np.float32(2**depth - 1)
    rows = png.band_rows(values.nbytes // len(values))
    for top in range(0, len(values), rows):
        part = np.clip(values[top : top + rows], 0, 1) * white
        np.rint(part, out=grey[top : top + rows], casting="unsafe")
    return png.grey(grey, png_text(result.meta))


DEPTH = frozenset({"depth"})
CONFIDENCE = Encoder(
    name="confidence", file=PNG, needs=(HasMaps,), function=encode_confidence, options=DEPTH, map="confidence"
)
ENTROPY = Encoder(name="entropy", file=PNG, needs=(HasMaps,), function=encode_entropy, options=DEPTH, map="entropy")
MARGIN = Encoder(name="margin", file=PNG, needs=(HasMaps,), function=encode_margin, options=DEPTH, map="margin")
