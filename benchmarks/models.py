"""The models that Maskery and its peers are compared on."""

from dataclasses import dataclass
from pathlib import Path

import msgspec

from maskery.core.errors import ConfigError, DownloadError
from maskery.core.picture import decode
from maskery.core.picture.decode import Picture
from maskery.core.settings import Settings, load_settings
from maskery.models.segmenter import Segmenter, open_segmenter
from maskery.models.store import Located, Store

FIRST = "deeplabv3-mobilenetv2-voc-257"
"""Of the catalogue: a size and a head as most demos have them."""
BUILT_IN = "everyday"


@dataclass(frozen=True)
class Candidate:
    """A model that is here, loaded, and the cache folder that a server finds it in. ``int8``: its twin, or None."""

    located: Located
    segmenter: Segmenter
    cache: Path
    int8: Segmenter | None = None

    @property
    def name(self) -> str:
        return self.located.card.name

    def open_picture(self, data: bytes) -> Picture:
        """Within the limits of its segmenter."""
        limits = self.segmenter
        return decode.open_picture(data, max_bytes=limits.max_bytes, max_pixels=limits.max_pixels)


def candidates(mirror: str, cache: Path) -> list[Candidate]:
    """``FIRST``, pulled from ``mirror`` into ``cache`` if it is there, then the built-in one."""
    settings = load_settings({"mirror": mirror, "cache": str(cache), "offline": not mirror}, environment={})
    store, names = Store(settings), [BUILT_IN]
    if mirror:
        try:
            store.pull(FIRST)
            names.insert(0, FIRST)
        except DownloadError:
            pass  # the section says which models it measured
    return [
        Candidate(store.locate(name), open_segmenter(name, settings), cache, _int8(name, settings)) for name in names
    ]


def _int8(name: str, settings: Settings) -> Segmenter | None:
    try:
        return open_segmenter(name, msgspec.structs.replace(settings, precision="int8"))
    except ConfigError:
        return None  # the section says so
