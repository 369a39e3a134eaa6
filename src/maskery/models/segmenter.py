"""The Python door: ``maskery.load(name).segment(source)``."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskery.core.card import ModelCard
from maskery.core.errors import BadRequest
from maskery.core.picture import decode
from maskery.core.picture.decode import Picture, Source
from maskery.core.plan import RunOptions
from maskery.core.result.capabilities import HasClassMap, HasScores, Result, capable, has
from maskery.core.settings import Settings, load_settings
from maskery.encode.json import summary
from maskery.encode.options import PLAIN_OPTIONS, Options
from maskery.encode.registry import encode, find, for_suffix, named, wanted_maps
from maskery.inference.pipeline import Model
from maskery.inference.source import photo_of
from maskery.inference.tasks.registry import task_of
from maskery.models.loading import open_model
from maskery.models.store import Store


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


@dataclass(frozen=True)
class Segmenter:
    """A loaded model and the limits that pictures must keep."""

    model: Model
    max_bytes: int
    max_pixels: int

    @property
    def card(self) -> ModelCard:
        return self.model.card

    def segment(
        self,
        source: Source,
        *,
        classes: tuple[str, ...] = (),
        max_side: int | None = None,
        maps: tuple[str, ...] = (),
        tile: int | None = None,
    ) -> Segmentation:
        """Segment a path, bytes, PIL image or numpy array (H, W[, 1|3|4]).

        ``classes`` keeps only these; ``max_side`` is the longest side of what the model sees, in pixels; ``maps``
        adds some of "confidence", "entropy" and "margin" to the result; ``tile`` is the side, in pixels of the picture,
        of the tiles that it is cut into: 0 = none, None = only where it is huge. Raises ``PictureError``, ``TooLarge``,
        ``BadRequest``.
        """
        picture = decode.open_picture(source, max_bytes=self.max_bytes, max_pixels=self.max_pixels)
        options = RunOptions(classes=tuple(classes), max_side=max_side, maps=tuple(maps), tile=tile)
        return Segmentation(self.model.run(picture, options), picture)

    def answer(
        self,
        source: Source,
        format: str,
        *,
        classes: tuple[str, ...] = (),
        max_side: int | None = None,
        tile: int | None = None,
        options: Options = PLAIN_OPTIONS,
        tell: Callable[[str], None] = lambda note: None,
    ) -> bytes:
        """``segment`` and ``encode`` in one step, which takes less memory: huge pictures are answered in bands.

        ``tell`` is called with what should be known of this answer, where there is something.
        """
        find(format, task_of(self.card))
        picture = decode.open_picture(source, max_bytes=self.max_bytes, max_pixels=self.max_pixels)
        run_options = RunOptions(
            classes=tuple(classes), max_side=max_side, maps=wanted_maps(format, options), tile=tile
        )
        plan = self.model.plan(picture, run_options, named(format).demand)
        found = self.model.follow(plan, picture)
        if found.meta.note:
            tell(found.meta.note)
        return encode(found, format, photo_of(picture, plan), options)


def load(
    name: str = "everyday", *, device: str | None = None, threads: int | None = None, precision: str | None = None
) -> Segmenter:
    """Load the model ``name``: built-in, pulled, added, or the path of a folder with a ``model.toml``.

    ``device``: "cpu", "cuda" or "auto"; ``threads``: 0 = all usable cores; ``precision``: "float", or "int8" for the
    model's int8 twin; None takes the setting. Raises ``UnknownModel``, ``DeviceError``, ``ModelError``; ``ConfigError``
    where there is no twin. Thread-safe once loaded.
    """
    return open_segmenter(name, load_settings({"device": device, "threads": threads, "precision": precision}))


def open_segmenter(name: str, settings: Settings) -> Segmenter:
    """The model ``name`` with the limits of ``settings``."""
    model = open_model(Store(settings).locate(name), settings.device, settings.threads)
    return Segmenter(model, settings.max_bytes, settings.max_pixels)
