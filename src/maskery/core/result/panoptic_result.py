"""A picture in which every pixel has a class, and what can be counted is single objects."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from maskery.core.arrays import ClassMap
from maskery.core.result.instances import InstanceResult
from maskery.core.result.meta import ClassShare
from maskery.core.result.types import SemanticResult


@dataclass(frozen=True, eq=False)
class PanopticResult(InstanceResult):
    """``semantic``: the class of each pixel. Objects and it may differ in some pixels along an object's edge."""

    semantic: SemanticResult

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.semantic.meta.frame.size_wh != self.meta.frame.size_wh:
            raise ValueError("objects and classes of pixels are of different sizes")

    @property
    def unlabelled(self) -> int:
        """The id that stands for no class."""
        return self.semantic.unlabelled

    @property
    def decided_by(self) -> str:
        return self.semantic.decided_by

    @property
    def kept(self) -> tuple[str, ...]:
        """The names that ``keep`` was given."""
        return self.semantic.kept

    @property
    def class_map(self) -> ClassMap:
        """(H, W) uint8 or uint16."""
        return self.semantic.class_map

    @property
    def classes(self) -> tuple[ClassShare, ...]:
        """The classes that occur, most pixels first."""
        return self.semantic.classes

    def rows(self) -> Iterator[ClassMap]:
        """Bands (h, W) of class ids, from top to bottom."""
        return self.semantic.rows()

    def keep(self, names: Sequence[str]) -> "PanopticResult":
        """Pixels and objects of these classes only. Raises ``BadRequest`` for a name that is no class."""
        wanted = set(self.meta.class_ids(names))
        objects = tuple(one for one in self.instances if one.class_id in wanted)
        return replace(self, instances=objects, semantic=self.semantic.keep(names))
