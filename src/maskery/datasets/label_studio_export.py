"""Format ``label-studio``: Label Studio's JSON export and the pictures in images/ or beside it.

Brush masks, polygons, boxes and ellipses of each task's first annotation that was not cancelled; later ones lie on top.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import numpy as np

from maskery.core.arrays import Mask
from maskery.core.errors import DataError
from maskery.core.files import without_mark
from maskery.datasets.base import Gap, every_fifth
from maskery.datasets.classes import Classes
from maskery.datasets.drawn import DrawnFiles, Shapes, drawn_classes, known_id
from maskery.datasets.pictures import files_in, picture_of
from maskery.datasets.shapes import brush_mask, ellipse_mask, polygons_mask, turned_box

FORM = "a JSON export of Label Studio with images/*.jpg"
KINDS = ("brushlabels", "polygonlabels", "rectanglelabels", "ellipselabels")


class LabelledRegion(msgspec.Struct, frozen=True):
    """``value``: percent of the picture's sides, and the labels under the name of ``type``."""

    type: str = ""
    value: dict[str, Any] = {}


class TaskAnnotation(msgspec.Struct, frozen=True):
    result: list[LabelledRegion]
    was_cancelled: bool = False


class LabelledTask(msgspec.Struct, frozen=True):
    """``data``: what the task shows; one of its texts names the picture."""

    data: dict[str, Any]
    annotations: list[TaskAnnotation]
    file_upload: str | None = None

    @property
    def regions(self) -> list[LabelledRegion]:
        """Those that have a class and an area."""
        done = [annotation for annotation in self.annotations if not annotation.was_cancelled]
        return [region for region in (done[0].result if done else []) if region.type in KINDS]


class LabelStudioExport(DrawnFiles):
    """Raises ``DataError`` for a damaged file; missing pictures are among ``gaps``."""

    def __init__(self, root: Path, split: str, classes: Classes) -> None:
        self._path, tasks = _index(root)
        images, gaps, self._tasks = list[Path](), list[Gap](), list[LabelledTask]()
        for task in every_fifth([task for task in tasks if task.annotations], split, root):
            names = _names(task)
            found = [path for name in names if (path := picture_of(name, [root / "images", root])) is not None]
            if found:
                images.append(found[0])
                self._tasks.append(task)
            else:
                named = names[0] if names else "of a task without one"
                gaps.append(Gap(self._path, f"{self._path}: the picture {named} is missing.", "Put it into images/."))
        super().__init__(classes.names, images, gaps)

    def _shapes(self, index: int, size_wh: tuple[int, int]) -> Shapes:
        for region in self._tasks[index].regions:
            try:
                pixels = _pixels(region, size_wh)
            except (DataError, KeyError, TypeError, ValueError) as error:
                message = f"{self._path}: {region.type} of {self.name(index)} cannot be read: {error}."
                raise DataError(message, "Export the project again.") from error
            for label in region.value.get(region.type, ()):
                yield known_id(label, self.labels, self._path), pixels


def recognised(root: Path) -> bool:
    return any(_tasks(path) for path in files_in(root, (".json",)))


def splits(root: Path) -> list[str]:
    return ["train", "val"]


def classes(root: Path) -> Classes | None:
    _, tasks = _index(root)
    return drawn_classes(
        root, sorted({str(name) for task in tasks for one in task.regions for name in one.value.get(one.type, ())})
    )


def _index(root: Path) -> tuple[Path, list[LabelledTask]]:
    for path in files_in(root, (".json",)):
        tasks = _tasks(path)
        if tasks:
            return path, tasks
    raise DataError(f"{root} has no JSON export of Label Studio.", f"Expected {FORM}.")


def _tasks(path: Path) -> list[LabelledTask]:
    """The tasks of the file, [] where it is something else."""
    try:
        with path.open("rb") as file:
            if not without_mark(file.read(64)).lstrip().startswith(b"["):
                return []
        return msgspec.json.decode(without_mark(path.read_bytes()), type=list[LabelledTask])
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return []


def _names(task: LabelledTask) -> list[str]:
    """What the picture may be called: the upload's name, or a text of the task's data, whose path or query names it."""
    texts = [task.file_upload or "", *(text for text in task.data.values() if isinstance(text, str))]
    found = list[str]()
    for text in filter(None, texts):
        url = urlsplit(text)
        found += [*parse_qs(url.query).get("d", ()), url.path]
    return found


def _pixels(region: LabelledRegion, size_wh: tuple[int, int]) -> Mask:
    value = region.value
    scale = np.array(size_wh) / 100
    if region.type == "brushlabels":
        return brush_mask(value["rle"], size_wh)
    if region.type == "polygonlabels":
        points: Sequence[float] = (np.asarray(value["points"], np.float64) * scale).reshape(-1).tolist()
        return polygons_mask([points], size_wh)
    x, y = np.array([value["x"], value["y"]], np.float64) * scale
    angle = float(value.get("rotation", 0))
    if region.type == "ellipselabels":
        radii = np.array([value["radiusX"], value["radiusY"]], np.float64) * scale
        return ellipse_mask((x, y), (radii[0], radii[1]), angle, size_wh)
    width, height = np.array([value["width"], value["height"]], np.float64) * scale
    return polygons_mask([turned_box((x, y, x + width, y + height), angle, (x, y))], size_wh)
