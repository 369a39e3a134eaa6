"""What was pointed at in a picture: candidates of one mask, and the best of them as a map of classes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from maskery.core.arrays import ClassMap
from maskery.core.result.counts import occurrences
from maskery.core.result.instances import CropMask, InstanceResult
from maskery.core.result.meta import ClassShare


@dataclass(frozen=True, eq=False)
class PromptResult(InstanceResult):
    """``instances``: the candidates, best first; none where nothing was found. Labels are (background, object).

    As classes it is the best candidate alone, so it is written in every format of masks.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.meta.labels) != 2:
            raise ValueError(f"a prompt result has 2 labels, not {len(self.meta.labels)}")

    @property
    def unlabelled(self) -> int:
        """The id that stands for no class: 255, which does not occur."""
        return 255

    @property
    def decided_by(self) -> str:
        return "interpolated logits > 0"

    @property
    def kept(self) -> tuple[str, ...]:
        """The object: what else there is in the picture was not asked for."""
        return self.meta.labels[1:]

    @property
    def best(self) -> CropMask | None:
        """The first candidate's mask; None where there is none."""
        return self.instances[0].mask if self.instances else None

    @cached_property
    def class_map(self) -> NDArray[np.uint8]:
        """(H, W) uint8: 1 where the best candidate is, else 0; made when it is first asked for."""
        best, size_wh = self.best, self.meta.frame.size_wh
        return best.placed(size_wh).view(np.uint8) if best else np.zeros(size_wh[::-1], np.uint8)

    @cached_property
    def classes(self) -> tuple[ClassShare, ...]:
        """The classes that occur, most pixels first."""
        return self.meta.shares(occurrences(self.class_map))

    def rows(self) -> Iterator[ClassMap]:
        """Bands (h, W) of class ids, from top to bottom: here, one."""
        yield self.class_map

    def keep(self, names: Sequence[str]) -> "PromptResult":
        """The same: it shows one class anyway. Raises ``BadRequest`` for a name that is no class."""
        self.meta.class_ids(names)
        return self
