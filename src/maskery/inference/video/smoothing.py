"""Classes that stay where nothing changes: flicker goes, moving things leave no ghosts.

A pixel takes another class at once where the picture has changed in the last two frames, otherwise only when the new
class was given several frames in a row. What has changed is decided by the picture, not by the map, from means of small
blocks, so that noise and compression do not count as movement. Two frames, for what a thing has just uncovered is not
yet known well. docs/video.md has what was measured.
"""

from collections.abc import Mapping
from typing import cast

import numpy as np
from PIL import Image

from maskery.core.arrays import Array, ClassMap, Mask, Pixels

PATIENCE = 5  # frames in a row that a new class needs where nothing moves
BLOCK = 4  # pixels of the side of a block
MOVED = 12  # difference of a block's mean in one channel, 0..255, from which on something moves there


class Smoother:
    """The class map of the frame before, and for how long each pixel has been given another class."""

    def __init__(self) -> None:
        self._shown: ClassMap | None = None
        self._rival: ClassMap | None = None
        self._streak: Pixels | None = None
        self._blocks: Array | None = None
        self._changed: Array | None = None

    def steady(self, pixels: Pixels, class_map: ClassMap) -> ClassMap:
        """The map of the next frame: (H, W, 3) uint8 RGB and its (H, W) class ids -> (H, W) class ids."""
        blocks = _block_means(pixels)
        before = self._blocks
        if self._shown is None or self._shown.shape != class_map.shape or before is None:
            self._begin(class_map, blocks)
            return class_map
        assert self._rival is not None
        assert self._streak is not None
        assert self._changed is not None
        changed = _changed(blocks, before)
        moved = _enlarged(changed | self._changed.astype(np.bool_), class_map.shape)
        differs = class_map != self._shown
        again = differs & (class_map == self._rival)
        streak = np.where(differs, np.where(again, self._streak, 0) + 1, 0).astype(np.uint8)
        takes = differs & (moved | (streak >= PATIENCE))
        shown = cast(ClassMap, np.where(takes, class_map, self._shown))
        streak[takes] = 0
        self._shown, self._rival, self._streak = shown, class_map, streak
        self._blocks, self._changed = blocks, changed
        return shown

    def _begin(self, class_map: ClassMap, blocks: Array) -> None:
        self._shown = self._rival = class_map
        self._streak = np.zeros(class_map.shape, np.uint8)
        self._blocks, self._changed = blocks, np.zeros(blocks.shape[:2], np.bool_)

    def memory(self) -> Mapping[str, Array]:
        """What ``remember`` takes; empty before the first frame."""
        parts: dict[str, Array | None] = {
            "shown": self._shown,
            "rival": self._rival,
            "streak": self._streak,
            "blocks": self._blocks,
            "changed": self._changed,
        }
        return {name: array for name, array in parts.items() if array is not None}

    def remember(self, memory: Mapping[str, Array]) -> None:
        if memory:
            self._shown, self._rival = cast(ClassMap, memory["shown"]), cast(ClassMap, memory["rival"])
            self._streak, self._blocks = cast(Pixels, memory["streak"]), memory["blocks"]
            self._changed = memory["changed"]


def _block_means(pixels: Pixels) -> Array:
    """(h, w, 3) uint8: the mean colour of each block."""
    return np.asarray(Image.fromarray(pixels).reduce(BLOCK))


def _changed(now: Array, before: Array) -> Mask:
    """(h, w): the blocks that look otherwise than before."""
    change: Mask = np.abs(now.astype(np.int16) - before.astype(np.int16)).max(axis=2) >= MOVED
    return change


def _enlarged(blocks: Mask, shape: tuple[int, ...]) -> Mask:
    """(h, w) of blocks -> (H, W) of pixels."""
    return np.repeat(np.repeat(blocks, BLOCK, 0), BLOCK, 1)[: shape[0], : shape[1]]
