"""What is made of each picture of a folder."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class AnswerOptions:
    """What is made of each picture; plain data, the same on every machine that takes part.

    Attributes:
        model: Name of the model.
        formats: What is written.
        options: Of the formats, as text by name; each belongs to one of them at least.
        classes: Only these, by name; empty = all.
        max_side: Longest side of what the model sees, in pixels; None = the card's own.
        tile: Side of tiles in pixels of the picture; 0 = none, None = only where a picture is huge.
        coco: Whether lines hold COCO's annotations, for a file of all pictures.
    """

    model: str
    formats: tuple[str, ...]
    options: dict[str, str]
    classes: tuple[str, ...] = ()
    max_side: int | None = None
    tile: int | None = None
    coco: bool = False
