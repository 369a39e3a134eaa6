"""What every result says of itself: its classes, how the picture lay before the model, which model, how, how long."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from maskery.core.boxes import Occurrence
from maskery.core.errors import BadRequest, nearest
from maskery.core.plan import Plan

Colour = tuple[int, int, int]
BACKGROUND = "background"
MAPS = ("confidence", "entropy", "margin")  # what a result may say of how sure the model is of each pixel


@dataclass(frozen=True, kw_only=True)
class Frame:
    """How the model's picture lies in the caller's. Sizes are (width, height) in pixels.

    Attributes:
        original_wh: The upright picture, whose pixels every answer uses.
        orientation: The EXIF tag that was applied, 1 = none.
        working_wh: What the model saw, padding included.
        scale_xy: Working pixels per original pixel.
        padding: (left, top, right, bottom) inside ``working_wh``.
        answer_wh: The answer's own grid, where it is not the picture's pixels.
    """

    original_wh: tuple[int, int]
    orientation: int
    working_wh: tuple[int, int]
    scale_xy: tuple[float, float]
    padding: tuple[int, int, int, int]
    answer_wh: tuple[int, int] | None = None

    @property
    def size_wh(self) -> tuple[int, int]:
        """(width, height) of the maps of the answer."""
        return self.answer_wh or self.original_wh


@dataclass(frozen=True)
class ModelInfo:
    """Which model answered."""

    name: str
    version: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class ClassShare:
    """One class of a class map.

    Attributes:
        id: The class.
        name: Its label.
        colour: Red, green, blue, 0..255.
        pixels: How many have it.
        share: Of all pixels, 0..1.
        box_xyxy: Around them; left, top inclusive; right, bottom exclusive.
    """

    id: int
    name: str
    colour: Colour
    pixels: int
    share: float
    box_xyxy: tuple[int, int, int, int]


@dataclass(frozen=True)
class Face:
    """A face that was found, and the crop of the picture that the model was shown, which may reach beyond the picture:
    left, top, right, bottom in pixels of the upright picture. ``score``: the detector's, 0 to 1.
    """

    box_xyxy: tuple[float, float, float, float]
    score: float
    crop_xyxy: tuple[float, float, float, float]

    def document(self) -> dict[str, Any]:
        """As JSON answers give it; pixels rounded to tenths."""
        box, crop = ([round(value, 1) for value in part] for part in (self.box_xyxy, self.crop_xyxy))
        return {"box": box, "score": round(self.score, 4), "crop": crop}


@dataclass(frozen=True)
class Faces:
    """The faces that a model looked at one by one, surest first, of the ``count`` that were found."""

    seen: tuple[Face, ...]
    count: int

    @property
    def note(self) -> str:
        """What the caller should know; empty where nothing is to be said."""
        if not self.seen:
            return "No face was found: all is background."
        if len(self.seen) == self.count:
            return ""
        return f"{self.count} faces were found; only the {len(self.seen)} surest were looked at."


@dataclass(frozen=True, kw_only=True)
class Meta:
    """What all results have.

    Attributes:
        task: The name of the task, "semantic" say.
        labels: Names by class id.
        palette: Colours by class id.
        frame: How the model's picture lies in the caller's.
        model: Which model answered.
        timings_ms: Milliseconds by stage, in the order in which the stages ran.
        plan: How the picture was worked on.
        faces: Those that were looked at, of a model that looks at one face at a time.
    """

    task: str
    labels: tuple[str, ...]
    palette: tuple[Colour, ...]
    frame: Frame
    model: ModelInfo
    timings_ms: dict[str, float] = field(compare=False)
    plan: Plan | None = field(default=None, compare=False)
    faces: Faces | None = None

    def __post_init__(self) -> None:
        if len(self.labels) != len(self.palette):
            raise ValueError(f"{len(self.labels)} labels but {len(self.palette)} colours")

    @property
    def background(self) -> int | None:
        """The id of the class ``background``, None where there is none."""
        return self.labels.index(BACKGROUND) if BACKGROUND in self.labels else None

    @property
    def note(self) -> str:
        """What the caller should know of this answer; empty where nothing is to be said."""
        return self.faces.note if self.faces else ""

    def shares(self, occurring: Iterable[Occurrence]) -> tuple[ClassShare, ...]:
        """What occurs in a map of the answer, as classes, most pixels first."""
        width, height = self.frame.size_wh
        classes = [
            ClassShare(
                id=one.id,
                name=self.labels[one.id],
                colour=self.palette[one.id],
                pixels=one.pixels,
                share=one.pixels / (width * height),
                box_xyxy=one.box_xyxy,
            )
            for one in occurring
            if one.id < len(self.labels)
        ]
        return tuple(sorted(classes, key=lambda share: -share.pixels))

    def class_ids(self, names: Sequence[str]) -> list[int]:
        """Names -> ids. Raises ``BadRequest`` naming the nearest label."""
        for name in names:
            if name not in self.labels:
                raise BadRequest(f"{self.model.name} has no class {name!r}.", nearest(name, self.labels))
        return [self.labels.index(name) for name in names]

    def plan_document(self) -> dict[str, Any]:
        """The plan as JSON answers give it, with the faces; empty where there is no plan."""
        if self.plan is None:
            return {}
        return self.plan.document() | ({"faces": [face.document() for face in self.faces.seen]} if self.faces else {})

    def plan_header(self) -> str:
        """The plan as the value of a response header, with the number of faces; empty where there is no plan."""
        if self.plan is None:
            return ""
        return self.plan.header([f"faces={len(self.faces.seen)}"] if self.faces else [])
