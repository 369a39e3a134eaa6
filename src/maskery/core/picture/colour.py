"""Colour profiles (ICC) of pictures -> sRGB, the space that models are trained in and that viewers take as given.

Profiles come from strangers: they are of bounded size, and a broken one says nothing, as in viewers.
"""

import io
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms

PROFILE_BYTES_AT_MOST = 4 << 20
SAME_LEVELS = 2  # of 255: a profile that moves no colour by more is sRGB
_MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}  # colour space of a profile -> Pillow's mode
_LEVELS = (0, 32, 64, 96, 128, 160, 192, 224, 255)


def moving(profile: object) -> bytes:
    """``profile`` where it moves colours, empty where it is sRGB, broken, too large or of another colour space."""
    if not isinstance(profile, bytes) or not 0 < len(profile) <= PROFILE_BYTES_AT_MOST:
        return b""
    return profile if _moves(profile) else b""


def to_srgb(band: Image.Image, profile: bytes) -> Image.Image | None:
    """``band`` as RGB in sRGB; None where the profile is not for pixels of its mode."""
    found = _transform(profile)
    if found is None or found[0] != band.mode:
        return None
    return ImageCms.applyTransform(band, found[1])


@lru_cache(maxsize=32)
def _transform(profile: bytes) -> tuple[str, ImageCms.ImageCmsTransform] | None:
    """The mode of the pixels that the profile is for, and the way to sRGB."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        mode = _MODES.get(source.profile.xcolor_space.strip())
        if mode is None:
            return None
        intent, flags = ImageCms.Intent.RELATIVE_COLORIMETRIC, ImageCms.Flags.BLACKPOINTCOMPENSATION
        made = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB", intent, flags)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError, AttributeError):
        return None
    return mode, made


@lru_cache(maxsize=32)
def _moves(profile: bytes) -> bool:
    found = _transform(profile)
    if found is None:
        return False
    if found[0] == "CMYK":
        return True
    levels = np.array(_LEVELS, np.uint8)
    if found[0] == "L":
        before = np.repeat(levels[None, :, None], 3, axis=2)
        grid = Image.fromarray(levels[None])
    else:
        before = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(1, -1, 3)
        grid = Image.fromarray(before)
    after = np.asarray(ImageCms.applyTransform(grid, found[1])).astype(np.int16)
    return bool(np.abs(after - before).max() > SAME_LEVELS)
