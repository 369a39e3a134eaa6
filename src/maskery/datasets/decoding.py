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
from maskery.datasets.pictures import IMAGE_SUFFIXES, MASK_SUFFIXES, files_in, plain, read_mask, same_text, values

MASK_ENDINGS = ("-mask", "_mask")


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
        self._grey = bool(classes.colours) and all(len(set(colour)) == 1 for colour in classes.colours or ())

    def read(self, path: Path) -> NDArray[np.uint8]:
        """The mask in file ``path`` as (H, W) uint8 class ids, or ``IGNORE``.

        Raises ``DataError`` for a damaged file, another mode, a value or colour of no class, and a palette that
        contradicts the colours of the classes.
        """
        stored = read_mask(path)
        if self._classes.colours:
            if stored.mode == "RGBA":
                stored = plain(stored)
            if stored.mode == "RGB":
                return self._by_colour(stored, path)
            coloured = self._by_palette(stored, path)
            if coloured is not None:
                return coloured
        mask = values(plain(stored), path)
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

    def _by_palette(self, stored: Image.Image, path: Path) -> NDArray[np.uint8] | None:
        """The mask by the colours that it shows where all of them are classes'; None where its values are the ids.

        Editors put palettes into another order, so that colours are right where indices are not. A grey mask shows
        colours where those of all classes are grey. Raises ``DataError`` where some colours say other classes than
        their values and others say nothing.
        """
        palette = stored.getpalette() if stored.mode == "P" else None
        if palette is None and not (self._grey and stored.mode in ("L", "1")):
            return None
        mask = np.array(stored.convert("L") if stored.mode == "1" else stored, np.uint8)
        used = np.flatnonzero(np.bincount(mask.ravel(), minlength=256))
        shown = np.repeat(np.arange(256), 3) if palette is None else np.resize(np.array(palette, np.int32), 768)
        if palette is not None:
            shown[len(palette) :] = 0
        codes = _code(shown.reshape(256, 3))[used]
        at = np.minimum(np.searchsorted(self._codes, codes), len(self._codes) - 1)
        known = self._codes[at] == codes
        if known.all():
            table = np.zeros(256, np.uint8)
            table[used] = self._coded[at]
            return np.take(table, mask)
        if stored.mode == "P" and (self._coded[at] != self._table[used])[known].any():
            raise DataError(
                f"{path} has a palette whose colours say other classes than its values.",
                "Save it with the palette of the classes, as RGB, or leave the colours out of the classes' file.",
            )
        return None

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
    """Pictures and masks of two folders by their names, and what has no partner. Raises ``DataError`` if empty.

    The mask of NAME.jpg is NAME.png or, as ``maskery segment`` and others write it, NAME-mask.png or NAME_mask.png;
    both may lie in one folder then.
    """
    together = images == masks
    files = [path for path in files_in(images, IMAGE_SUFFIXES) if not (together and is_mask(path))]
    if not files:
        raise DataError(f"{images} has no pictures.", f"Put files with one of {', '.join(IMAGE_SUFFIXES)} in it.")
    found = {
        same_text(path.stem): path for path in reversed(files_in(masks, MASK_SUFFIXES)) if is_mask(path) or not together
    }
    pairs, gaps, taken = list[Pair](), list[Gap](), set[str]()
    for path in files:
        stem = same_text(path.stem)
        name = next((name for name in (stem, *(f"{stem}{ending}" for ending in MASK_ENDINGS)) if name in found), None)
        if name is None:
            gaps.append(Gap(path, f"{path} has no mask.", _cure(masks / path.stem)))
        else:
            taken.add(name)
            pairs.append(Pair(path, found[name]))
    gaps += [
        Gap(path, f"{path} has no picture.", f"Add it to {images} or remove the mask.", fatal=False)
        for name, path in sorted(found.items())
        if name not in taken
    ]
    return pairs, gaps


def is_mask(path: Path) -> bool:
    """Whether its name says that it is the mask of the picture beside it."""
    return path.stem.lower().endswith(MASK_ENDINGS) and path.suffix.lower() in MASK_SUFFIXES


def _cure(mask: Path) -> str:
    if any(mask.with_name(f"{mask.name}{suffix}").is_file() for suffix in (".jpg", ".jpeg")):
        return f"Make {mask}.png anew, not from the JPEG beside, which has changed its values."
    return f"Add {mask}.png or remove the picture."


def _code(rgb: NDArray[np.integer]) -> NDArray[np.int32]:
    """(..., 3) -> (...), one number a colour."""
    wide = rgb.astype(np.int32)
    return wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2]
