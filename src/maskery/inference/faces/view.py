"""A decoded part of a picture, at some resolution, and crops of it at another: exact to a fraction of a pixel."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from maskery.core.picture import stream
from maskery.core.picture.decode import Picture
from maskery.core.picture.orientation import turned, turned_wh
from maskery.core.picture.resize import resized_bands
from maskery.core.plan import Decode
from maskery.inference.faces.region import Region, whole
from maskery.inference.planning.memory_plan import REDUCE_TO

PixelSource = NDArray[np.uint8] | Image.Image

NEGLIGIBLE = 1e-6  # of a pixel


@dataclass(frozen=True)
class View:
    """``pixels``: upright RGB, (h, w, 3) uint8 or Pillow's, of ``region`` of the picture, at any resolution."""

    pixels: PixelSource
    region: Region

    @property
    def size_wh(self) -> tuple[int, int]:
        """Of ``pixels``."""
        if isinstance(self.pixels, np.ndarray):
            return self.pixels.shape[1], self.pixels.shape[0]
        return self.pixels.size

    def crop(self, window: Region, size_wh: tuple[int, int], pad_value: int) -> Image.Image:
        """What ``window`` shows, stretched to ``size_wh``; ``pad_value`` where that is outside of the region.

        Bilinear with area support, as the pipeline's one resize. A pixel that is partly outside counts as outside.
        """
        sides = [
            _Side(
                region_start=region_start,
                region_length=region_length,
                pixels=pixels,
                window_start=window_start,
                window_length=window_length,
                size=size,
            )
            for region_start, region_length, pixels, window_start, window_length, size in zip(
                (self.region.left, self.region.top),
                (self.region.width, self.region.height),
                self.size_wh,
                (window.left, window.top),
                (window.width, window.height),
                size_wh,
                strict=True,
            )
        ]
        x, y = sides
        if x.count < 1 or y.count < 1:
            return Image.new("RGB", size_wh, (pad_value,) * 3)
        (left, right), (top, bottom) = x.source, y.source
        part, (move_x, move_y) = self._part(left, top, right, bottom)
        box = (left - move_x, top - move_y, right - move_x, bottom - move_y)
        inner = part.resize((x.count, y.count), Image.Resampling.BILINEAR, box=box)
        if inner.size == size_wh:
            return inner
        canvas = Image.new("RGB", size_wh, (pad_value,) * 3)
        canvas.paste(inner, (x.first, y.first))
        return canvas

    def _part(self, left: float, top: float, right: float, bottom: float) -> tuple[Image.Image, tuple[int, int]]:
        """Pillow's image of these pixels at least, and where it begins: an array is not copied as a whole."""
        if not isinstance(self.pixels, np.ndarray):
            return self.pixels, (0, 0)
        x, y = max(0, math.floor(left) - 2), max(0, math.floor(top) - 2)
        part = self.pixels[y : math.ceil(bottom) + 2, x : math.ceil(right) + 2]
        return Image.fromarray(np.ascontiguousarray(part)), (x, y)


@dataclass(frozen=True, kw_only=True)
class _Side:
    """Along one axis: which pixels of the crop lie in the region, and where these are in the view's pixels.

    Attributes:
        region_start: Where the view's region begins, in pixels of the picture.
        region_length: How long it is.
        pixels: How many pixels the view has for it.
        window_start: Where the window begins, in pixels of the picture.
        window_length: How long it is.
        size: How many pixels the crop has for it.
    """

    region_start: float
    region_length: float
    pixels: int
    window_start: float
    window_length: float
    size: int

    @property
    def _step(self) -> float:
        """PixelSource of the picture a pixel of the crop."""
        return self.window_length / self.size

    @property
    def first(self) -> int:
        return max(0, math.ceil((self.region_start - self.window_start) / self._step - NEGLIGIBLE))

    @property
    def count(self) -> int:
        end = (self.region_start + self.region_length - self.window_start) / self._step
        return min(self.size, math.floor(end + NEGLIGIBLE)) - self.first

    @property
    def source(self) -> tuple[float, float]:
        """Start and end in the view's pixels."""
        scale = self.pixels / self.region_length
        start = (self.window_start + self.first * self._step - self.region_start) * scale
        end = start + self.count * self._step * scale
        return max(0.0, start), min(float(self.pixels), end)


def whole_view(picture: Picture, at_least_wh: tuple[int, int], decode: Decode) -> View:
    """All of the picture. A JPEG comes reduced where that suffices; of ``bands``, at ``at_least_wh`` exactly.

    Raises ``PictureError``, ``MissingExtra``.
    """
    if decode == "bands":
        return _read(picture, whole(picture.size_wh), at_least_wh)
    return View(picture.pixels(at_least_wh=at_least_wh), whole(picture.size_wh))


