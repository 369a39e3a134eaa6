"""What a result can give. Whoever writes, counts or draws results asks for a capability, never for a type.

A capability is a protocol: a result has it where its class has all of the members, so a new result type says nothing
more than what it has. Classes are asked as well as objects, for what fits is known before a model runs.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Protocol, Self, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from maskery.core.arrays import ClassMap
from maskery.core.errors import BadRequest
from maskery.core.result.instances import CropMask, Instance
from maskery.core.result.meta import ClassShare, Meta


class Result(Protocol):
    """What a task answers: a frozen object that checks itself when made."""

    @property
    def meta(self) -> Meta: ...


class HasClasses(Result, Protocol):
    """One class a pixel, read in bands of rows."""

    @property
    def unlabelled(self) -> int:
        """The id that stands for no class: 255, or 65535 in a uint16 map."""

    @property
    def decided_by(self) -> str:
        """How the class of a pixel was decided, in words."""

    @property
    def kept(self) -> tuple[str, ...]:
        """The names that ``keep`` was given."""

    @property
    def classes(self) -> tuple[ClassShare, ...]:
        """The classes that occur, most pixels first."""

    def rows(self) -> Iterator[ClassMap]:
        """Bands (h, W) of class ids, uint8 or uint16, from top to bottom."""

    def keep(self, names: Sequence[str]) -> Self:
        """Only the classes of these names; the rest becomes background, or ``unlabelled`` where there is none.

        Raises ``BadRequest`` for a name that is no class.
        """


class HasClassMap(HasClasses, Protocol):
    """One class a pixel, in one piece."""

    @property
    def class_map(self) -> ClassMap:
        """(H, W) uint8 or uint16."""


class HasAlphaRows(Result, Protocol):
    """A soft mask, read in bands of rows."""

    @property
    def opaque_from(self) -> int:
        """The least alpha, 0..255, that counts as foreground."""

    def alpha_rows(self) -> Iterator[NDArray[np.uint8]]:
        """Bands (h, W), from top to bottom; 0 = background, 255 = foreground."""


class HasAlpha(HasAlphaRows, Protocol):
    """A soft mask in one piece."""

    @property
    def threshold(self) -> float:
        """The least probability, 0..1, that counts as foreground."""

    @property
    def alpha(self) -> NDArray[np.uint8]:
        """(H, W)."""


class HasScores(Result, Protocol):
    """One probability a class for the whole picture."""

    @property
    def scores(self) -> NDArray[np.float32]:
        """(C,); they sum to 1."""

    def top(self, count: int = 5) -> list[tuple[str, float]]:
        """The ``count`` likeliest labels with their probabilities, best first."""


class HasMaps(Result, Protocol):
    """Maps of how sure the model is of each pixel, those of ``MAPS`` that were asked for."""

    @property
    def maps(self) -> Mapping[str, NDArray[np.float32]]:
        """(H, W) each, 0..1."""


class HasInstances(Result, Protocol):
    """Single objects."""

    @property
    def instances(self) -> tuple[Instance, ...]:
        """Surest first."""


class HasCandidates(HasInstances, Protocol):
    """Several answers to one question, as objects."""

    @property
    def best(self) -> CropMask | None:
        """The first one's mask; None where there is none."""


class HasWhole(Result, Protocol):
    """A result in compressed bands, for it is too large to be held as it is."""

    def whole(self) -> Result:
        """The same in one piece."""


NOUNS: dict[type, str] = {
    HasClasses: "class of each pixel",
    HasClassMap: "class map",
    HasAlphaRows: "soft mask",
    HasAlpha: "soft mask",
    HasScores: "scores of the whole picture",
    HasMaps: "maps of certainty",
    HasInstances: "single objects",
    HasCandidates: "candidates of a mask",
}

C = TypeVar("C")


def has(result: type | Result, capability: type) -> bool:
    """Whether a result, or every result of a type, has ``capability``, a protocol of this module."""
    return _has(result if isinstance(result, type) else type(result), capability)


def capable(result: Result, capability: type[C]) -> C | None:
    """The result as one that has ``capability``, or None."""
    return cast(C, result) if has(result, capability) else None


def expect(result: Result, capability: type[C]) -> C:
    """The result as one that has ``capability``. Raises ``BadRequest`` naming what it has instead."""
    found = capable(result, capability)
    if found is None:
        others = ", ".join(dict.fromkeys(noun for other, noun in NOUNS.items() if has(result, other)))
        what = f"It has: {others}." if others else "Ask another model."
        raise BadRequest(f"A {result.meta.task} result has no {NOUNS[capability]}.", what)
    return found


def in_one_piece(result: Result) -> Result:
    """The result, unpacked where it is in bands."""
    banded = capable(result, HasWhole)
    return banded.whole() if banded else result


@cache
def _has(kind: type, capability: type) -> bool:
    """By the class alone: properties are not called. Fields without default are no attributes of their class."""
    fields: Mapping[str, Any] = getattr(kind, "__dataclass_fields__", {})
    return all(name in fields or hasattr(kind, name) for name in _members(capability))


def _members(capability: type) -> frozenset[str]:
    protocols = [base for base in capability.__mro__ if getattr(base, "_is_protocol", False) and base is not Protocol]
    return frozenset(name for base in protocols for name in vars(base) if not name.startswith("_"))
