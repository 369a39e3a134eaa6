"""The models that Maskery and its peers are compared on."""

from dataclasses import dataclass
from pathlib import Path

from maskery.core.errors import DownloadError
from maskery.core.settings import load_settings
from maskery.models.segmenter import Segmenter, open_segmenter
from maskery.models.store import Located, Store

FIRST = "deeplabv3-mobilenetv2-voc-257"
"""Of the catalogue: a size and a head as most demos have them."""
BUILT_IN = "everyday"


@dataclass(frozen=True)
class Candidate:
    """A model that is here, loaded, and the cache folder that a server finds it in."""

    located: Located
    segmenter: Segmenter
    cache: Path

    @property
    def name(self) -> str:
        return self.located.card.name


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
    return [Candidate(store.locate(name), open_segmenter(name, settings), cache) for name in names]
