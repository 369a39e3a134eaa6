"""What a person points at in a picture: clicks, a box, a mask from before. Plain data that pickles and compares.

``inference.prompts.prompt_input`` makes it of what callers send, and checks it.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Click:
    """``x``, ``y``: pixels of the upright picture, a pixel's middle at a half. ``positive``: on the object."""

    x: float
    y: float
    positive: bool = True


@dataclass(frozen=True)
class CoarseMask:
    """A mask of a picture of ``picture_wh`` of which only the rough shape counts: zero outside of ``box_xyxy``, whole
    pixels of the picture. ``cells``: row by row, ``size_wh`` of them, how much of each is the object, 0 to 255.
    """

    picture_wh: tuple[int, int]
    box_xyxy: tuple[int, int, int, int]
    size_wh: tuple[int, int]
    cells: bytes


@dataclass(frozen=True)
class Prompt:
    """One object that is pointed at. ``box_xyxy``: left, top, right, bottom; ``previous``: a hint, the mask that the
    clicks correct. Lengths are in pixels of the upright picture.

    Without clicks and box nothing is asked for, and a model only looks at the picture.
    """

    clicks: tuple[Click, ...] = ()
    box_xyxy: tuple[float, float, float, float] | None = None
    previous: CoarseMask | None = None

    @property
    def empty(self) -> bool:
        """Whether nothing is asked for."""
        return not self.clicks and self.box_xyxy is None
