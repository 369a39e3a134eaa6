"""A picture's pixels as its plan wants them: for the model in one piece, for tiles row by row, for drawing on."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from maskery.core.picture import stream
from maskery.core.picture.decode import Picture
from maskery.core.picture.orientation import turned, turned_wh
from maskery.core.picture.resize import resized_bands
from maskery.core.plan import Plan
from maskery.inference.planning.memory_plan import REDUCE_TO
from maskery.inference.tiles.grid import TileGrid


@dataclass(frozen=True)
class PhotoRows:
    """The upright picture, ``size_wh``, read from its file band by band each time."""

    picture: Picture

    @property
    def size_wh(self) -> tuple[int, int]:
        return self.picture.size_wh

    def rows(self) -> Iterator[NDArray[np.uint8]]:
        """Bands (h, W, 3) uint8 RGB, from top to bottom. Raises ``PictureError``."""
        return stream.rows(self.picture)


Photo = NDArray[np.uint8] | PhotoRows


def in_one_piece(picture: Picture, content_wh: tuple[int, int], plan: Plan) -> NDArray[np.uint8] | Image.Image:
    """The upright picture, at ``content_wh`` or larger. Raises ``PictureError``, ``MissingExtra``."""
    if plan.decode != "bands":
        return picture.pixels(at_least_wh=(REDUCE_TO * content_wh[0], REDUCE_TO * content_wh[1]))
    bands = _shrunk(picture, plan, turned_wh(content_wh, picture.orientation))
    return np.ascontiguousarray(turned(np.concatenate(list(bands)), picture.orientation))


def for_tiles(picture: Picture, plan: Plan, grid: TileGrid) -> Iterator[NDArray[np.uint8]]:
    """Bands (h, W, 3) at ``grid.content_wh``: upright where the picture is decoded as a whole, else as it is stored."""
    if plan.decode == "bands":
        return _shrunk(picture, plan, grid.content_wh)
    whole = picture.rgb()
    step = stream.band_rows(whole.shape[1])
    bands = (whole[top : top + step] for top in range(0, len(whole), step))
    return resized_bands(bands, picture.size_wh, grid.content_wh)


def photo_of(picture: Picture, plan: Plan) -> Photo | None:
    """What the answer is drawn on, (H, W, 3) uint8 RGB upright or a reader of its bands; None where it is not."""
    if plan.photo is None:
        return None
    return PhotoRows(picture) if plan.photo == "bands" else picture.rgb()


def _shrunk(picture: Picture, plan: Plan, content_wh: tuple[int, int]) -> Iterator[NDArray[np.uint8]]:
    width, height = stream.stored_wh(picture)
    return resized_bands(stream.rows(picture, plan.reduce), (width // plan.reduce, height // plan.reduce), content_wh)
