"""How one picture is worked on, decided before it is decoded. Plain data; ``engine.memory_plan`` decides it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

Decode = Literal["whole", "reduced", "bands"]
MIB = 1 << 20


@dataclass(frozen=True)
class Tiles:
    """``side`` of a tile and the least ``overlap`` of neighbours, in pixels of the picture; ``count``: of tiles.

    ``asked``: the side that was asked for, None = chosen by the working size.
    """

    side: int
    overlap: int
    count: int
    asked: int | None = None


@dataclass(frozen=True)
class Demand:
    """What an answer takes beside the result.

    ``photo``: it is drawn on the upright picture. ``bands``: it can be written band by band. ``held``: bytes a pixel
    that its writer holds at its end, beside result and photo. ``shown``: bytes a pixel of the photo in it before they
    are packed without loss; 0 where there is none.
    """

    photo: bool = False
    bands: bool = False
    held: float = 2.0
    shown: float = 0.0


PLAIN_DEMAND = Demand()


@dataclass(frozen=True)
class Plan:
    """``decode``: as a whole, a JPEG at 1/``reduce``, or in bands of rows (``reduce`` too, where it is not 1).

    ``working_wh``: the size that the model sees, of one tile where there are ``tiles``. ``max_side``: the longest side
    that brings it about, None = the card's own. ``banded``: the result is kept as compressed bands of rows. ``photo``:
    how the picture is read that the answer is drawn on. ``need_bytes``: the estimated peak, above what the process
    holds anyway, within ``budget_bytes`` where there is one. ``changed``: what is not as asked, and why; empty where
    all is. ``max_faces``: how many faces a model that looks at one at a time will look at.
    """

    decode: Decode
    reduce: int
    working_wh: tuple[int, int]
    max_side: int | None
    tiles: Tiles | None
    banded: bool
    photo: Decode | None
    need_bytes: int
    budget_bytes: int | None = None
    changed: str = ""
    max_faces: int = 0

    @property
    def alone(self) -> bool:
        """Whether the picture is worked on in several runs, and so not together with others."""
        return self.tiles is not None or self.max_faces > 0

    def document(self) -> dict[str, Any]:
        """As JSON answers say it; sizes in pixels, memory in MiB."""
        tiles = self.tiles
        return {
            "decode": self.decode if self.reduce == 1 else f"{self.decode} 1/{self.reduce}",
            "working": {"width": self.working_wh[0], "height": self.working_wh[1]},
            "tiles": {"side": tiles.side, "overlap": tiles.overlap, "count": tiles.count} if tiles else None,
            "estimated_mb": mib(self.need_bytes),
            "budget_mb": None if self.budget_bytes is None else mib(self.budget_bytes),
            "changed": self.changed,
        }

    def header(self, more: Sequence[str] = ()) -> str:
        """The same as the value of a response header: ``decode=bands; working=384x384; estimated_mb=57``.

        ``more``: facts of the run, each as ``name=value``.
        """
        parts = self.document()
        working, tiles = self.working_wh, self.tiles
        words = [f"decode={parts['decode'].replace(' ', ':')}", f"working={working[0]}x{working[1]}"]
        if tiles:
            words.append(f"tiles={tiles.count}x{tiles.side}px")
        words.append(f"estimated_mb={parts['estimated_mb']}")
        if self.budget_bytes is not None:
            words.append(f"budget_mb={parts['budget_mb']}")
        words += more
        if self.changed:
            words.append(f'changed="{self.changed}"')
        return "; ".join(words)


def mib(count: int) -> int:
    """Bytes -> MiB, rounded up."""
    return -(-count // MIB)
