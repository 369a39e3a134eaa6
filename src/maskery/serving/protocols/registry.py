"""The protocols by name. A module is imported only where its protocol is served."""

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import Any

from maskery.core.errors import ConfigError, nearest
from maskery.core.settings import Settings
from maskery.serving.protocols.base import Protocol
from maskery.serving.runtime.request import Writer

# Name -> the module whose ``protocol(service)`` makes it, and whose ``WRITERS`` write its answers.
PROTOCOLS = {
    "native": "maskery.serving.protocols.native.routes",
    "jobs": "maskery.serving.protocols.jobs.routes",
    "max": "maskery.serving.protocols.max",
    "open-inference": "maskery.serving.protocols.open_inference.routes",
    "hugging-face": "maskery.serving.protocols.huggingface",
    "rembg": "maskery.serving.protocols.rembg",
    "label-studio": "maskery.serving.protocols.label_studio.routes",
    "cvat": "maskery.serving.protocols.cvat_functions",
    "detect": "maskery.serving.protocols.detect",
}
ALWAYS = ("native",)
"""Served whatever the settings say."""


def chosen(settings: Settings) -> list[str]:
    """The protocols to serve, in the order of the table. Raises ``ConfigError`` for a name that is none."""
    for name in settings.protocols:
        if name not in PROTOCOLS:
            raise ConfigError(f"There is no protocol {name!r}.", nearest(name, PROTOCOLS))
    if settings.drop_in and settings.drop_in not in settings.protocols:
        raise ConfigError(f"drop_in is {settings.drop_in!r}, but protocols lacks it.", "Add it to protocols.")
    served = (*ALWAYS, *settings.protocols, *(["jobs"] if settings.jobs else []))
    return [name for name in PROTOCOLS if name in served]


def factories(settings: Settings) -> list[Callable[[Any], Protocol]]:
    """What makes each protocol of the settings, given the ``InferenceService``. Raises ``ConfigError``.

    A factory too raises ``ConfigError``, for settings under which its protocol cannot be served.
    """
    return [import_module(PROTOCOLS[name]).protocol for name in chosen(settings)]


class ProtocolWriters(Mapping[str, Writer[Any, Any]]):
    """The writers of all protocols by their names, PROTOCOL:WRITER; also for workers in other processes."""

    def __getitem__(self, name: str) -> Writer[Any, Any]:
        writer: Writer[Any, Any] = import_module(PROTOCOLS[name.partition(":")[0]]).WRITERS[name]
        return writer

    def __iter__(self) -> Iterator[str]:
        for module in PROTOCOLS.values():
            yield from import_module(module).WRITERS

    def __len__(self) -> int:
        return sum(1 for _ in self)


WRITERS = ProtocolWriters()
