"""Format ``class-folder``: CLASS/NAME.jpg, in a folder or inside a zip file. For classification."""

import io
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from PIL import Image

from maskery.errors import DataError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")


class ClassFolder:
    """Pictures with one class each. Raises ``DataError`` for a missing or damaged file, or one without pictures.

    ``labels``: the order of the classes; None = the folders' names, sorted.
    """

    def __init__(self, root: Path, split: str = "", labels: Sequence[str] | None = None) -> None:
        self.root = _split_of(root, split)
        self._open: tuple[int, zipfile.ZipFile] | None = None
        files = self._names()
        found = sorted({PurePosixPath(name).parent.name for name in files})
        if not found or "" in found:
            raise DataError(f"{self.root} has no pictures in class folders.", "Expected CLASS/NAME.jpg.")
        self.labels = tuple(labels or found)
        strange = [name for name in found if name not in self.labels]
        if strange:
            raise DataError(
                f"{self.root} has a folder {strange[0]!r}, which is no class.", f"Classes: {', '.join(self.labels)}."
            )
        ids = {label: i for i, label in enumerate(self.labels)}
        self._files = [(name, ids[PurePosixPath(name).parent.name]) for name in files]

    def _names(self) -> list[str]:
        if self.root.is_dir():
            names = [path.relative_to(self.root).as_posix() for path in self.root.rglob("*")]
        else:
            names = self._archive().namelist()
        return sorted(name for name in names if name.lower().endswith(IMAGE_SUFFIXES))

    def _archive(self) -> zipfile.ZipFile:
        """Opened once in each process: a forked copy of an open file would share its position."""
        if self._open is None or self._open[0] != os.getpid():
            try:
                self._open = os.getpid(), zipfile.ZipFile(self.root)
            except (OSError, zipfile.BadZipFile) as error:
                raise DataError(f"{self.root} cannot be read: {error}.", "Give a folder or a zip file.") from error
        return self._open[1]

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_open": None}

    def __len__(self) -> int:
        return len(self._files)

    def name(self, index: int) -> str:
        return self._files[index][0]

    def label(self, index: int) -> int:
        return self._files[index][1]

    def picture(self, index: int) -> Image.Image:
        """RGB. Raises ``DataError`` naming the file."""
        name = self._files[index][0]
        try:
            if self.root.is_dir():
                return Image.open(self.root / name).convert("RGB")
            return Image.open(io.BytesIO(self._archive().read(name))).convert("RGB")
        except (OSError, SyntaxError, ValueError, zipfile.BadZipFile) as error:
            raise DataError(f"{self.root}: {name} is not a readable picture: {error}.", "Replace it.") from error


def _split_of(root: Path, split: str) -> Path:
    """ROOT/SPLIT, ROOT/SPLIT.zip, or ROOT itself where no split is asked for."""
    if not split:
        return root
    for path in (root / split, root / f"{split}.zip"):
        if path.exists():
            return path
    raise DataError(f"{root} has neither {split}/ nor {split}.zip.", "Name a split that is there.")
