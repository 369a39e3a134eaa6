"""The parts of COCO's JSON files that are read."""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from maskery.core.errors import DataError, nearest
from maskery.core.files import without_mark
from maskery.datasets.base import Gap
from maskery.datasets.classes import plain_class
from maskery.datasets.pictures import picture_of

T = TypeVar("T")


class CocoPicture(msgspec.Struct, frozen=True):
    id: int
    file_name: str
    width: int
    height: int


class Category(msgspec.Struct, frozen=True):
    """``isthing``: 0 for what cannot be counted, in a panoptic file."""

    id: int
    name: str
    isthing: int = 1


class Categories(msgspec.Struct, frozen=True):
    """Of either file; the rest is skipped."""

    categories: list[Category]


class CocoRle(msgspec.Struct, frozen=True):
    """``size``: (height, width). ``counts``: lengths of runs, plain or as COCO's text."""

    size: tuple[int, int]
    counts: list[int] | str


class CocoObject(msgspec.Struct, frozen=True, kw_only=True):
    """One annotation of an instances file.

    Attributes:
        id: Of the annotation.
        image_id: Of its picture.
        category_id: Of its class.
        segmentation: JSON of polygons or a ``CocoRle``, parsed when it is needed.
        iscrowd: 1 for a group of objects.
    """

    id: int
    image_id: int
    category_id: int
    segmentation: msgspec.Raw = msgspec.Raw(b"null")
    iscrowd: int = 0


class Instances(msgspec.Struct, frozen=True):
    images: list[CocoPicture]
    annotations: list[CocoObject]
    categories: list[Category]


class CocoSegment(msgspec.Struct, frozen=True):
    id: int
    category_id: int
    iscrowd: int = 0


class Panorama(msgspec.Struct, frozen=True):
    image_id: int
    file_name: str
    segments_info: list[CocoSegment]


class PanopticPicture(msgspec.Struct, frozen=True):
    id: int
    file_name: str


class Panoptic(msgspec.Struct, frozen=True):
    images: list[PanopticPicture]
    annotations: list[Panorama]
    categories: list[Category]


def class_names(categories: Sequence[Category], background: bool) -> list[str]:
    """Names of the classes by id: those of the categories, each once; ``background``: with this class as the first."""
    names = ["background"] if background else []
    return list(dict.fromkeys([*names, *(_class_name(category, background) for category in categories)]))


def class_ids(categories: Sequence[Category], names: Sequence[str], index_path: Path) -> dict[int, int]:
    """Id of a category -> id of its class, whose names the first split gives; the others may have another order.

    Raises ``DataError`` where two categories have one id, and for one that the first split lacks.
    """
    ids, background = dict[int, int](), names[0] == "background"
    for category in categories:
        name = _class_name(category, background)
        if name not in names:
            raise DataError(f"{index_path} has the category {name!r}, another split has not.", nearest(name, names))
        if ids.setdefault(category.id, names.index(name)) != names.index(name):
            raise DataError(f"{index_path}: two categories have the id {category.id}.", "Give each an id of its own.")
    return ids


def _class_name(category: Category, background: bool) -> str:
    return plain_class(category.name) if background else category.name.strip()


def read_json(path: Path, kind: type[T], others: Sequence[str]) -> T:
    """Parse ``path``. ``others``: the splits that there are. Raises ``DataError`` naming the file and the place."""
    try:
        return msgspec.json.decode(without_mark(path.read_bytes()), type=kind)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.", f"Splits here: {', '.join(others)}.") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"{path} is not COCO's JSON: {error}.", "Fetch it or export it again.") from error


def picture_path(folders: Sequence[Path], name: str, index_path: Path) -> Path:
    """Where ``name`` lies in the first of ``folders`` that has it; else where it would lie in the first one.

    Raises ``DataError`` for a name that leads out of it and whose last part is in none of them.
    """
    found = picture_of(name, folders)
    if found is None and (Path(name).is_absolute() or ".." in Path(name).parts):
        raise DataError(f"{index_path} names the file {name!r}, outside its folder.", "Correct the file name.")
    return found or folders[0] / name


def missing(path: Path, index_path: Path) -> Gap:
    return Gap(path, f"{path}, named in {index_path.name}, is missing.", "Fetch the pictures too.")


class CocoParts(msgspec.Struct, frozen=True):
    """What tells a COCO file from other JSON."""

    images: msgspec.Raw
    annotations: msgspec.Raw
    categories: msgspec.Raw


def is_coco(path: Path) -> bool:
    """Whether ``path`` is there and has COCO's three lists."""
    try:
        msgspec.json.decode(without_mark(path.read_bytes()), type=CocoParts)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    return True