def views(
    picture: Picture, windows: Sequence[Region], size_wh: tuple[int, int], decode: Decode, seen: View
) -> Iterator[View]:
    """For each window a view from which it can be cropped to ``size_wh``. ``seen``: one of the whole picture.

    A picture that is decoded as a whole is so once, for all windows, unless ``seen`` suffices; one in bands is read
    once for each window, down to its lower edge, and of it only that window is held.
    """
    if decode == "bands":
        for window in windows:
            part = window.within(picture.size_wh)
            scale = min(
                1.0, max(REDUCE_TO * side / length for side, length in zip(size_wh, _sides(window), strict=True))
            )
            yield _read(picture, part, (math.ceil(part.width * scale), math.ceil(part.height * scale)))
        return
    wanted = fine_enough(picture.size_wh, windows, size_wh)
    enough = all(have >= want for have, want in zip(seen.size_wh, wanted, strict=True))
    view = seen if enough else whole_view(picture, wanted, decode)
    for _ in windows:
        yield view


def fine_enough(picture_wh: tuple[int, int], windows: Sequence[Region], size_wh: tuple[int, int]) -> tuple[int, int]:
    """The size of the whole picture at which each window has ``REDUCE_TO`` times ``size_wh``, or the picture's own."""
    scales = [REDUCE_TO * side / length for w in windows for side, length in zip(size_wh, _sides(w), strict=True)]
    scale = min(1.0, max(scales))
    return math.ceil(picture_wh[0] * scale), math.ceil(picture_wh[1] * scale)


def _sides(window: Region) -> tuple[float, float]:
    return window.width, window.height


def _read(picture: Picture, part: Region, size_wh: tuple[int, int]) -> View:
    """A part of the picture, which is wholly in it, read row by row, at about ``size_wh`` and not more than it has."""
    if part.width < 1 or part.height < 1:
        return View(Image.new("RGB", (1, 1)), Region(-2.0, -2.0, 1.0, 1.0))
    stored = _as_stored(part, picture)
    size = turned_wh(size_wh, picture.orientation)
    reduce = _reduction(picture, stored, size)
    scale = [whole // reduce / whole for whole in stream.stored_wh(picture)]
    left, right = _span(stored.left, stored.width, scale[0], stream.stored_wh(picture)[0] // reduce)
    top, bottom = _span(stored.top, stored.height, scale[1], stream.stored_wh(picture)[1] // reduce)
    size = (min(size[0], right - left), min(size[1], bottom - top))
    rows = _cut(stream.rows(picture, reduce), left, top, right, bottom)
    bands = list(resized_bands(rows, (right - left, bottom - top), size))
    region = Region(left / scale[0], top / scale[1], (right - left) / scale[0], (bottom - top) / scale[1])
    upright = np.ascontiguousarray(turned(np.concatenate(bands), picture.orientation))
    return View(upright, _upright(region, picture))


def _reduction(picture: Picture, stored: Region, size_wh: tuple[int, int]) -> int:
    if picture.format not in ("JPEG", "MPO"):
        return 1
    spare = min(side / size for side, size in zip(_sides(stored), size_wh, strict=True))
    return next(by for by in (8, 4, 2, 1) if spare >= by or by == 1)


def _span(start: float, length: float, scale: float, most: int) -> tuple[int, int]:
    first = min(most - 1, math.floor(start * scale + NEGLIGIBLE))
    return first, max(first + 1, min(most, math.ceil((start + length) * scale - NEGLIGIBLE)))


def _cut(
    bands: Iterator[NDArray[np.uint8]], left: int, top: int, right: int, bottom: int
) -> Iterator[NDArray[np.uint8]]:
    """Of the bands of a picture, those columns and rows; what lies below is not read."""
    start = 0
    for band in bands:
        part = band[max(0, top - start) : bottom - start, left:right]
        start += len(band)
        if len(part):
            yield part
        if start >= bottom:
            return


def _as_stored(window: Region, picture: Picture) -> Region:
    """A window of the upright picture, in pixels as they are stored."""
    (width, height), turn = picture.size_wh, picture.orientation
    left, top, right, bottom = window.xyxy
    if turn in (2, 3, 6, 7):
        left, right = width - right, width - left
    if turn in (3, 4, 7, 8):
        top, bottom = height - bottom, height - top
    if turn >= 5:
        left, top, right, bottom = top, left, bottom, right
    return Region(left, top, right - left, bottom - top)


def _upright(window: Region, picture: Picture) -> Region:
    """The other way round."""
    (width, height), turn = picture.size_wh, picture.orientation
    left, top, right, bottom = window.xyxy
    if turn >= 5:
        left, top, right, bottom = top, left, bottom, right
    if turn in (3, 4, 7, 8):
        top, bottom = height - bottom, height - top
    if turn in (2, 3, 6, 7):
        left, right = width - right, width - left
    return Region(left, top, right - left, bottom - top)
