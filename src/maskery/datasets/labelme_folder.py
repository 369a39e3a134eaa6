"""Format ``labelme``: NAME.json beside NAME.jpg, as LabelMe saves them, in one folder or in one a split.

Later shapes lie on top of earlier ones, as LabelMe draws them; ``__ignore__`` is ``IGNORE``. Lines and points have no
area.
"""

import base64
import binascii
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import numpy as np
from PIL import Image

from maskery.core.arrays import Mask
from maskery.core.errors import DataError
from maskery.core.files import without_mark
from maskery.core.labels import IGNORE
from maskery.datasets.base import Gap, every_fifth
from maskery.datasets.classes import Classes
from maskery.datasets.drawn import DrawnFiles, Shapes, drawn_classes, known_id
from maskery.datasets.pictures import files_in, folders_in, picture_of
from maskery.datasets.shapes import ellipse_mask, placed_mask, polygons_mask

FORM = "NAME.json of LabelMe beside NAME.jpg, in one folder or in one a split"
IGNORED = "__ignore__"
LOOKED_AT = 5  # JSON files of a folder that are tried, when a format is recognised


class LabelmeShape(msgspec.Struct, frozen=True):
    """``points``: [x, y] in pixels. ``mask``: base64 of a PNG that fills the box of its two points."""

    label: str
    points: list[tuple[float, float]]
    shape_type: str = "polygon"
    mask: str | None = None


class LabelmeFile(msgspec.Struct, frozen=True, rename="camel"):
    image_path: str
    shapes: list[LabelmeShape]


class LabelmeFolder(DrawnFiles):
    """Raises ``DataError`` for a damaged file; missing pictures are among ``gaps``."""

    def __init__(self, root: Path, split: str, classes: Classes) -> None:
        folders = splits(root)
        own = [path.name for path in _folders(root)]
        if split not in folders and split not in ("train", "val", "all"):
            raise DataError(f"{root} has no split {split!r}.", f"Known: {', '.join(folders)}.")
        found = files_in(root / split if own else root, (".json",))
        chosen = found if own else every_fifth(found, split, root)
        self._ids, self._files = classes.names, list[Path]()
        images, gaps = list[Path](), list[Gap]()
        for path in chosen:
            parsed = _read(path)
            if parsed is None:
                continue
            image = picture_of(parsed.image_path, [path.parent, path.parent / "images", root / "images"])
            if image:
                images.append(image)
                self._files.append(path)
            else:
                gaps.append(
                    Gap(path, f"{path}: its picture {parsed.image_path} is missing.", f"Put it beside {path.name}.")
                )
        super().__init__(classes.names, images, gaps)

    def _shapes(self, index: int, size_wh: tuple[int, int]) -> Shapes:
        path = self._files[index]
        parsed = _read(path)
        for shape in parsed.shapes if parsed else ():
            number = IGNORE if shape.label == IGNORED else known_id(shape.label, self._ids, path)
            pixels = _pixels(shape, size_wh, path)
            if pixels is not None:
                yield number, pixels


def recognised(root: Path) -> bool:
    return bool(_folders(root)) or _has_files(root)


def splits(root: Path) -> list[str]:
    return [path.name for path in _folders(root)] or ["train", "val"]


def classes(root: Path) -> Classes | None:
    return drawn_classes(root, sorted(set(_labels(root))))


def _labels(root: Path) -> Iterator[str]:
    for folder in _folders(root) or [root]:
        for path in files_in(folder, (".json",)):
            parsed = _read(path)
            yield from (shape.label for shape in (parsed.shapes if parsed else ()) if shape.label != IGNORED)


def _folders(root: Path) -> list[Path]:
    return [] if _has_files(root) else [folder for folder in folders_in(root) if _has_files(folder)]


def _has_files(folder: Path) -> bool:
    return any(_read(path) is not None for path in files_in(folder, (".json",))[:LOOKED_AT])


def _read(path: Path) -> LabelmeFile | None:
    """The file, None where it is JSON of something else. Raises ``DataError`` where it cannot be read."""
    try:
        return msgspec.json.decode(without_mark(path.read_bytes()), type=LabelmeFile)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.", "Check the file.") from error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _pixels(shape: LabelmeShape, size_wh: tuple[int, int], path: Path) -> Mask | None:
    points = shape.points
    try:
        if shape.shape_type == "mask" and shape.mask:
            return _png_mask(shape.mask, points, size_wh)
        if shape.shape_type == "rectangle" and len(points) >= 2:
            (left, top), (right, bottom) = points[0], points[-1] if len(points) == 2 else points[2]
            points = [(left, top), (right, top), (right, bottom), (left, bottom)]
        elif shape.shape_type == "circle" and len(points) == 2:
            radius = float(np.hypot(points[1][0] - points[0][0], points[1][1] - points[0][1]))
            return ellipse_mask(points[0], (radius, radius), 0.0, size_wh)
        elif shape.shape_type not in ("polygon", "rectangle"):
            return None
        return polygons_mask([[value for point in points for value in point]], size_wh)
    except DataError as error:
        raise DataError(f"{path}: {shape.label!r}: {error.message}.", error.cure) from error


def _png_mask(text: str, points: Sequence[tuple[float, float]], size_wh: tuple[int, int]) -> Mask:
    try:
        with Image.open(io.BytesIO(base64.b64decode(text)), formats=("PNG",)) as stored:
            pixels = np.asarray(stored) > 0
    except (OSError, ValueError, SyntaxError, binascii.Error, Image.DecompressionBombError) as error:
        raise DataError(f"its mask is no PNG that can be read ({error})", "Draw it again.") from error
    left, top = (round(min(point[axis] for point in points)) for axis in (0, 1))
    return placed_mask(pixels, (left, top), size_wh)
