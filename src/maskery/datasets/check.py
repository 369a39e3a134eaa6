"""``maskery data check``: every file of a data set looked at once, and everything that is wrong with it collected.

Pictures are decoded one after another, so memory does not grow with the set but for some 300 bytes a picture.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from maskery.core.errors import DataError
from maskery.core.labels import IGNORE, Colour, palette_of
from maskery.core.progress import Progress, silent
from maskery.datasets import class_folder, pictures
from maskery.datasets.base import ImageFiles
from maskery.datasets.class_folder import ClassFolder
from maskery.datasets.classes import Classes, numbered
from maskery.datasets.formats import CLASS_FOLDER, FORMATS, format_name
from maskery.datasets.label_map import match
from maskery.datasets.report import ClassCount, Finding, Report, sizes_of
from maskery.datasets.twins import Duplicates, PicturePlace


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A picture that could be read.

    Attributes:
        split: Its split.
        name: Its file, below the data set's folder.
        picture: Upright, RGB.
        mask: (H, W) uint8 class ids; None where it has a ``class_name`` or the mask is damaged.
        class_name: Its class, of a picture in a class folder.
    """

    split: str
    name: str
    picture: Image.Image
    mask: NDArray[np.uint8] | None = None
    class_name: str = ""


class Viewer(Protocol):
    """What wants to see some of the samples."""

    def wants(self, index: int, count: int) -> bool:
        """Whether to show picture ``index`` of a split of ``count``."""
        ...

    def show(self, sample: Sample, colours: Sequence[Colour]) -> None: ...


class _Findings:
    """What one check collects."""

    def __init__(self) -> None:
        self.problems, self.warnings = list[Finding](), list[Finding]()
        self.sizes, self.twins = Counter[tuple[int, int]](), Duplicates()
        self.pixels, self.pictures = np.zeros(256, np.int64), np.zeros(256, np.int64)
        self.black_and_white = True

    def problem(self, kind: str, place: PicturePlace, error: DataError) -> None:
        self.problems.append(
            Finding(kind=kind, split=place.split, file=place.file, message=error.message, cure=error.cure)
        )

    def warning(self, kind: str, place: PicturePlace, message: str, cure: str = "") -> None:
        self.warnings.append(Finding(kind=kind, split=place.split, file=place.file, message=message, cure=cure))

    def picture(self, source: Path | bytes, place: PicturePlace) -> Image.Image | None:
        """The upright picture, its size and look noted; None where it is damaged."""
        try:
            opened = pictures.open_picture(source, place.file)
            rgb = pictures.rgb(opened, place.file)
        except DataError as error:
            self.problem("picture", place, error)
            return None
        self.sizes[rgb.size] += 1
        bits = pictures.bits_used(opened)
        if bits is not None and bits < 15:
            self.warning(
                "dark", place, f"{place.file} has 16 bits, of which its values use {bits}: it is nearly black.",
                "Save it with 8 bits, or with values up to 65535.",
            )  # fmt: skip
        self.twins.add(place, rgb)
        if opened.orientation != 1:
            self.warning(
                "turned", place, f"{place.file} is turned by its EXIF orientation {opened.orientation}.",
                "Its mask is taken to fit the upright picture: look at it.",
            )  # fmt: skip
        return rgb

    def mask(self, data: ImageFiles, index: int, place: PicturePlace) -> NDArray[np.uint8] | None:
        try:
            mask = data.mask(index)
        except DataError as error:
            self.problem("mask", place, error)
            return None
        counts = np.bincount(mask.ravel(), minlength=256)
        self.pixels += counts
        self.pictures += counts > 0
        self.black_and_white = self.black_and_white and not counts[1:IGNORE].any()
        if counts[IGNORE] == mask.size:
            self.warning("empty", place, f"The mask of {place.file} is ignored as a whole.", "Remove the picture.")
        return mask

    def absent(self, names: Sequence[str], own_value: bool) -> None:
        """Classes that no mask has, which nobody can learn or measure. ``own_value``: masks hold class ids, so that 255
        is ignored.
        """
        if not self.pictures.any():
            return
        lacking = [name for i, name in enumerate(names) if not self.pictures[i]]
        white = own_value and len(names) == 2 and self.black_and_white and self.pictures[IGNORE]
        for name in lacking:
            cure = "Is it a class of this data set? See how the masks store it."
            if white:
                cure = f"The masks hold only 0 and 255, which is ignored: give {name!r} value = 255 in classes.toml."
            self.warning("absent", PicturePlace("", ""), f"No mask has a pixel of the class {name!r}.", cure)

    def compare(self) -> None:
        """Pictures that are there twice: a problem between splits, a warning within one."""
        for places in self.twins.same():
            first, last = places[0], next((p for p in places if p.split != places[0].split), places[-1])
            message = f"{last.file} has the same pixels as {first.file}."
            if first.split != last.split:
                cure = f"Leave it in one split only: {last.split} does not measure what {first.split} has seen."
                self.problem("leak", last, DataError(message, cure))
            else:
                self.warning("duplicate", last, message)
        for one, other in self.twins.near():
            self.warning(
                "near", other, f"{other.file} ({other.split}) looks nearly like {one.file} ({one.split}).",
                "If they are of one scene, keep it in one split.",
            )  # fmt: skip


