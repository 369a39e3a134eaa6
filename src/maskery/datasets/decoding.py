"""Mask files: each beside its picture, decoded to class ids by the values and colours of the data set's classes."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from maskery.core.errors import DataError
from maskery.core.labels import IGNORE
from maskery.datasets.base import Gap, ImageFiles, Pair
from maskery.datasets.classes import UNKNOWN, Classes
from maskery.datasets.pictures import IMAGE_SUFFIXES, MASK_SUFFIXES, files_in, read_mask, values


class Decoder:
    """Made once for a data set, as its tables take longer than a mask."""

    def __init__(self, classes: Classes) -> None:
        self._classes = classes
        self._table = classes.table()
        plain = classes.values == tuple(range(len(classes.values))) and classes.ignored == (IGNORE,)
        self._plain = len(classes.values) if plain else None
        coloured = [*(classes.colours or ()), *classes.ignored_colours]
        ids = [*range(len(classes.colours or ())), *[IGNORE] * len(classes.ignored_colours)]
        codes = np.array([_code(np.array(colour, np.int32)) for colour in coloured], np.int32)
        order = np.argsort(codes)
        self._codes, self._coded = codes[order], np.array(ids, np.uint8)[order]

    def read(self, path: Path) -> NDArray[np.uint8]:
        """The mask in file ``path`` as (H, W) uint8 class ids, or ``IGNORE``.

        Raises ``DataError`` for a damaged file, another mode, and a value or colour of no class.
        """
        stored = read_mask(path)
        if stored.mode == "RGB" and self._classes.colours:
            return self._by_colour(stored, path)
        mask = values(stored, path)
        if self._plain is not None:
            beyond = (mask >= self._plain) & (mask != IGNORE)
            ids = mask
        else:
            ids = self._table[mask]
            beyond = ids == UNKNOWN
        if beyond.any():
            self._complain(path, mask[beyond])
        return ids

    def _complain(self, path: Path, found: NDArray[np.uint8]) -> None:
        count, wrong = len(self._classes.names), ", ".join(str(value) for value in np.unique(found)[:5].tolist())
        if self._plain is not None:
            raise DataError(
                f"{path} has class id {wrong}, but there are only {count} classes.",
                f"Ids go from 0 to {count - 1}; {IGNORE} is ignored.",
            )
        raise DataError(
            f"{path} has the value {wrong}, which is of no class.",
            f"Known are {', '.join(str(value) for value in self._classes.values[:20])}"
            f"{' ...' if count > 20 else ''}; ignored {', '.join(map(str, self._classes.ignored)) or 'none'}.",
        )

    def _by_colour(self, stored: Image.Image, path: Path) -> NDArray[np.uint8]:
        codes = _code(np.asarray(stored))
        at = np.minimum(np.searchsorted(self._codes, codes), len(self._codes) - 1)
        unknown = self._codes[at] != codes
        if unknown.any():
            code = int(codes[unknown][0])
            rgb = [code >> 16, code >> 8 & 255, code & 255]
            raise DataError(
                f"{path} has the colour {rgb}, which is of no class ({int(unknown.sum())} pixels have such colours).",
                "Give it in classes.toml, or save the mask without smoothing, as PNG.",
            )
        return np.take(self._coded, at)


class MaskFiles(ImageFiles):
    """A data set of one mask file a picture."""

    def __init__(self, pairs: Sequence[Pair], gaps: Sequence[Gap], classes: Classes) -> None:
        super().__init__(classes.names, [pair.image for pair in pairs], gaps)
        self.masks = [pair.mask for pair in pairs]
        self._decoder = Decoder(classes)

    def _read_mask(self, index: int) -> NDArray[np.uint8]:
        return self._decoder.read(self.masks[index])


def paired(images: Path, masks: Path) -> tuple[list[Pair], list[Gap]]:
    """Pictures and masks of two folders by their names, and what has no partner. Raises ``DataError`` if empty."""
    pictures = files_in(images, IMAGE_SUFFIXES)
    found = {path.stem: path for path in reversed(files_in(masks, MASK_SUFFIXES))}
    if not pictures:
        raise DataError(f"{images} has no pictures.", f"Put files with one of {', '.join(IMAGE_SUFFIXES)} in it.")
    stems = {path.stem for path in pictures}
    gaps = [Gap(path, f"{path} has no mask.", _cure(masks / path.stem)) for path in pictures if path.stem not in found]
    gaps += [
        Gap(path, f"{path} has no picture.", f"Add it to {images} or remove the mask.", fatal=False)
        for stem, path in sorted(found.items())
        if stem not in stems
    ]
    return [Pair(path, found[path.stem]) for path in pictures if path.stem in found], gaps


def _cure(mask: Path) -> str:
    if any(mask.with_name(f"{mask.name}{suffix}").is_file() for suffix in (".jpg", ".jpeg")):
        return f"Make {mask}.png anew, not from the JPEG beside, which has changed its values."
    return f"Add {mask}.png or remove the picture."


def _code(rgb: NDArray[np.integer]) -> NDArray[np.int32]:
    """(..., 3) -> (...), one number a colour."""
    wide = rgb.astype(np.int32)
    return wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2]
