"""What a protocol asks of the inference service, and what it is given."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from maskery.core.card import ModelCard
from maskery.core.picture.decode import Picture
from maskery.core.result.banded import BandedResult
from maskery.core.result.types import Result
from maskery.inference.pipeline import PLAIN, RunOptions
from maskery.inference.planning.memory_plan import PLAIN_DEMAND, Demand
from maskery.inference.source import Photo, PhotoRows


@dataclass(frozen=True)
class SegmentRequest:
    """One picture and what is wanted of it.

    ``source``: the file's bytes, or (H, W, 3) uint8 RGB. ``model``: a name, None for the default one. ``run_options``:
    the options of the run, or what makes them of the opened picture. ``demand``: what writing the answer takes: the
    upright picture, bands. ``upright``: whether the EXIF orientation is applied. ``protocol`` and ``format``: what
    metrics and logs call this request.
    """

    source: bytes | NDArray[np.uint8]
    model: str | None = None
    run_options: RunOptions | Callable[[Picture], RunOptions] = PLAIN
    demand: Demand = PLAIN_DEMAND
    upright: bool = True
    protocol: str = "native"
    format: str = "json"

    @property
    def bytes(self) -> int:
        """Of the picture's file or array."""
        return self.source.nbytes if isinstance(self.source, np.ndarray) else len(self.source)


@dataclass(frozen=True)
class Outcome:
    """What ``finish`` is given. ``drawn``: the result, in bands where the order's demand allows them; ``shown``: the
    picture that the answer is drawn on, or a reader of its bands, where the demand has it.
    """

    drawn: Result | BandedResult
    card: ModelCard
    picture: Picture
    shown: Photo | None

    @property
    def result(self) -> Result:
        """The result in one piece."""
        return self.drawn.whole() if isinstance(self.drawn, BandedResult) else self.drawn

    @property
    def photo(self) -> NDArray[np.uint8] | None:
        """(H, W, 3) uint8, the picture in one piece, where the demand has it."""
        return self.picture.rgb() if isinstance(self.shown, PhotoRows) else self.shown


def as_stored(picture: Picture) -> Picture:
    """The picture without its EXIF orientation."""
    size = picture.size_wh[::-1] if picture.orientation >= 5 and picture.format != "TIFF" else picture.size_wh
    return replace(picture, orientation=1, size_wh=size)
