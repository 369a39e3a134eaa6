"""The recipe of a detection head: a TOML file with ``task = "detection"``."""

from pathlib import Path
from typing import Literal

import msgspec

from maskery.core import toml
from maskery.core.errors import ConfigError

TASK = "detection"


class Emphasis(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How often pictures are shown. ``path``: what their paths begin with; ``times``: in an epoch, 0.3 = a third."""

    path: str
    times: float


class DetectionData(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is learnt from.

    Attributes:
        root: Folder that paths of pictures begin at.
        boxes: The file of boxes, a JSON line a picture (``box_labels``).
        labels: Class names, in the order of the file's numbers.
        side: Pixels of the square that the encoder sees, a multiple of 64.
        views: Of each picture so many are made and kept: the first whole, every second mirrored, others zoomed.
        zoom: The range of zooms.
        emphasis: For paths without one, once an epoch.
    """

    root: str = "."
    boxes: str
    labels: list[str]
    side: int = 384
    views: int = 2
    zoom: tuple[float, float] = (0.6, 1.6)
    emphasis: list[Emphasis] = []


class EncoderSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The frozen encoder. ``file``: an ONNX file with an input (N, 3, H, W) and outputs ``map4``, ``map8``, ``map16``
    at the strides 4, 8 and 16; value of a pixel = (pixel - ``mean``) / ``std``.
    """

    file: str
    mean: float = 127.0
    std: float = 128.0
    pad_value: int = 127


class DetectionOptimiser(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How it learns: AdamW, a short rise, a constant rate, and a fall to zero over the last epochs.

    Attributes:
        rate: The constant learning rate.
        weight_decay: Of AdamW.
        batch: Pictures in a step.
        epochs: How many; may be changed while a run rests, for only the last ones depend on it.
        fall: Epochs over which the rate falls.
        rise: Steps over which it rises.
        ema: Decay of the averaged weights, the ones that are kept.
        clip: The longest gradient.
    """

    rate: float = 2e-3
    weight_decay: float = 0.02
    batch: int = 16
    epochs: int = 8
    fall: float = 2.0
    rise: int = 200
    ema: float = 0.998
    clip: float = 10.0


class HeadSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The head's size: channels at stride 8, and at the strides 16 and 32."""

    fine: int = 64
    coarse: int = 96


class DetectionPublish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the card says.

    Attributes:
        description: One sentence.
        licence: Of the weights.
        commercial_use: Whether it allows it.
        licence_note: What else.
        half: Whether weights are stored as float16.
        masks: The model of task ``prompt`` that draws a mask into each box; "" = boxes only.
        score: Objects with a lower score are left out where a caller says nothing.
    """

    description: str
    licence: str
    commercial_use: bool
    licence_note: str = ""
    half: bool = True
    masks: str = ""
    score: float = 0.3


class DetectionRecipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that makes a detection head.

    Attributes:
        task: Says that this is one.
        name: Of the model.
        version: Of the model.
        seed: Of the first weights, the order of the pictures, and their views.
        data: What is learnt from.
        encoder: What gives the maps.
        head: What learns.
        optimiser: How.
        publish: The model that is made of the run.
    """

    task: Literal["detection"]
    name: str
    version: str
    seed: int
    data: DetectionData
    encoder: EncoderSpec
    head: HeadSpec = HeadSpec()
    optimiser: DetectionOptimiser = DetectionOptimiser()
    publish: DetectionPublish


def is_detection(path: Path) -> bool:
    """Whether the recipe at ``path`` is one of a detector. Raises ``ConfigError`` where it is no TOML."""
    return toml.read_raw(path).get("task") == TASK


def load_detection_recipe(path: Path) -> DetectionRecipe:
    """Parse and check. Raises ``ConfigError``."""
    recipe = toml.read_toml(path, DetectionRecipe)
    data, optimiser = recipe.data, recipe.optimiser
    if data.side % 64 or data.side < 64:
        raise ConfigError(f"{path}: data.side is {data.side}.", "Give a multiple of 64.")
    if not data.labels or len(set(data.labels)) != len(data.labels):
        raise ConfigError(f"{path}: data.labels are not distinct names.", "Give each class a name of its own.")
    if data.views < 1 or optimiser.batch < 2 or optimiser.epochs < 1:
        raise ConfigError(f"{path}: views, batch or epochs is too small.", "Give views, epochs >= 1 and batch >= 2.")
    if not 0 < data.zoom[0] <= data.zoom[1]:
        raise ConfigError(f"{path}: data.zoom is {list(data.zoom)}.", "Give [low, high] with 0 < low <= high.")
    if not 0 < optimiser.rate < 1 or not 0 <= optimiser.ema < 1 or optimiser.clip <= 0 or optimiser.fall <= 0:
        raise ConfigError(
            f"{path}: rate, ema, clip or fall cannot be.", "Give 0 < rate < 1, 0 <= ema < 1, clip and fall above 0."
        )
    if any(one.times < 0 for one in data.emphasis):
        raise ConfigError(f"{path}: a data.emphasis has negative times.", "Give 0 or more.")
    return recipe