def check(
    root: Path,
    format: str = "auto",
    labels: Sequence[str] | None = None,
    viewer: Viewer | None = None,
    progress: Progress = silent,
) -> Report:
    """Look at all pictures and masks of the data set in ``root``.

    ``labels``: the classes of a set that does not name its own; otherwise what these shall be matched to, with notes.
    Raises ``DataError`` only where the set cannot be opened at all.
    """
    name = format_name(root, format)
    if name == CLASS_FOLDER:
        return _check_class_folder(root, labels, viewer, progress)
    kind, found = FORMATS[name], _Findings()
    own = kind.classes(root)
    classes = own or (numbered(labels) if labels else _ids())
    opened: dict[str, ImageFiles] = {}
    for split in kind.splits(root):
        try:
            opened[split] = kind.open(root, split, classes)
        except DataError as error:
            found.problem("missing", PicturePlace(split, str(root)), error)
    _report_gaps(opened, found)
    done, total = 0, sum(len(data) for data in opened.values())
    colours = classes.colours or palette_of(classes.names)
    for split, data in opened.items():
        for i in range(len(data)):
            place = PicturePlace(split, _below(data.image_path(i), root))
            rgb = found.picture(data.image_path(i), place)
            mask = found.mask(data, i, place) if rgb else None
            if rgb and viewer and viewer.wants(i, len(data)):
                viewer.show(Sample(split=split, name=place.file, picture=rgb, mask=mask), colours)
            done += 1
            progress(done, total)
    found.compare()
    _report_empty({split: len(data) for split, data in opened.items()}, found)
    if own or labels:
        found.absent(classes.names, own_value=IGNORE in classes.ignored)
    notes = _notes(own, labels, name, kind.splits(root), root)
    return Report(
        path=str(root),
        format=name,
        splits={split: len(data) for split, data in opened.items()},
        sizes=sizes_of(found.sizes),
        classes=_counts(classes.names, found, named=bool(own or labels)),
        ignored_share=float(found.pixels[IGNORE] / max(1, found.pixels.sum())),
        notes=notes,
        problems=found.problems,
        warnings=found.warnings,
    )


def _check_class_folder(root: Path, labels: Sequence[str] | None, viewer: Viewer | None, progress: Progress) -> Report:
    found = _Findings()
    names = tuple(labels) if labels else class_folder.class_names(root)
    opened, seen = dict[str, ClassFolder](), np.zeros(len(names), np.int64)
    for split in class_folder.splits(root):
        try:
            opened[split] = ClassFolder(root, split, names)
        except DataError as error:
            found.problem("missing", PicturePlace(split, str(root)), error)
    done, total = 0, sum(len(data) for data in opened.values())
    for split, data in opened.items():
        for i in range(len(data)):
            place = PicturePlace(split, f"{split}/{data.name(i)}")
            try:
                rgb = found.picture(data.content(i), place)
            except DataError as error:
                found.problem("picture", place, error)
                rgb = None
            seen[data.label(i)] += rgb is not None
            if rgb and viewer and viewer.wants(i, len(data)):
                sample = Sample(split=split, name=place.file, picture=rgb, class_name=names[data.label(i)])
                viewer.show(sample, palette_of(names))
            done += 1
            progress(done, total)
    found.compare()
    _report_empty({split: len(data) for split, data in opened.items()}, found)
    return Report(
        path=str(root),
        format=CLASS_FOLDER,
        splits={split: len(data) for split, data in opened.items()},
        sizes=sizes_of(found.sizes),
        classes=[
            ClassCount(name=name, pixels=None, share=float(n / max(1, seen.sum())), pictures=int(n))
            for name, n in zip(names, seen, strict=True)
        ],
        ignored_share=0.0,
        notes=[],
        problems=found.problems,
        warnings=found.warnings,
    )


def _ids() -> Classes:
    """For a set whose classes nobody names: every id is its own name."""
    return numbered([str(i) for i in range(IGNORE)])


def _report_gaps(opened: dict[str, ImageFiles], found: _Findings) -> None:
    for split, data in opened.items():
        for gap in data.gaps:
            found.problem("missing", PicturePlace(split, str(gap.path)), DataError(gap.message, gap.cure))


def _report_empty(pictures: Mapping[str, int], found: _Findings) -> None:
    for split, count in pictures.items():
        if not count:
            message, cure = f"The split {split!r} has no pictures.", "Nothing can be trained or measured on it."
            found.warning("empty", PicturePlace(split, ""), message, cure)


def _counts(names: Sequence[str], found: _Findings, named: bool) -> list[ClassCount]:
    valid = max(1, int(found.pixels.sum() - found.pixels[IGNORE]))
    return [
        ClassCount(
            name=name,
            pixels=int(found.pixels[i]),
            share=float(found.pixels[i] / valid),
            pictures=int(found.pictures[i]),
        )
        for i, name in enumerate(names)
        if named or found.pictures[i]
    ]


def _notes(
    own: Classes | None, labels: Sequence[str] | None, format: str, splits: Sequence[str], root: Path
) -> list[str]:
    notes = []
    if own is None and not labels:
        notes.append("it does not name its classes: ids are shown. Put a classes.txt there, a name a line, or --labels")
    if own and labels:
        notes += match(own.names, labels).notes()
    folders = [path for split in splits for path in (root / "images" / split, root / split / "images")]
    if format == "mask-folder" and not any(folder.is_dir() for folder in folders):
        notes.append("no split folders: every fifth picture by name is val, the others are train; split all is both")
    return notes


def _below(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
