"""What is written from bands is, byte for byte, what is written from the whole."""

import numpy as np
import pytest
from numpy.typing import NDArray

from maskery.core.errors import BadRequest, PictureError
from maskery.core.picture.decode import open_picture
from maskery.core.picture.stream import PhotoRows
from maskery.core.result.banded import BandedForegroundResult, BandedSemanticResult, pack
from maskery.core.result.capabilities import Result
from maskery.core.result.types import ForegroundResult, SemanticResult
from maskery.encode.registry import ENCODERS, encode
from tests.encode.results import foreground, halves, photo, semantic
from tests.material import encoded

BANDED = [name for name, encoder in ENCODERS.items() if encoder.bands]
SHAPE = (131, 1040)


def in_bands(result: SemanticResult | ForegroundResult, height: int = 17) -> Result:
    whole: NDArray[np.generic] = result.alpha if isinstance(result, ForegroundResult) else result.class_map
    packed = pack(whole[top : top + height] for top in range(0, len(whole), height))  # type: ignore[misc]
    if isinstance(result, ForegroundResult):
        return BandedForegroundResult(result.meta, packed)
    return BandedSemanticResult(result.meta, packed, result.decided_by)


def results() -> dict[str, SemanticResult | ForegroundResult]:
    ids = np.kron(np.random.default_rng(0).integers(0, 4, (33, 260)), np.ones((4, 4))).astype(np.uint8)[: SHAPE[0]]
    ids[ids == 3] = 255
    labels = ("background", *map(str, range(299)))
    wide = semantic((halves(*SHAPE).astype(np.uint16) * 120), labels, ((9, 8, 7),) * 300)
    soft = np.linspace(0, 255, ids.size).reshape(SHAPE).astype(np.uint8)
    return {"noise": semantic(ids), "16 bits": wide, "soft": foreground(soft)}


RESULTS = results()


@pytest.mark.parametrize("kind", RESULTS)
@pytest.mark.parametrize("name", BANDED)
def test_the_same_bytes(name: str, kind: str) -> None:
    result = RESULTS[kind]
    picture = photo(SHAPE)
    file = open_picture(encoded(picture), max_bytes=1 << 24, max_pixels=1 << 24)
    from_bands = encode(in_bands(result), name, PhotoRows(file))
    assert from_bands == encode(result, name, picture)


def test_the_formats_that_are_written_in_bands() -> None:
    assert set(BANDED) == {"mask", "mask16", "color", "json", "summary", "overlay", "cutout"}


def test_the_others_say_which_are() -> None:
    with pytest.raises(BadRequest, match="mask, mask16, color, cutout, json, summary"):
        encode(in_bands(RESULTS["noise"]), "npy")


def test_kept_classes_are_cut_out() -> None:
    result, picture = RESULTS["noise"], photo(SHAPE)
    assert isinstance(result, SemanticResult)
    kept = in_bands(result).keep(["dog"])
    assert encode(kept, "cutout", picture) == encode(result.keep(["dog"]), "cutout", picture)
    assert kept.classes == result.keep(["dog"]).classes


def test_a_damaged_photo_is_a_picture_error() -> None:
    data = encoded(photo(SHAPE))
    file = open_picture(data[: len(data) // 2], max_bytes=1 << 24, max_pixels=1 << 24)
    with pytest.raises(PictureError):
        encode(in_bands(RESULTS["noise"]), "overlay", PhotoRows(file))
