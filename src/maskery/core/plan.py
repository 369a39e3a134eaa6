"""How one picture is worked on, decided before it is decoded. Plain data; ``inference.planning`` decides it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal

from maskery.core.prompt import Prompt

Decode = Literal["whole", "reduced", "bands"]
MIB = 1 << 20


@dataclass(frozen=True)
class Placement:
    """Sizes in pixels. The picture fills ``content_wh`` of ``working_wh``, ``offset_xy`` from its left upper corner."""

    original_wh: tuple[int, int]
    working_wh: tuple[int, int]
    content_wh: tuple[int, int]
    offset_xy: tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class TileGrid:
    """Where the tiles of a picture lie; sizes (width, height) as it is stored, before its EXIF orientation.

    Attributes:
        picture_wh: In its own pixels.
        content_wh: The whole picture in working pixels.
        whole_wh: At least that, in working pixels: what the tiles cover exactly.
        tile_wh: Of one tile, in working pixels.
        lefts: Where tiles begin, in working pixels, multiples of ``unit``.
        tops: The same from the top.
        unit: Working pixels.
    """

    picture_wh: tuple[int, int]
    content_wh: tuple[int, int]
    whole_wh: tuple[int, int]
    tile_wh: tuple[int, int]
    lefts: tuple[int, ...]
    tops: tuple[int, ...]
    unit: int

    @property
    def count(self) -> int:
        return len(self.lefts) * len(self.tops)

    @property
    def side(self) -> int:
        """A tile's longest side in pixels of the picture."""
        x, y = (picture / content for picture, content in zip(self.picture_wh, self.content_wh, strict=True))
        return round(max(self.tile_wh[0] * x, self.tile_wh[1] * y))

    @property
    def overlap(self) -> int:
        """The least overlap of neighbours in pixels of the picture; 0 where there is one tile."""
        least = [
            (self.tile_wh[i] - max(b - a for a, b in pairwise(starts))) * (self.picture_wh[i] / self.content_wh[i])
            for i, starts in enumerate((self.lefts, self.tops))
            if len(starts) > 1
        ]
        return round(min(least, default=0))


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """What a caller may ask of a run.

    Attributes:
        classes: Only these, by name; empty = all.
        max_side: Longest side of what the model is given, in pixels; None = the card's own.
        maps: Some of ``result.meta.MAPS``, beside the classes.
        answer_wh: Size of the answer's grid instead of the upright picture's own pixels; classes are decided there from
            the same scores. For protocols whose contract has another size, and for summaries.
        tile: Side of the tiles that the picture is cut into, in its pixels; 0 = none, None = only where it is huge.
        prompt: What is pointed at, for models that cut that out.
        candidates: How many masks such a model may give, best first.
        score: Of single objects, those with a lower score are left out, 0..1; None = the card's own.
        overlap: Two of one class that overlap by more (intersection over union) are one, 0..1; None = the card's own.
        max_objects: At most so many, the surest; None = the card's own.
    """

    classes: tuple[str, ...] = ()
    max_side: int | None = None
    maps: tuple[str, ...] = ()
    answer_wh: tuple[int, int] | None = None
    tile: int | None = None
    prompt: Prompt | None = field(default=None, repr=False)  # repr is in the ETags of answers without prompts
    candidates: int = field(default=1, repr=False)
    score: float | None = field(default=None, repr=False)
    overlap: float | None = field(default=None, repr=False)
    max_objects: int | None = field(default=None, repr=False)

    @property
    def of_objects(self) -> dict[str, float | int]:
        """Those of ``score``, ``overlap`` and ``max_objects`` that were given."""
        given = {"score": self.score, "overlap": self.overlap, "max_objects": self.max_objects}
        return {name: value for name, value in given.items() if value is not None}


PLAIN = RunOptions()


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


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All that is decided of a run before the picture is decoded; who follows it decides nothing again. It pickles.

    Attributes:
        options: What the caller asked for, checked against the card.
        placement: How the upright picture lies before the model, as a whole.
        working_wh: Size of what the model is given in one run: of one tile or one crop, where there are such.
        max_side: The longest side that brings it about; None = the card's own.
        decode: As a whole, a JPEG at 1/``reduce``, or in bands of rows (``reduce`` too, where it is not 1).
        reduce: 1, 2, 4 or 8.
        tiles: Where the tiles lie; None = the picture is looked at in one piece.
        banded: Whether the result is kept as compressed bands of rows.
        photo: How the picture is read that the answer is drawn on; None = on nothing.
        need_bytes: The estimated peak, above what the process holds anyway.
        budget_bytes: What it had to fit; None = no limit.
        changed: What is done otherwise than asked, and why; empty where nothing is.
        max_faces: How many faces are parsed at most, by a model that parses one at a time.
        by_box: Whether masks of objects are drawn by another model, in runs of their own.
    """

    options: RunOptions = PLAIN
    placement: Placement
    working_wh: tuple[int, int]
    max_side: int | None = None
    decode: Decode
    reduce: int = 1
    tiles: TileGrid | None = None
    banded: bool
    photo: Decode | None
    need_bytes: int
    budget_bytes: int | None = None
    changed: str = ""
    max_faces: int = 0
    by_box: bool = False

    @property
    def alone(self) -> bool:
        """Whether the picture is worked on in several runs, and so not together with others."""
        return self.tiles is not None or self.max_faces > 0 or self.options.prompt is not None or self.by_box

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
