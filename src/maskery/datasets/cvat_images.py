"""Format ``cvat-images`` (CVAT for images 1.1): annotations.xml and the pictures in images/.

Polygons, boxes, ellipses and masks, by ``z_order``; splits are CVAT's subsets. Lines, points and skeletons have no
area.
"""

import math
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import numpy as np

from maskery.core.arrays import Mask
from maskery.core.errors import DataError, nearest
from maskery.datasets.base import Gap, every_fifth
from maskery.datasets.classes import Classes
from maskery.datasets.drawn import DrawnFiles, Shapes, drawn_classes, known_id
from maskery.datasets.pictures import picture_of
from maskery.datasets.shapes import ellipse_mask, placed_mask, polygons_mask, turned_box

FORM = "annotations.xml of CVAT for images 1.1 with images/*.jpg"
INDEX = "annotations.xml"


class CvatImages(DrawnFiles):
    """Raises ``DataError`` for a damaged file; missing pictures are among ``gaps``."""

    def __init__(self, root: Path, split: str, classes: Classes) -> None:
        self._path = root / INDEX
        found = sorted(_root_of(self._path).iter("image"), key=lambda image: image.get("name", ""))
        subsets = _subsets(found)
        if subsets and split not in subsets:
            raise DataError(f"{self._path} has no subset {split!r}.", nearest(split, subsets))
        chosen = [i for i in found if i.get("subset") == split] if subsets else every_fifth(found, split, root)
        images, gaps, self._entries = list[Path](), list[Gap](), list[Element]()
        for entry in chosen:
            name = entry.get("name", "")
            image = picture_of(name, [root / "images", root / "images" / split, root])
            if image:
                images.append(image)
                self._entries.append(entry)
            else:
                gaps.append(
                    Gap(root / "images" / name, f"{root / 'images' / name}, named in {INDEX}, is missing.", _FETCH)
                )
        super().__init__(classes.names, images, gaps)

    def _shapes(self, index: int, size_wh: tuple[int, int]) -> Shapes:
        for shape in sorted(self._entries[index], key=lambda shape: int(shape.get("z_order", "0"))):
            try:
                pixels = _pixels(shape, size_wh)
            except (ValueError, TypeError) as error:
                name = self._entries[index].get("name")
                raise DataError(f"{self._path}: {shape.tag} of {name}: {error}.", "Export it again.") from error
            if pixels is not None:
                yield known_id(shape.get("label", ""), self.labels, self._path), pixels


_FETCH = "Export it with its pictures, or put them into images/."


def recognised(root: Path) -> bool:
    if not (root / INDEX).is_file():
        return False
    with (root / INDEX).open("rb") as file:
        return b"<annotations" in file.read(1000)


def splits(root: Path) -> list[str]:
    return _subsets(list(_root_of(root / INDEX).iter("image"))) or ["train", "val"]


def classes(root: Path) -> Classes | None:
    top = _root_of(root / INDEX)
    named = [label.findtext("name") or "" for meta in top.iter("meta") for label in meta.iter("label")]
    used = sorted({shape.get("label", "") for image in top.iter("image") for shape in image if shape.get("label")})
    return drawn_classes(root, named or used)


def _subsets(images: list[Element]) -> list[str]:
    return sorted({subset for image in images if (subset := image.get("subset"))})


def _root_of(path: Path) -> Element:
    try:
        data = path.read_bytes()
        if b"<!ENTITY" in data:  # CVAT writes none; they could grow without end
            raise ValueError("it declares entities")
        return ElementTree.fromstring(data)  # noqa: S314
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.", "Check the file.") from error
    except (ElementTree.ParseError, ValueError) as error:
        raise DataError(f"{path} is not CVAT's XML: {error}.", "Export it again as CVAT for images 1.1.") from error


def _pixels(shape: Element, size_wh: tuple[int, int]) -> Mask | None:
    """Raises ``DataError``, ``ValueError`` and ``TypeError`` for numbers that are missing or none."""

    def number(name: str) -> float:
        value = float(shape.attrib[name]) if name in shape.attrib else math.nan
        if not math.isfinite(value):
            raise ValueError(f"{name} is {shape.get(name)!r}")
        return value

    angle = number("rotation") if "rotation" in shape.attrib else 0.0
    if shape.tag == "polygon":
        pairs = shape.get("points", "").split(";")
        return polygons_mask([[float(value) for pair in pairs for value in pair.split(",")]], size_wh)
    if shape.tag == "box":
        box = (number("xtl"), number("ytl"), number("xbr"), number("ybr"))
        return polygons_mask([turned_box(box, angle)], size_wh)
    if shape.tag == "ellipse":
        return ellipse_mask((number("cx"), number("cy")), (number("rx"), number("ry")), angle, size_wh)
    if shape.tag != "mask":
        return None
    width, height = int(number("width")), int(number("height"))
    counts = [int(text) for text in shape.get("rle", "").split(",")]
    if sum(counts) != width * height or min(counts) < 0:
        raise ValueError(f"runs add up to {sum(counts)}, not {width} x {height} pixels")
    pixels = np.repeat(np.arange(len(counts)) % 2 == 1, counts).reshape(height, width)
    return placed_mask(pixels, (int(number("left")), int(number("top"))), size_wh)
