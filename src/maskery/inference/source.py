"""A picture's pixels as its plan wants them: for the model in one piece, for tiles row by row, for drawing on."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from maskery.core.errors import PictureError
from maskery.core.picture import stream
from maskery.core.picture.decode import Picture
from maskery.core.picture.orientation import turned, turned_wh
from maskery.core.picture.resize import resized_bands, resized_whole
from maskery.core.picture.stream import Photo, PhotoRows
from maskery.core.plan import Plan, TileGrid
from maskery.inference.planning.memory_plan import NARROW_BYTES, REDUCE_TO, held_narrow


def in_one_piece(picture: Picture, content_wh: tuple[int, int], plan: Plan) -> NDArray[np.uint8] | Image.Image:
    """The upright picture, at ``content_wh`` or larger. Raises ``PictureError``, ``MissingExtra``."""
    if plan.decode != "bands":
        return _whole(picture, content_wh)
    try:
        small = _in_bands(picture, turned_wh(content_wh, picture.orientation), plan)
    except PictureError:
        if plan.budget_bytes is not None or picture.format != "PNG":
            raise
        return _whole(picture, content_wh)  # Pillow passes over a wrong checksum, libvips does not
    return np.ascontiguousarray(turned(small, picture.orientation))


def _in_bands(picture: Picture, content_wh: tuple[int, int], plan: Plan) -> NDArray[np.uint8]:
    """The picture as it is stored, at ``content_wh``."""
    width, height = (side // plan.reduce for side in stream.stored_wh(picture))
    if held_narrow((width, height), content_wh) > NARROW_BYTES:
        return np.concatenate(list(_shrunk(picture, plan, content_wh)))
    return resized_whole(stream.rows(picture, plan.reduce), (width, height), content_wh)


def _whole(picture: Picture, content_wh: tuple[int, int]) -> NDArray[np.uint8] | Image.Image:
    return picture.pixels(at_least_wh=(REDUCE_TO * content_wh[0], REDUCE_TO * content_wh[1]))


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
