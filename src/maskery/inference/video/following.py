"""Results of the frames of a video that know of each other: objects keep their numbers, classes do not flicker."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

from maskery.core.arrays import Array, Pixels
from maskery.core.result.capabilities import HasAlphaRows, HasClassMap, HasInstances, Result, capable, has
from maskery.core.result.instances import Instance, InstanceResult
from maskery.inference.video.smoothing import Smoother
from maskery.inference.video.tracking import Tracker, TrackerOptions

Look = Callable[[Pixels], Result]
"""(H, W, 3) uint8 RGB -> what the model says of it."""


@dataclass(frozen=True, kw_only=True)
class FollowOptions:
    """What is done beyond looking at each frame by itself.

    Attributes:
        track: Whether objects get numbers.
        smooth: Whether the class of a pixel stays until another one is sure.
        tracker: How objects are followed.
    """

    track: bool = True
    smooth: bool = True
    tracker: TrackerOptions = field(default_factory=TrackerOptions)


@dataclass(frozen=True, eq=False)
class FollowedResult:
    """``result``: of the frame, its objects with their numbers. ``seen``: the objects as the model gave them, also the
    unsure ones; ``shown``: what became of each, None = it is not shown.
    """

    result: Result
    seen: tuple[Instance, ...] = ()
    shown: tuple[Instance | None, ...] = ()


class Follower:
    """Looks at the frames of one video in their order."""

    def __init__(self, look: Look, options: FollowOptions) -> None:
        self._look, self._options = look, options
        self._tracker = Tracker(options.tracker)
        self._smoother = Smoother()

    def look(self, pixels: Pixels) -> FollowedResult:
        """The next frame, (H, W, 3) uint8 RGB."""
        result = self._look(pixels)
        if objects := capable(result, HasInstances):
            seen = tuple(objects.instances)
            shown = self.follow(seen)
            kept = tuple(one for one in shown if one is not None)
            return FollowedResult(InstanceResult(result.meta, kept), seen, shown)
        mapped = None if has(result, HasAlphaRows) or result.meta.faces else capable(result, HasClassMap)
        if self._options.smooth and mapped:
            steady = self._smoother.steady(pixels, mapped.class_map)
            result = cast(Result, replace(mapped, class_map=steady))  # type: ignore[type-var]
        return FollowedResult(result)

    def follow(self, seen: Sequence[Instance]) -> tuple[Instance | None, ...]:
        """The tracker's part of ``look``, for frames whose objects are known already."""
        return tuple(self._tracker.update(seen)) if self._options.track else tuple(seen)

    def memory(self) -> Mapping[str, Array]:
        """What the smoothing knows of the frames so far, to go on later from here."""
        return self._smoother.memory()

    def remember(self, memory: Mapping[str, Array]) -> None:
        self._smoother.remember(memory)
