"""What a call in Python answers, from a model of its own or from a server: a result with its picture."""

import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from maskery.core.errors import BadRequest, MissingExtra
from maskery.core.picture.decode import Picture
from maskery.core.result.capabilities import HasClassMap, HasInstances, HasScores, Result, capable, expect, has
from maskery.core.result.instances import Instance
from maskery.encode.json import summary
from maskery.encode.options import PLAIN_OPTIONS, Options
from maskery.encode.registry import ENCODERS, encode, for_suffix, named
from maskery.encode.text import hex_colour

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from supervision import Detections

PREVIEW_SIDE = 1024  # pixels of the longer side of what a notebook shows
LEGEND_AT_MOST = 12  # classes


@dataclass(frozen=True)
class SegmentedObject:
    """One object. ``name``: of its class. ``instance``: as the result has it. ``size_wh``: of the picture."""

    name: str
    instance: Instance
    size_wh: tuple[int, int]

    @property
    def id(self) -> int:
        """Its number within the result, from 1."""
        return self.instance.id

    @property
    def class_id(self) -> int:
        return self.instance.class_id

    @property
    def score(self) -> float:
        """How sure the model is of it, 0 to 1."""
        return self.instance.score

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom in pixels, right and bottom exclusive."""
        return self.instance.box_xyxy

    @property
    def area(self) -> int:
        """Pixels of its mask; of its box where there is no mask."""
        return self.instance.area

    @property
    def mask(self) -> NDArray[np.bool_] | None:
        """(H, W) bool of the whole picture, made when it is asked for; None of a model that gives boxes only."""
        return self.instance.mask.placed(self.size_wh) if self.instance.mask else None


@dataclass(frozen=True)
class Segmentation:
    """A result together with its picture, so that it can be drawn."""

    result: Result
    picture: Picture

    @property
    def class_map(self) -> NDArray[np.uint8] | NDArray[np.uint16]:
        """(H, W) class ids of the upright picture. Raises ``BadRequest`` for a result without one."""
        mapped = capable(self.result, HasClassMap)
        if mapped is None:
            cure = "Use result.top()." if has(self.result, HasScores) else "Use result.summary()."
            raise BadRequest(f"A {self.result.meta.task} has no class map.", cure)
        return mapped.class_map

    @property
    def labels(self) -> tuple[str, ...]:
        """Names by class id."""
        return self.result.meta.labels

    def masks(self) -> dict[str, NDArray[np.bool_]]:
        """(H, W) bool by the name of each class that occurs, most pixels first. Raises ``BadRequest`` as ``class_map``.

        Pixels of no class are in none of them.
        """
        ids, classes = self.class_map, expect(self.result, HasClassMap).classes
        return {found.name: ids == found.id for found in classes}

    @property
    def objects(self) -> list[SegmentedObject]:
        """Single objects, surest first. Raises ``BadRequest`` for a result that has none to give."""
        found, meta = expect(self.result, HasInstances), self.result.meta
        return [SegmentedObject(meta.labels[one.class_id], one, meta.frame.size_wh) for one in found.instances]

    def summary(self) -> dict[str, Any]:
        """Plain data: model, frame, classes with pixels, share, box and number of pieces, times. No mask."""
        return summary(self.result)

    def encode(self, format: str, options: Options = PLAIN_OPTIONS) -> bytes:
        """The result in one of ``ENCODERS``' formats. Raises ``BadRequest`` for an unknown or unfitting one."""
        photo = self.picture.rgb() if named(format).needs_photo else None
        return encode(self.result, format, photo, options)

    def save(self, path: str | os.PathLike[str], format: str | None = None, options: Options = PLAIN_OPTIONS) -> None:
        """Write to ``path``. Without ``format`` its suffix decides: .png a mask, .jpg an overlay, .json, .npy, .npz."""
        target = Path(path)
        data = self.encode(format or for_suffix(target.suffix), options)
        target.write_bytes(data)

    def to_pil(self, format: str = "mask", options: Options = PLAIN_OPTIONS) -> Image.Image:
        """One of the formats that are pictures, as a PIL image: "mask" has mode P, its pixels are class ids.

        Raises ``BadRequest`` for a format that is no picture, and as ``encode`` does.
        """
        if not named(format).media_type.startswith("image/") or format == "svg":
            pictures = ", ".join(e.name for e in ENCODERS.values() if e.suffix in (".png", ".jpg"))
            raise BadRequest(f"{format} is no picture of pixels.", f"Formats that are: {pictures}.")
        image = Image.open(io.BytesIO(self.encode(format, options)))
        image.load()
        return image

    def show(self) -> None:
        """Open the preview, classes laid over the photo, in the viewer of the system."""
        self._preview().show()

    def plot(self, axes: "Axes | None" = None) -> "Axes":
        """Draw with matplotlib: classes over the photo, with a legend of the largest; of a classifier, what it says.

        ``axes``: where; None = new ones of ``matplotlib.pyplot``. Returns the axes. Raises ``MissingExtra`` without
        matplotlib.
        """
        try:
            from matplotlib import pyplot
            from matplotlib.patches import Patch
        except ModuleNotFoundError as error:
            raise MissingExtra("plot() needs matplotlib.", "Run: pip install matplotlib") from error
        axes = pyplot.subplots()[1] if axes is None else axes
        axes.imshow(np.asarray(self._preview()))
        axes.set_axis_off()
        scored, mapped = capable(self.result, HasScores), capable(self.result, HasClassMap)
        if scored:
            axes.set_title(", ".join(f"{name} {share:.0%}" for name, share in scored.top(3)))
        if mapped:
            handles = [
                Patch(color=hex_colour(one.colour), label=f"{one.name} {one.share:.0%}")
                for one in mapped.classes[:LEGEND_AT_MOST]
            ]
            axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(1, 1))
        return axes

    def to_supervision(self) -> "Detections":
        """``supervision.Detections``: an object each, or, of a class map, a class each without the background.

        ``xyxy`` (n, 4) float in pixels, right and bottom exclusive; ``mask`` (n, H, W) bool; ``class_id`` (n,) int; the
        names are ``data["class_name"]``. Objects also have ``confidence`` (n,) and, in a video, ``tracker_id`` (n,).
        Raises ``MissingExtra`` without supervision; ``BadRequest`` for a classification.
        """
        objects = capable(self.result, HasInstances)
        mapped = None if objects else expect(self.result, HasClassMap)
        try:
            from supervision import Detections
        except ModuleNotFoundError as error:
            raise MissingExtra("to_supervision() needs supervision.", "Run: pip install supervision") from error
        if objects:
            return Detections(**_object_rows(objects))
        assert mapped is not None
        return Detections(**_class_rows(mapped))

    def _repr_png_(self) -> bytes:
        """PNG bytes that a notebook shows: the preview."""
        file = io.BytesIO()
        self._preview().save(file, "PNG")
        return file.getvalue()

    def _preview(self) -> Image.Image:
        """RGB: classes over the photo, or the photo where there are none; at most ``PREVIEW_SIDE`` a side."""
        drawn = named("overlay").fits(self.result)
        image = self.to_pil("overlay") if drawn else Image.fromarray(self.picture.rgb())
        image.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
        return image


