"""Image segmentation as a service: one server, one command line, one Python call, the same mask.

import maskery
result = maskery.load("everyday").segment("photo.jpg")
result.save("mask.png")
"""

from typing import TYPE_CHECKING

from maskery.core.version import __version__

if TYPE_CHECKING:
    from maskery.models.segmenter import Segmenter

__all__ = ["__version__", "load"]


def load(name: str = "everyday", *, device: str | None = None, threads: int | None = None) -> "Segmenter":
    """Load the model ``name``: built-in, pulled, added, or the path of a folder with a ``model.toml``.

    ``device``: "cpu", "cuda" or "auto"; ``threads``: 0 = all usable cores; None takes the setting. Raises
    ``UnknownModel``, ``DeviceError``, ``ModelError``. Thread-safe once loaded.
    """
    from maskery.models.segmenter import load as load_segmenter

    return load_segmenter(name, device, threads)
