"""What a task answers, in one piece: frozen objects that check themselves when made."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from maskery.core.arrays import ClassMap
from maskery.core.boxes import Occurrence
from maskery.core.result.counts import occurrences
from maskery.core.result.meta import MAPS, ClassShare, Frame, Meta


def _expect_map(name: str, array: NDArray[np.generic], frame: Frame, dtypes: tuple[str, ...]) -> None:
    expected = frame.size_wh[::-1]
    if array.shape != expected:
        raise ValueError(f"{name} has shape {array.shape}, expected {expected} (height, width)")
    if array.dtype.name not in dtypes:
        raise ValueError(f"{name} has dtype {array.dtype}, expected {' or '.join(dtypes)}")


@dataclass(frozen=True, eq=False, kw_only=True)
class SemanticResult:
    """One class a pixel.

    Attributes:
        meta: What all results have.
        class_map: (H, W) uint8 (uint16 above 255 labels), class id of every original pixel, or ``unlabelled`` after
            ``keep`` on a model without background.
        decided_by: "interpolated scores", or "nearest ..." where the model gives only a class map of its working size.
        maps: Those of ``MAPS`` that were asked for, (H, W) float32, 0..1: "confidence" is the highest probability of a
            class, "entropy" that of all probabilities divided by log(classes), "margin" the highest less the second.
        kept: The names that ``keep`` was given.
    """

    meta: Meta
    class_map: ClassMap
    decided_by: str
    maps: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    kept: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _expect_map("class_map", self.class_map, self.meta.frame, ("uint8", "uint16"))
        for name, values in self.maps.items():
            if name not in MAPS:
                raise ValueError(f"a map is called {name!r}, expected one of {', '.join(MAPS)}")
            _expect_map(name, values, self.meta.frame, ("float32",))
        if int(self.class_map.max()) >= len(self.meta.labels):
            self._expect_known_ids()

    def _expect_known_ids(self) -> None:
        count = len(self.meta.labels)
        stray = [item.id for item in self._occurrences if item.id >= count and item.id != self.unlabelled]
        if stray:
            raise ValueError(f"class_map has id {stray[0]}, but there are {count} labels")

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
        return self.meta.shares(self._occurrences)

    def rows(self) -> Iterator[ClassMap]:
        """Bands (h, W) of class ids, from top to bottom: here, one."""
        yield self.class_map

    def keep(self, names: Sequence[str]) -> "SemanticResult":
        """Only the classes of these names; the rest becomes background, or ``unlabelled`` where there is none.

        Raises ``BadRequest`` for a name that is no class.
        """
        kept, background = self.meta.class_ids(names), self.meta.background
        rest = self.unlabelled if background is None else background
        table = np.full(self.unlabelled + 1, rest, dtype=self.class_map.dtype)
        table[kept] = kept
        return replace(self, class_map=table[self.class_map], kept=tuple(names))


def decided_at(threshold: float) -> str:
    """How a soft mask is decided, in words."""
    return f"interpolated probability >= {threshold}"


@dataclass(frozen=True, eq=False)
class ForegroundResult:
    """``alpha``: (H, W) uint8, 0 = background, 255 = foreground: the soft mask. Labels are (background, foreground).

    As classes it is its hard decision at ``threshold``, 0..1.
    """

    meta: Meta
    alpha: NDArray[np.uint8]
    threshold: float = 0.5

    def __post_init__(self) -> None:
        if len(self.meta.labels) != 2:
            raise ValueError(f"a foreground result has 2 labels, not {len(self.meta.labels)}")
        _expect_map("alpha", self.alpha, self.meta.frame, ("uint8",))

    @property
    def opaque_from(self) -> int:
        """The least ``alpha`` that counts as foreground."""
        return round(self.threshold * 255)

    def alpha_rows(self) -> Iterator[NDArray[np.uint8]]:
        """Bands (h, W) of ``alpha``, from top to bottom: here, one."""
        yield self.alpha

    @property
    def unlabelled(self) -> int:
        """The id that stands for no class: 255, which does not occur."""
        return 255

    @property
    def decided_by(self) -> str:
        return decided_at(self.threshold)

    @property
    def kept(self) -> tuple[str, ...]:
        """Nothing: a soft mask shows one class anyway."""
        return ()

    @cached_property
    def class_map(self) -> NDArray[np.uint8]:
        """(H, W) uint8: 1 where ``alpha`` is at least ``opaque_from``, else 0."""
        return (self.alpha >= self.opaque_from).astype(np.uint8)

    @cached_property
    def classes(self) -> tuple[ClassShare, ...]:
        """The classes that occur, most pixels first."""
        return self.meta.shares(occurrences(self.class_map))

    def rows(self) -> Iterator[ClassMap]:
        """Bands (h, W) of class ids, from top to bottom: here, one."""
        yield self.class_map

    def keep(self, names: Sequence[str]) -> "ForegroundResult":
        """The same: it shows one class anyway. Raises ``BadRequest`` for a name that is no class."""
        self.meta.class_ids(names)
        return self


@dataclass(frozen=True, eq=False)
class ClassificationResult:
    """``scores``: (C,) float32, probabilities that sum to 1."""

    meta: Meta
    scores: NDArray[np.float32]

    def __post_init__(self) -> None:
        if self.scores.shape != (len(self.meta.labels),):
            raise ValueError(f"scores has shape {self.scores.shape}, expected ({len(self.meta.labels)},)")

    def top(self, count: int = 5) -> list[tuple[str, float]]:
        """The ``count`` likeliest labels with their probabilities, best first."""
        order = np.argsort(-self.scores, kind="stable")[:count]
        return [(self.meta.labels[i], float(self.scores[i])) for i in order]
