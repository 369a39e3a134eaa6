"""Format ``class-folder`` (classification): [SPLIT/]CLASS/NAME.jpg in a folder or a zip file, or a zip file a split."""

import os
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from PIL import Image

from maskery.core.errors import DataError, nearest
from maskery.core.files import is_own, is_system
from maskery.core.labels import same_name
from maskery.datasets import pictures
from maskery.datasets.base import every_fifth

SPLIT_NAMES = ("train", "val", "valid", "validation", "test")
FORM = "[SPLIT/]CLASS/NAME.jpg, in a folder, a zip file, or a zip file a split"


@dataclass(frozen=True)
class Item:
    """A picture file: where it lies below its folder or in its zip file, and its class's name."""

    path: str
    class_name: str


class ClassFolder:
    """Pictures, each of one class. ``labels[label(i)]`` is the class of picture ``i``.

    ``labels``: the classes in their order, by default those of all splits sorted by name. Raises ``DataError`` for an
    unknown split, for a class that is not among ``labels``, and where there are no pictures.
    """

    def __init__(self, root: Path, split: str = "all", labels: Sequence[str] | None = None) -> None:
        self._source, items = _chosen(root, split)
        self.labels = tuple(labels) if labels else class_names(root)
        ids = {same_name(label): i for i, label in enumerate(self.labels)}
        for item in items:
            if same_name(item.class_name) not in ids:
                raise DataError(
                    f"{self._source}: {item.path} is of class {item.class_name!r}, which is not among the labels.",
                    nearest(item.class_name, self.labels),
                )
        self._items = [(item.path, ids[same_name(item.class_name)]) for item in items]
        self._archive: tuple[int, zipfile.ZipFile] | None = None

    def __len__(self) -> int:
        return len(self._items)

    def name(self, index: int) -> str:
        """Class folder and file name, as in ``cat/0001.jpg``."""
        return "/".join(PurePosixPath(self._items[index][0]).parts[-2:])

    def label(self, index: int) -> int:
        return self._items[index][1]

    def content(self, index: int) -> bytes:
        """The picture's file. Raises ``DataError``."""
        path = self._items[index][0]
        try:
            if self._source.is_dir():
                return (self._source / path).read_bytes()
            entry = self._zip().getinfo(path)
            if entry.file_size > pictures.MAX_BYTES:
                raise DataError(f"{self._called(index)} unpacks to {entry.file_size:,} bytes.", "Remove it.")
            return self._zip().read(entry)
        except (OSError, ValueError, RuntimeError, NotImplementedError, EOFError, *_ZIP_ERRORS) as error:
            raise DataError(f"{self._called(index)} cannot be read: {error}.", "Make the archive again.") from error

    def picture(self, index: int) -> Image.Image:
        """The upright picture, mode RGB. Raises ``DataError``."""
        name = self._called(index)
        return pictures.rgb(pictures.open_picture(self.content(index), name), name)

    def _called(self, index: int) -> str:
        return f"{self._source}/{self._items[index][0]}"

    def _zip(self) -> zipfile.ZipFile:
        """One open file a process: worker processes must not share the position in it."""
        if self._archive is None or self._archive[0] != os.getpid():
            self._archive = (os.getpid(), zipfile.ZipFile(self._source))
        return self._archive[1]

    def __getstate__(self) -> dict[str, object]:
        return self.__dict__ | {"_archive": None}


_ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, KeyError)


def recognised(root: Path) -> bool:
    """Whether there are pictures of at least two classes; folders named like splits are no classes."""
    sources = list(_zips(root).values()) if root.is_dir() and _zips(root) else [root]
    names = {
        item.class_name
        for source in sources
        if zipfile.is_zipfile(source) or source.is_dir()
        for item in _items(source)
    }
    return len(names - {*SPLIT_NAMES}) >= 2


def splits(root: Path) -> list[str]:
    """The split folders or zip files; ``train`` and ``val`` where there are none: every fifth picture is val."""
    if root.is_dir() and (zips := _zips(root)):
        return sorted(zips)
    return sorted(_by_split(_items(root))) or ["train", "val"]


def class_names(root: Path) -> tuple[str, ...]:
    """The names of the class folders of all splits, sorted. Raises ``DataError`` where there are none."""
    sources = list(_zips(root).values()) if root.is_dir() and _zips(root) else [root]
    names = sorted({item.class_name for source in sources for item in _items(source)})
    if not names:
        raise DataError(f"{root} has no class folders with pictures.", f"Expected {FORM}.")
    return tuple(names)


def _chosen(root: Path, split: str) -> tuple[Path, list[Item]]:
    """The folder or zip file that holds ``split``, and the split's pictures by path."""
    zips = _zips(root) if root.is_dir() else {}
    if zips:
        if split not in zips:
            raise DataError(f"{root} has no split {split!r}.", nearest(split, zips))
        return zips[split], _items(zips[split])
    items = _items(root)
    if not items:
        raise DataError(f"{root} has no class folders with pictures.", f"Expected {FORM}.")
    by_split = _by_split(items)
    if by_split and split not in by_split:
        raise DataError(f"{root} has no split {split!r}.", nearest(split, by_split))
    return root, by_split[split] if by_split else every_fifth(items, split, root)


def _by_split(items: Sequence[Item]) -> dict[str, list[Item]]:
    """Split -> its pictures, where there is a folder above the class folders that parts them."""
    tops = [PurePosixPath(item.path).parts[-3:-2] for item in items]
    if not all(tops) or (len(set(tops)) == 1 and tops[0][0].lower() not in SPLIT_NAMES):
        return {}
    found: dict[str, list[Item]] = {}
    for top, item in zip(tops, items, strict=True):
        found.setdefault(top[0], []).append(item)
    return found


def _zips(root: Path) -> dict[str, Path]:
    return {path.stem: path for path in pictures.files_in(root, (".zip",))}


def _items(source: Path) -> list[Item]:
    """All pictures that lie in a folder of their class, sorted by path."""
    if source.is_dir():
        names = [
            (Path(folder) / file).relative_to(source).as_posix()
            for folder, _, files in os.walk(source)
            for file in files
            if is_own(Path(folder) / file, source)
        ]
    else:
        try:
            with zipfile.ZipFile(source) as archive:
                names = archive.namelist()
        except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError) as error:
            raise DataError(f"{source} is no zip file that can be read: {error}.", "Make the archive again.") from error
    paths = [path for name in sorted(names) if not any(map(is_system, (path := PurePosixPath(name)).parts))]
    return [
        Item(str(path), path.parts[-2])
        for path in paths
        if len(path.parts) >= 2 and path.suffix.lower() in pictures.IMAGE_SUFFIXES
    ]
