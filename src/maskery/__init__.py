"""Image segmentation as a service: one server, one command line, one Python call, the same mask.

import maskery
result = maskery.load("everyday").segment("photo.jpg")
result.save("mask.png")

The public names are imported when they are first used, so that ``import maskery`` costs nothing.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING

from maskery.core.version import __version__

if TYPE_CHECKING:
    from maskery.core import errors
    from maskery.encode.options import Options
    from maskery.integrations.client import AsyncClient, Client
    from maskery.models.segmented_picture import Segmentation
    from maskery.models.segmenter import Segmenter, load

# ONNX Runtime sends events to Microsoft (from 1.32 on) unless this is set before it is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__all__ = ["AsyncClient", "Client", "Options", "Segmentation", "Segmenter", "__version__", "errors", "load"]

# public name -> the module that has it; the module itself where the name is its own
_HOMES = {
    "AsyncClient": "maskery.integrations.client",
    "Client": "maskery.integrations.client",
    "Options": "maskery.encode.options",
    "Segmentation": "maskery.models.segmented_picture",
    "Segmenter": "maskery.models.segmenter",
    "errors": "maskery.core.errors",
    "load": "maskery.models.segmenter",
}


def __getattr__(name: str) -> object:
    """A public name, by PEP 562. Raises ``AttributeError`` for any other one."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = import_module(_HOMES[name])
    value: object = home if _HOMES[name].endswith(f".{name}") else getattr(home, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