@dataclass(frozen=True)
class SegmentedFrame(Segmentation):
    """One frame of a video. ``index``: from 0. ``time_s``: seconds from the video's start."""

    index: int
    time_s: float


def _class_rows(result: HasClassMap) -> dict[str, Any]:
    background = result.meta.background
    classes = [one for one in result.classes if one.id != background]
    names = [one.name for one in classes]
    masks = [result.class_map == one.id for one in classes]
    return {
        "xyxy": np.array([one.box_xyxy for one in classes], np.float64).reshape(-1, 4),
        "mask": _stacked(masks, result),
        "class_id": np.array([one.id for one in classes], np.int64),
        "data": {"class_name": np.array(names, np.str_)},
    }


def _object_rows(result: HasInstances) -> dict[str, Any]:
    size_wh, objects = result.meta.frame.size_wh, result.instances
    masks = [one.mask.placed(size_wh) for one in objects if one.mask]
    names = [result.meta.labels[one.class_id] for one in objects]
    tracks = [one.track_id for one in objects if one.track_id is not None]
    return {
        "xyxy": np.array([one.box_xyxy for one in objects], np.float64).reshape(-1, 4),
        "mask": _stacked(masks, result) if len(masks) == len(objects) else None,
        "confidence": np.array([one.score for one in objects], np.float64),
        "class_id": np.array([one.class_id for one in objects], np.int64),
        "tracker_id": np.array(tracks, np.int64) if tracks and len(tracks) == len(objects) else None,
        "data": {"class_name": np.array(names, np.str_)},
    }


def _stacked(masks: list[NDArray[np.bool_]], result: Result) -> NDArray[np.bool_]:
    """(n, H, W), also where n is 0."""
    return np.array(masks, np.bool_).reshape(-1, *result.meta.frame.size_wh[::-1])
