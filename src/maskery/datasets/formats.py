"""The formats, written out, and how one is recognised in a folder."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from maskery.core.errors import BadRequest, DataError, nearest
from maskery.core.labels import Colour
from maskery.datasets import (
    camvid,
    cityscapes,
    class_folder,
    coco_instances,
    coco_panoptic,
    cvat_images,
    label_studio_export,
    labelme_folder,
    mask_folder,
    supervisely,
    voc,
)
from maskery.datasets.base import Gap, ImageFiles, Relabelled, SegmentationData, refuse_empty
from maskery.datasets.classes import Classes, numbered

CLASS_FOLDER = "class-folder"


@dataclass(frozen=True, kw_only=True)
class Format:
    """One format of pictures with masks.

    Attributes:
        form: What its folders look like, in one line.
        recognised: Whether a folder has this format.
        splits: The splits in a folder.
        classes: The classes that a data set names, None where it names none.
        open: Root, split, classes -> the data set.
    """

    form: str
    recognised: Callable[[Path], bool]
    splits: Callable[[Path], list[str]]
    classes: Callable[[Path], Classes | None]
    open: Callable[[Path, str, Classes], ImageFiles]


def _format(module: object, open: Callable[[Path, str, Classes], ImageFiles]) -> Format:
    form, recognised, splits, classes = (getattr(module, n) for n in ("FORM", "recognised", "splits", "classes"))
    return Format(form=form, recognised=recognised, splits=splits, classes=classes, open=open)


FORMATS: dict[str, Format] = {
    "coco-panoptic": _format(coco_panoptic, coco_panoptic.CocoPanoptic),
    "coco-instances": _format(coco_instances, coco_instances.CocoInstances),
    "voc": _format(voc, voc.PascalVoc),
    "cityscapes": _format(cityscapes, cityscapes.Cityscapes),
    "camvid": _format(camvid, camvid.CamVid),
    "cvat-images": _format(cvat_images, cvat_images.CvatImages),
    "label-studio": _format(label_studio_export, label_studio_export.LabelStudioExport),
    "labelme": _format(labelme_folder, labelme_folder.LabelmeFolder),
    "supervisely": _format(supervisely, supervisely.Supervisely),
    "mask-folder": _format(mask_folder, mask_folder.MaskFolder),
}
REFINED = {"mask-folder": ("camvid", "voc")}
"""A folder of these formats has the form of the first one too, which says less of it."""
FORMAT_NAMES = (*FORMATS, CLASS_FOLDER)


@dataclass(frozen=True)
class DataDescription:
    """What a data set says of itself. ``labels`` and ``palette`` are None where it does not say them."""

    format: str
    splits: tuple[str, ...]
    labels: tuple[str, ...] | None
    palette: tuple[Colour, ...] | None = None


def open_dataset(
    root: Path, split: str, labels: Sequence[str] | None = None, format: str = "auto", ignored: Sequence[str] = ()
) -> SegmentationData:
    """Open the data set in folder ``root``.

    ``labels``: the classes that mask ids shall mean, by default the data set's own. A set that names its classes is
    matched to them by name (what has no namesake is background, or ignored); in one that does not, ids are taken as
    they are. ``ignored``: classes of the set that are not judged, instead of becoming background. Raises
    ``BadRequest`` for an unknown format and a ``root`` that is not there, ``DataError`` for a folder of no known form
    and for missing files.
    """
    kind = format_of(root, format)
    own = kind.classes(root)
    if own is None and not labels:
        raise DataError(
            f"{root} does not say what its classes are.", "Put a classes.txt there, a name a line, or give the labels."
        )
    data = kind.open(root, split, own or numbered(labels or ()))
    _complain(data.gaps, root)
    refuse_empty(data, root, split)
    if own and ((labels and tuple(labels) != own.names) or ignored):
        return Relabelled(data, labels or own.names, root, ignored)
    if ignored:
        raise DataError(f"{root} does not name its classes, so none can be ignored by name.", "Add a classes.txt.")
    return data


def format_of(root: Path, format: str = "auto") -> Format:
    """The format of pictures with masks by its name. Raises ``DataError``, ``BadRequest``."""
    name = format_name(root, format)
    if name == CLASS_FOLDER:
        raise DataError(f"{root} has pictures in class folders, without masks.", "Use it to train a classifier.")
    return FORMATS[name]


def format_name(root: Path, format: str = "auto") -> str:
    """``format`` itself, checked, or for ``auto`` that of ``root``. Raises ``DataError``, ``BadRequest``."""
    if not root.is_dir() and not (root.is_file() and root.suffix == ".zip"):
        raise BadRequest(f"{root} is not a folder.", "Give the folder that holds the data set.")
    if format == "auto":
        return recognise(root)
    if format not in FORMAT_NAMES:
        raise BadRequest(f"Unknown data set format {format!r}.", nearest(format, FORMAT_NAMES))
    return format


def recognise(root: Path) -> str:
    """The format's name for what lies in ``root``. Raises ``DataError`` for none and where several fit."""
    found = [name for name, kind in FORMATS.items() if kind.recognised(root)] if root.is_dir() else []
    found = [name for name in found if not set(REFINED.get(name, ())) & set(found)]
    if len(found) > 1:
        raise DataError(
            f"{root} has the form of several data sets: {', '.join(found)}.",
            f"Say which it is: format {found[0]}, say.",
        )
    if found:
        return found[0]
    if class_folder.recognised(root):
        return CLASS_FOLDER
    forms = [kind.form for kind in FORMATS.values()]
    raise DataError(
        f"{root} has the form of no known data set.", f"Expected {'; or '.join([*forms, class_folder.FORM])}."
    )


def describe(root: Path, format: str = "auto") -> DataDescription:
    """What the data set in ``root`` says of itself, without reading pictures. Raises ``DataError``, ``BadRequest``."""
    name = format_name(root, format)
    if name == CLASS_FOLDER:
        return DataDescription(name, tuple(class_folder.splits(root)), class_folder.class_names(root))
    kind = FORMATS[name]
    classes = kind.classes(root)
    return DataDescription(
        name, tuple(kind.splits(root)), classes.names if classes else None, classes.colours if classes else None
    )


def _complain(gaps: Sequence[Gap], root: Path) -> None:
    fatal = [gap for gap in gaps if gap.fatal]
    if len(fatal) == 1:
        raise DataError(fatal[0].message, fatal[0].cure)
    if fatal:
        cure = f"{fatal[0].cure} All are listed by: maskery data check {root}"
        raise DataError(f"{len(fatal)} files are missing, the first: {fatal[0].message}", cure)
