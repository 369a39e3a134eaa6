"""Scientific pictures -> RGB of 8 bits: bands of one's choice, 12 bits in 16, percentiles of any range."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from maskery.core.errors import BadRequest
from maskery.core.picture.stream import stored_samples

LOW, HIGH = 2.0, 98.0
"""Percentiles of a band that become 0 and 255."""


@dataclass(frozen=True)
class LevelOptions:
    """``bands``: one or three of them, from 1 on, red first; () = all. ``bits``: that values have, of those that are
    stored; 0 = all. ``stretch``: the range from ``LOW`` to ``HIGH`` of each band becomes 0..255.

    Raises ``BadRequest`` for other numbers.
    """

    bands: tuple[int, ...] = ()
    bits: int = 0
    stretch: bool = False

    def __post_init__(self) -> None:
        if len(self.bands) not in (0, 1, 3) or min(self.bands, default=1) < 1:
            raise BadRequest(f"The bands are {self.bands}.", "Give one or three numbers from 1 on, 4,3,2 say.")
        if self.bits not in (0, *range(8, 17)):
            raise BadRequest(f"bits is {self.bits}.", "Give the bits that values have, from 8 to 16: 12 say.")
        if self.bits and self.stretch:
            raise BadRequest("bits and stretch both say what is white.", "Give one of them.")

    @property
    def given(self) -> bool:
        """Whether anything is asked for."""
        return self != LevelOptions()


def read_levels(
    source: bytes | str | os.PathLike[str] | NDArray[np.generic], options: LevelOptions
) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 from a PNG or TIFF of any bands and bits, or an array (H, W) or (H, W, B); not turned by EXIF.

    Raises ``BadRequest`` for bands that there are not and values without a known range, ``PictureError`` for a damaged
    file, ``MissingExtra`` without libvips (extra ``huge``).
    """
    if isinstance(source, np.ndarray):
        values: NDArray[np.generic] = source
    else:
        values = stored_samples(source if isinstance(source, bytes) else _content(Path(source)))
    values = values[..., None] if values.ndim == 2 else values
    count = values.shape[2]
    chosen = options.bands or tuple(range(1, count + 1))
    if len(chosen) not in (1, 3) or max(chosen) > count:
        raise BadRequest(f"The picture has {count} bands.", "Say which one or three of them, bands 3,2,1 say.")
    levels = [_levels(values[..., band - 1], options) for band in chosen]
    return np.stack(levels if len(levels) == 3 else levels * 3, axis=-1)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadRequest(f"{path} cannot be read: {error.strerror}.", "Give the path of a picture file.") from error


def _levels(band: NDArray[np.generic], options: LevelOptions) -> NDArray[np.uint8]:
    """One band (H, W) -> uint8."""
    numbers = band.astype(np.float64)
    if options.stretch:
        finite = numbers[np.isfinite(numbers)]
        low, high = np.percentile(finite, (LOW, HIGH)) if finite.size else (0.0, 1.0)
    elif band.dtype.kind == "u":
        low, high = 0.0, float((1 << (options.bits or 8 * band.dtype.itemsize)) - 1)
    else:
        raise BadRequest(f"The range of {band.dtype} is not known.", "Add stretch: the middle of each band's values.")
    scaled = (numbers - low) / max(high - low, 1e-12)
    result: NDArray[np.uint8] = (np.clip(np.nan_to_num(scaled), 0, 1) * 255).round().astype(np.uint8)
    return result
