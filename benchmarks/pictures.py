"""The pictures: photographs of scikit-image, as they are and at twelve megapixels."""

import io
from dataclasses import dataclass
from functools import cache

import numpy as np
import skimage.data
from numpy.typing import NDArray
from PIL import Image

LARGE_WH = (4000, 3000)
PHOTOS = ("astronaut", "coffee", "chelsea")
NOISE = 3.0  # standard deviation, of 255
SMALL, JPEG, PNG = "small JPEG", "12 MP JPEG", "12 MP PNG"


@dataclass(frozen=True)
class Sample:
    """``name``: how the tables call it. ``data``: the bytes of the file."""

    name: str
    media_type: str
    size_wh: tuple[int, int]
    data: bytes


def pixels(name: str) -> NDArray[np.uint8]:
    """A photograph, (H, W, 3) uint8 RGB, in its own size."""
    found: NDArray[np.uint8] = getattr(skimage.data, name)()
    return found


@cache
def enlarged(name: str) -> Image.Image:
    """A photograph at ``LARGE_WH`` with the noise of a sensor: enlarged alone, it would be too easy to decode."""
    smooth = np.asarray(Image.fromarray(pixels(name)).resize(LARGE_WH, Image.Resampling.BICUBIC))
    noise = np.random.default_rng(0).standard_normal((*smooth.shape[:2], 1), np.float32) * np.float32(NOISE)
    return Image.fromarray(np.clip(np.rint(smooth + noise), 0, 255).astype(np.uint8))


@cache
def samples() -> tuple[Sample, ...]:
    """The three that the latencies are measured with, all of the first photograph."""
    small = Image.fromarray(pixels(PHOTOS[0]))
    return (_jpeg(small, SMALL), *large(PHOTOS[0]))


@cache
def large(name: str) -> tuple[Sample, Sample]:
    """A photograph at twelve megapixels as JPEG and as PNG."""
    return _jpeg(enlarged(name), JPEG), _png(enlarged(name), PNG)


def jpeg(picture: Image.Image, progressive: bool = False) -> bytes:
    """As a camera would save it."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=90, progressive=progressive)
    return file.getvalue()


def png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG", compress_level=4)
    return file.getvalue()


def _jpeg(picture: Image.Image, name: str) -> Sample:
    return Sample(name, "image/jpeg", picture.size, jpeg(picture))


def _png(picture: Image.Image, name: str) -> Sample:
    return Sample(name, "image/png", picture.size, png(picture))
