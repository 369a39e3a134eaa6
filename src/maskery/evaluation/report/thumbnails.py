"""Small pictures for pages: a photo, class maps over it, and where two maps differ; as data URLs."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from maskery.core.arrays import Pixels
from maskery.core.labels import IGNORE
from maskery.core.picture.data_url import jpeg_url
from maskery.core.result.meta import Colour

WIDTH = 420
WRONG: Colour = (214, 40, 57)
Scalar = TypeVar("Scalar", bound=np.generic)


def small(photo: Pixels, width: int = WIDTH) -> Pixels:
    """The photo, (H, W, 3) uint8, at most ``width`` pixels wide."""
    height, own = photo.shape[:2]
    if own <= width:
        return photo
    return np.asarray(Image.fromarray(photo).resize((width, max(1, round(height * width / own))), Image.Resampling.BOX))


def fitted(map: NDArray[Scalar], shape: tuple[int, ...]) -> NDArray[Scalar]:
    """A map, (H, W), at the height and width of ``shape``: the nearest pixel of each."""
    rows, columns = (np.arange(new) * old // new for new, old in zip(shape[:2], map.shape, strict=True))
    return map[np.ix_(rows, columns)]


def over_grey(photo: Pixels, ids: NDArray[np.integer], colours: Sequence[Colour], plain: int | None) -> Pixels:
    """The grey photo with each class's colour over it; class ``plain`` (background) and unknown ids stay grey.

    Pixels of ``IGNORE`` become nearly white: they are not measured.
    """
    table = np.zeros((65536, 3), np.float32)
    table[: len(colours)] = np.asarray(colours, np.float32).reshape(-1, 3)
    drawn = np.zeros(65536, bool)
    drawn[: len(colours)] = True
    if plain is not None:
        drawn[plain] = False
    out = _grey(photo)
    at = drawn[ids]
    out[at] = 0.3 * out[at] + 0.7 * table[ids[at]]
    _veil(out, ids == IGNORE)
    return out.astype(np.uint8)


def marked(photo: Pixels, where: NDArray[np.bool_], ignored: NDArray[np.bool_] | None = None) -> Pixels:
    """The grey photo with red where something is wrong, nearly white where nothing is measured."""
    out = _grey(photo)
    out[where] = 0.2 * out[where] + 0.8 * np.asarray(WRONG, np.float32)
    if ignored is not None:
        _veil(out, ignored)
    return out.astype(np.uint8)


def _grey(photo: Pixels) -> NDArray[np.float32]:
    grey = photo.astype(np.float32).mean(axis=2, keepdims=True)
    return np.repeat(0.8 * grey + 40, 3, axis=2)


def _veil(out: NDArray[np.float32], where: NDArray[np.bool_]) -> None:
    out[where] = 0.15 * out[where] + 0.85 * 245


def data_url(pixels: Pixels) -> str:
    """A JPEG inside the page."""
    return jpeg_url(Image.fromarray(pixels))
