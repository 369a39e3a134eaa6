"""What a task answers: frozen objects that check themselves when made."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from maskery.core.errors import BadRequest, nearest
from maskery.core.plan import Plan
from maskery.core.result.counts import Occurrence, occurrences

Colour = tuple[int, int, int]
MAPS = ("confidence", "entropy", "margin")  # what ``SemanticResult.maps`` may hold


@dataclass(frozen=True)
class Frame:
    """How the model's picture lies in the caller's. Sizes are (width, height) in pixels.

    ``original_wh``: the upright picture, whose pixels every answer uses. ``orientation``: the EXIF tag that was
    applied, 1 = none. ``working_wh``: what the model saw, padding included. ``scale_xy``: working pixels per original
    pixel. ``padding``: (left, top, right, bottom) inside ``working_wh``. ``answer_wh``: the answer's own grid, where it
    is not the picture's pixels.
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


@dataclass(frozen=True)
class ClassShare:
    """One class of a class map. ``box_xyxy``: left, top inclusive; right, bottom exclusive."""

    id: int
    name: str
    colour: Colour
    pixels: int
    share: float
    box_xyxy: tuple[int, int, int, int]


@dataclass(frozen=True)
class Answer:
    """What all results have. ``timings_ms``: milliseconds by stage, in the order in which the stages ran. ``plan``: how
    the picture was worked on.
    """

    labels: tuple[str, ...]
    palette: tuple[Colour, ...]
    frame: Frame
    model: ModelInfo
    timings_ms: dict[str, float] = field(compare=False)
    plan: Plan | None = field(default=None, compare=False, kw_only=True)

    def __post_init__(self) -> None:
        if len(self.labels) != len(self.palette):
            raise ValueError(f"{len(self.labels)} labels but {len(self.palette)} colours")

    def shares(self, found: Iterable[Occurrence]) -> tuple[ClassShare, ...]:
        """What occurs in a map of the answer, as classes, most pixels first."""
        labels, palette, (width, height) = self.labels, self.palette, self.frame.size_wh
        classes = [
            ClassShare(one.id, labels[one.id], palette[one.id], one.pixels, one.pixels / (width * height), one.box_xyxy)
            for one in found
            if one.id < len(labels)
        ]
        return tuple(sorted(classes, key=lambda share: -share.pixels))

    def class_ids(self, names: Sequence[str]) -> list[int]:
        """Names -> ids. Raises ``BadRequest`` naming the nearest label."""
        for name in names:
            if name not in self.labels:
                raise BadRequest(f"{self.model.name} has no class {name!r}.", nearest(name, self.labels))
        return [self.labels.index(name) for name in names]


def _expect_map(name: str, array: NDArray[np.generic], frame: Frame, dtypes: tuple[str, ...]) -> None:
    expected = frame.size_wh[::-1]
    if array.shape != expected:
        raise ValueError(f"{name} has shape {array.shape}, expected {expected} (height, width)")
    if array.dtype.name not in dtypes:
        raise ValueError(f"{name} has dtype {array.dtype}, expected {' or '.join(dtypes)}")


@dataclass(frozen=True, eq=False)
class SemanticResult(Answer):
    """``class_map``: (H, W) uint8 (uint16 above 255 labels), class id of every original pixel, or ``unlabelled`` after
    ``keep`` on a model without background.

    ``maps``: those of ``MAPS`` that were asked for, (H, W) float32, 0..1: "confidence" is the highest probability of a
    class, "entropy" that of all probabilities divided by log(classes), "margin" the highest less the second.
    ``decided_by``: "interpolated scores", or "nearest ..." where the model gives only a class map of its working size.
    ``kept``: the names that ``keep`` was given.
    """

    class_map: NDArray[np.uint8] | NDArray[np.uint16]
    decided_by: str
    maps: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    kept: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        _expect_map("class_map", self.class_map, self.frame, ("uint8", "uint16"))
        for name, values in self.maps.items():
            if name not in MAPS:
                raise ValueError(f"a map is called {name!r}, expected one of {', '.join(MAPS)}")
            _expect_map(name, values, self.frame, ("float32",))
        if int(self.class_map.max()) >= len(self.labels):
            self._expect_known_ids()

    def _expect_known_ids(self) -> None:
        stray = [item.id for item in self._occurrences if item.id >= len(self.labels) and item.id != self.unlabelled]
        if stray:
            raise ValueError(f"class_map has id {stray[0]}, but there are {len(self.labels)} labels")

    @property
    def unlabelled(self) -> int:
        """The id that stands for no class: 255, or 65535 in a uint16 map."""
        return int(np.iinfo(self.class_map.dtype).max)

    @cached_property
    def _occurrences(self) -> tuple[Occurrence, ...]:
        return occurrences(self.class_map)

    @cached_property
    def classes(self) -> tuple[ClassShare, ...]:
        """The classes that occur, most pixels first."""
        return self.shares(self._occurrences)

    def rows(self) -> Iterator[NDArray[np.uint8] | NDArray[np.uint16]]:
        """Bands (h, W) of class ids, from top to bottom, as ``BandedResult`` has them: here, one."""
        yield self.class_map

    def keep(self, names: Sequence[str]) -> "SemanticResult":
        """Only the classes of these names; the rest becomes background, or ``unlabelled`` where there is none."""
        kept = self.class_ids(names)
        rest = self.labels.index("background") if "background" in self.labels else self.unlabelled
        table = np.full(self.unlabelled + 1, rest, dtype=self.class_map.dtype)
        table[kept] = kept
        return replace(self, class_map=table[self.class_map], kept=tuple(names))


@dataclass(frozen=True, eq=False)
class ForegroundResult(Answer):
    """``alpha``: (H, W) uint8, 0 = background, 255 = foreground: the soft mask. Labels are (background, foreground)."""

    alpha: NDArray[np.uint8]
    threshold: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.labels) != 2:
            raise ValueError(f"a foreground result has 2 labels, not {len(self.labels)}")
        _expect_map("alpha", self.alpha, self.frame, ("uint8",))

    @staticmethod
    def opaque_from(threshold: float = 0.5) -> int:
        """The least ``alpha`` that counts as foreground."""
        return round(threshold * 255)

    @cached_property
    def as_semantic(self) -> SemanticResult:
        """The hard decision at ``threshold`` as a two-class map."""
        return SemanticResult(
            labels=self.labels,
            palette=self.palette,
            frame=self.frame,
            model=self.model,
            timings_ms=self.timings_ms,
            plan=self.plan,
            class_map=(self.alpha >= self.opaque_from(self.threshold)).astype(np.uint8),
            decided_by=f"interpolated probability >= {self.threshold}",
        )


@dataclass(frozen=True, eq=False)
class ClassificationResult(Answer):
    """``scores``: (C,) float32, probabilities that sum to 1."""

    scores: NDArray[np.float32]

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.scores.shape != (len(self.labels),):
            raise ValueError(f"scores has shape {self.scores.shape}, expected ({len(self.labels)},)")

    def top(self, count: int = 5) -> list[tuple[str, float]]:
        """The ``count`` likeliest labels with their probabilities, best first."""
        order = np.argsort(-self.scores, kind="stable")[:count]
        return [(self.labels[i], float(self.scores[i])) for i in order]


Result = SemanticResult | ForegroundResult | ClassificationResult
