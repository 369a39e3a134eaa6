"""Format ``supervisely``: meta.json, and a folder a data set with img/NAME.jpg and ann/NAME.jpg.json.

The data sets of the project are the splits. Later objects lie on top; lines, points and graphs have no area.
"""

import base64
import binascii
import io
import zlib
from pathlib import Path
from typing import TypeVar

import msgspec
import numpy as np
from PIL import Image

from maskery.core.arrays import Mask
from maskery.core.errors import DataError, nearest
from maskery.core.files import without_mark
from maskery.datasets.base import Gap
from maskery.datasets.classes import Classes
from maskery.datasets.drawn import DrawnFiles, Shapes, drawn_classes, known_id
from maskery.datasets.pictures import IMAGE_SUFFIXES, MAX_PIXELS, files_in, folders_in, present
from maskery.datasets.shapes import placed_mask, polygons_mask, turned_box

T = TypeVar("T")
FORM = "meta.json with DATASET/img/*.jpg and DATASET/ann/*.jpg.json of Supervisely"


class SupervisedClass(msgspec.Struct, frozen=True):
    title: str


class SupervisedMeta(msgspec.Struct, frozen=True):
    classes: list[SupervisedClass]


class Points(msgspec.Struct, frozen=True):
    """[x, y] in pixels."""

    exterior: list[tuple[float, float]] = []
    interior: list[list[tuple[float, float]]] = []


class Bitmap(msgspec.Struct, frozen=True):
    """``data``: base64 of a deflated PNG, ``origin``: where its upper left pixel lies."""

    data: str
    origin: tuple[int, int]


class SupervisedObject(msgspec.Struct, frozen=True, rename="camel"):
    class_title: str
    geometry_type: str
    points: Points | None = None
    bitmap: Bitmap | None = None


class SupervisedPicture(msgspec.Struct, frozen=True):
    objects: list[SupervisedObject]


class Supervisely(DrawnFiles):
    """Raises ``DataError`` for an unknown split and damaged files; pictures without annotation are among ``gaps``."""

    def __init__(self, root: Path, split: str, classes: Classes) -> None:
        if split not in splits(root):
            raise DataError(f"{root} has no data set {split!r}.", nearest(split, splits(root)))
        self._files, images, gaps = list[Path](), list[Path](), list[Gap]()
        for image in files_in(root / split / "img", IMAGE_SUFFIXES):
            names = (f"{image.name}.json", f"{image.stem}.json")
            found = [path for path in (present(root / split / "ann" / name) for name in names) if path.is_file()]
            if found:
                images.append(image)
                self._files.append(found[0])
            else:
                gaps.append(Gap(image, f"{image} has no annotation.", f"Add ann/{names[0]} or remove the picture."))
        super().__init__(classes.names, images, gaps)

    def _shapes(self, index: int, size_wh: tuple[int, int]) -> Shapes:
        path = self._files[index]
        for one in _parsed(path, SupervisedPicture).objects:
            try:
                pixels = _pixels(one, size_wh)
            except DataError as error:
                raise DataError(f"{path}: {one.class_title!r}: {error.message}.", error.cure) from error
            if pixels is not None:
                yield known_id(one.class_title, self.labels, path), pixels


def recognised(root: Path) -> bool:
    return (root / "meta.json").is_file() and bool(splits(root))


def splits(root: Path) -> list[str]:
    return [path.name for path in folders_in(root) if (path / "img").is_dir() and (path / "ann").is_dir()]


def classes(root: Path) -> Classes | None:
    return drawn_classes(root, [one.title for one in _parsed(root / "meta.json", SupervisedMeta).classes])


def _parsed(path: Path, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(without_mark(path.read_bytes()), type=kind)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.", "Check the file.") from error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"{path} is not Supervisely's JSON: {error}.", "Export the project again.") from error


def _pixels(one: SupervisedObject, size_wh: tuple[int, int]) -> Mask | None:
    if one.bitmap:
        return placed_mask(_bitmap(one.bitmap.data), one.bitmap.origin, size_wh)
    points = one.points.exterior if one.points else []
    if one.geometry_type == "rectangle" and len(points) == 2:
        return polygons_mask([turned_box((*points[0], *points[1]), 0.0)], size_wh)
    if one.geometry_type != "polygon" or one.points is None:
        return None
    outer = polygons_mask([[value for point in points for value in point]], size_wh)
    return outer & ~polygons_mask([[v for point in ring for v in point] for ring in one.points.interior], size_wh)


def _bitmap(text: str) -> Mask:
    try:
        unpacked = zlib.decompressobj().decompress(base64.b64decode(text), MAX_PIXELS)
        with Image.open(io.BytesIO(unpacked), formats=("PNG",)) as stored:
            pixels = np.asarray(stored.convert("RGBA").getchannel("A") if stored.mode == "RGBA" else stored)
    except (OSError, ValueError, SyntaxError, zlib.error, binascii.Error, Image.DecompressionBombError) as error:
        raise DataError(f"its bitmap cannot be read ({error})", "Export the project again.") from error
    return np.asarray(pixels if pixels.ndim == 2 else pixels.any(axis=2)) > 0
