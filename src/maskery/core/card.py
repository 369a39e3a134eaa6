"""model.toml -> ModelCard: what a model is, eats and says. A new model is a new card, not a new class."""

import re
from pathlib import Path
from typing import Literal

import msgspec

from maskery.core import toml
from maskery.core.errors import ConfigError
from maskery.core.labels import voc_palette

CARD_NAME = "model.toml"

Task = Literal["semantic", "foreground", "classification", "finder"]
Resize = Literal["stretch", "letterbox", "longest-side", "shortest-side", "square", "multiple"]
OutputKind = Literal["logits", "probabilities", "class-map", "foreground", "scores", "boxes"]
Colour = tuple[int, int, int]


class Licence(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Terms of the weights. Without ``commercial_use``, or with ``copyleft``, they are pulled only on acceptance."""

    name: str
    commercial_use: bool
    copyleft: bool = False
    note: str = ""


class Input(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The input tensor and the road from picture to tensor: value = (pixel - mean) / std, pixel 0..255.

    ``resize`` policies (sizes in pixels):

    - ``stretch``: to ``size`` = [width, height], whatever the aspect;
    - ``letterbox``: within ``size`` keeping the aspect, the rest padded with ``pad_value``;
    - ``longest-side`` / ``shortest-side``: that side becomes ``side``, the aspect is kept;
    - ``square``: stretched to ``side`` x ``side`` (the "render factor" of low-memory services, times 16);
    - ``multiple``: the picture's own size, at most ``max_side``.

    The four last ones accept any size whose sides are multiples of ``multiple``; each side is rounded to the nearest.
    ``min_side`` and ``max_side`` bound what a caller may ask for.
    """

    tensor: str
    layout: Literal["NCHW", "NHWC"]
    resize: Resize
    channels: Literal["RGB", "BGR"] = "RGB"
    dtype: Literal["float32", "uint8"] = "float32"
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    size: tuple[int, int] | None = None
    side: int | None = None
    multiple: int = 1
    min_side: int = 32
    max_side: int = 2048
    pad_value: int = 127

    def __post_init__(self) -> None:
        fixed = self.resize in ("stretch", "letterbox")
        if fixed and self.size is None:
            raise ValueError(f"resize {self.resize!r} needs size = [width, height]")
        if not fixed and self.resize != "multiple" and self.side is None:
            raise ValueError(f"resize {self.resize!r} needs side = pixels")
        if any(s == 0 for s in self.std):
            raise ValueError("std has a zero")
        if self.multiple < 1 or not 1 <= self.min_side <= self.max_side:
            raise ValueError("need multiple >= 1 and 1 <= min_side <= max_side")
        if min(self.size or (1, 1)) < 1 or (self.side is not None and self.side < 1):
            raise ValueError("size and side must be at least 1 pixel")

    @property
    def fixed(self) -> bool:
        """Whether the working size is the model's own and no caller's wish can change it."""
        return self.resize in ("stretch", "letterbox")


class Output(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The output tensor. ``layout`` names its axes without the batch: CHW, HWC, HW (class map, one probability), C, NC.

    ``foreground_channel`` is the channel of the foreground where a ``foreground`` model has several. ``joined``:
    another tensor, which is joined to the first along its last axis.

    Kind ``boxes``, layout NC: N anchors, each with x and y of a box's centre relative to the anchor, its width and
    height, anything else, and last a logit; lengths in working pixels. ``anchors``: [stride, anchors a cell], the
    anchors' order: of one grid after another, row by row, those of a cell side by side.
    """

    tensor: str
    kind: OutputKind
    layout: Literal["CHW", "HWC", "HW", "C", "NC"]
    foreground_channel: int = 0
    joined: str = ""
    anchors: list[tuple[int, int]] = []

    def __post_init__(self) -> None:
        if (self.kind == "boxes") != (self.layout == "NC") or (self.kind == "boxes") != bool(self.anchors):
            raise ValueError("output kind 'boxes' has layout 'NC' and anchors, and no other kind has")
        if any(stride < 1 or count < 1 for stride, count in self.anchors):
            raise ValueError("anchors need a stride and a number of at least 1")


class Finder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What finds the faces that this model, which looks at one face at a time, is shown (docs/faces.md).

    ``model``: the finder's name; ``sha256``: of its file, where it must be this very one. A finder is a model of task
    ``finder``, or a semantic one, whose pieces of class ``label`` are taken for the middle of boxes: the share
    ``marked`` of their sides. It looks at the whole picture and, up to ``levels``, at square parts of it, of its
    shorter side, of half of that, and so on. Boxes of less than ``min_score`` (0..1) do not count.

    A crop is a square around the box that has ``margin`` times the box's longer side more on each side, its middle
    ``up`` times that side above the box's. Of more than ``max_faces`` the surest ones are looked at.
    """

    model: str
    sha256: str = ""
    label: str = "face"
    marked: float = 1.0
    levels: int = 1
    min_score: float = 0.5
    margin: float = 0.3
    up: float = 0.0
    max_faces: int = 16

    def __post_init__(self) -> None:
        if not 1 <= self.levels <= 4 or not 1 <= self.max_faces <= 255:
            raise ValueError("finder needs levels from 1 to 4 and max_faces from 1 to 255")
        if not 0 < self.marked <= 1 or not 0 < self.min_score <= 1:
            raise ValueError("finder needs marked and min_score above 0 and up to 1")
        if not 0 <= self.margin <= 4 or not -1 <= self.up <= 1:
            raise ValueError("finder needs a margin from 0 to 4 and up from -1 to 1")


class Quality(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was measured, on what and how: numbers of this project's own ``maskery evaluate``, named as in its JSON.

    ``overrides``: classes of the data set -> the model's, as ``--map`` was given.
    """

    data: str
    split: str = ""
    pictures: int | None = None
    miou: float | None = None
    pixel_accuracy: float | None = None
    fw_iou: float | None = None
    mean_accuracy: float | None = None
    mean_dice: float | None = None
    boundary_f: float | None = None
    top1: float | None = None
    top5: float | None = None
    iou: dict[str, float | None] = {}
    accuracy: dict[str, float] = {}
    images: dict[str, int] = {}
    overrides: dict[str, list[str]] = {}
    note: str = ""


class Check(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The stored answer to the stored picture: shares of some classes (0..1), each within ``tolerance``.

    For classification the numbers are not shares but the class that must come first, with any number.
    """

    shares: dict[str, float]
    tolerance: float = 0.05


class Quantisation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How this file was made smaller from another model's, and what that cost: the report of ``maskery quantise``.

    ``of``: that model, NAME@VERSION. ``before``, ``after``, ``loss`` and ``limit`` are of ``measure``, 0..1, on
    ``data`` and ``split``. ``kept_float``: layers that were not quantised. ``speed_ratio``: how many times as fast it
    is on ``machine``, by runs of both in turn; milliseconds of one run, bytes of the file.
    """

    to: Literal["int8", "fp16"]
    method: str
    of: str
    of_sha256: str
    calibration: str = ""
    calibration_pictures: int = 0
    kept_float: list[str] = []
    measure: Literal["mIoU", "top-1"]
    data: str
    split: str
    before: float
    after: float
    loss: float
    limit: float
    speed_ratio: float
    ms_before: float
    ms_after: float
    bytes_before: int
    bytes_after: int
    machine: str
    runtime: str


class ModelCard(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``palette`` is "voc" or one [red, green, blue] a label. ``url`` is empty for weights inside the package.

    ``quality_also``: the same of further data sets.
    """

    name: str
    version: str
    task: Task
    description: str
    file: str
    sha256: str
    bytes: int
    url: str
    licence: Licence
    labels: list[str]
    input: Input
    output: Output
    palette: Literal["voc"] | list[Colour] = "voc"
    finder: Finder | None = None
    quality: Quality | None = None
    quality_also: list[Quality] = []
    check: Check | None = None
    training: dict[str, str | int | float] = {}
    quantisation: Quantisation | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", self.name):
            raise ValueError(f"name {self.name!r} must be of a-z, 0-9, '.', '_', '-'")
        if not re.fullmatch(r"[0-9a-f]{64}", self.sha256):
            raise ValueError("sha256 must be 64 hexadecimal digits")
        if not self.file or Path(self.file).name != self.file:
            raise ValueError(f"file {self.file!r} must be a plain file name")
        if not self.labels or len(set(self.labels)) != len(self.labels):
            raise ValueError("labels must be distinct and at least one")
        if self.palette != "voc" and len(self.palette) != len(self.labels):
            raise ValueError(f"palette has {len(self.palette)} colours for {len(self.labels)} labels")
        allowed: dict[str, set[str]] = {
            "semantic": {"logits", "probabilities", "class-map"},
            "foreground": {"foreground", "probabilities", "logits"},
            "classification": {"scores", "logits"},
            "finder": {"boxes"},
        }
        if self.output.kind not in allowed[self.task]:
            raise ValueError(f"a {self.task} model cannot have output kind {self.output.kind!r}")
        if self.task == "foreground" and len(self.labels) != 2:
            raise ValueError("a foreground model has two labels: background and the foreground's name")
        if self.finder and (self.task != "semantic" or self.background is None):
            raise ValueError("only a semantic model with the label background has a finder")
        if self.check:
            for label in self.check.shares:
                if label not in self.labels:
                    raise ValueError(f"check names {label!r}, which is no label")

    @property
    def colours(self) -> list[Colour]:
        """One (red, green, blue) per label."""
        return voc_palette(len(self.labels)) if self.palette == "voc" else self.palette

    @property
    def background(self) -> int | None:
        """The id of the class ``background``, None for a model without one (every pixel is something)."""
        return self.labels.index("background") if "background" in self.labels else None

    @property
    def measured(self) -> list[Quality]:
        """Everything that was measured."""
        return [self.quality, *self.quality_also] if self.quality else self.quality_also

    @property
    def must_accept_licence(self) -> bool:
        return not self.licence.commercial_use or self.licence.copyleft


def load_card(path: Path) -> ModelCard:
    """Parse the card at ``path``. Raises ``ConfigError`` naming the file, the key and the cure."""
    card = toml.read_toml(path, ModelCard)
    if len(card.labels) > 65_536:
        raise ConfigError(f"{path}: {len(card.labels)} labels.", "At most 65536 are supported.")
    return card
