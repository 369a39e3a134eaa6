import numpy as np
import pytest

from maskery.encode.table import ENCODERS, encode, find, for_suffix, task_of
from maskery.errors import BadRequest
from maskery.result import Result
from tests.encode.results import classification, foreground, halves, photo, semantic

RESULTS: list[Result] = [semantic(halves()), foreground(halves() * 100), classification()]
FIRST_BYTES = {
    "image/png": b"\x89PNG",
    "image/jpeg": b"\xff\xd8",
    "application/json": b"{",
    "application/x-npy": b"\x93NUMPY",
}


@pytest.mark.parametrize("name", ENCODERS)
@pytest.mark.parametrize("result", RESULTS, ids=task_of)
def test_every_format_of_every_task(name: str, result: Result) -> None:
    encoder = ENCODERS[name]
    assert encoder.name == name
    if task_of(result) not in encoder.tasks:
        with pytest.raises(BadRequest, match=rf"{name} does not fit a {task_of(result)} result.*json, npy"):
            encode(result, name)
        return
    data = encode(result, name, photo((12, 16)) if encoder.needs_photo else None)
    assert data.startswith(FIRST_BYTES[encoder.media_type])


def test_unknown_format_names_the_nearest() -> None:
    with pytest.raises(BadRequest, match="'overlay'"):
        encode(RESULTS[0], "overlya")
    with pytest.raises(BadRequest, match="Known: overlay, "):
        find("tiff", "semantic")


@pytest.mark.parametrize("picture", [None, photo((12, 15)), np.zeros((12, 16, 3)), np.zeros((12, 16), np.uint8)])
@pytest.mark.parametrize("name", [name for name, encoder in ENCODERS.items() if encoder.needs_photo])
def test_a_photo_that_is_missing_or_does_not_fit(name: str, picture: np.ndarray | None) -> None:
    with pytest.raises(BadRequest, match=r"\(12, 16, 3\)"):
        encode(RESULTS[0], name, picture)


def test_suffixes() -> None:
    found = {suffix: for_suffix(suffix) for suffix in (".png", ".jpg", ".JPEG", ".json", ".npy")}
    assert found == {".png": "mask", ".jpg": "overlay-jpeg", ".JPEG": "overlay-jpeg", ".json": "json", ".npy": "npy"}
    for suffix, name in found.items():
        assert ENCODERS[name].suffix[:3] == suffix[:3].lower()
    with pytest.raises(BadRequest, match="tif"):
        for_suffix(".tif")
