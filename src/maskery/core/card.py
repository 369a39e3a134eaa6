"""What a model is, takes and gives: its card, as data. A new model is a new card, not a new class.

``models.card_toml`` reads and writes cards as ``model.toml``; docs/models.md documents every key.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from maskery.core.labels import fault_of_names, voc_palette

CARD_NAME = "model.toml"
MOST_LABELS = 65_536
MOST_OBJECTS = 1_000

TaskName = Literal[
    "semantic", "foreground", "classification", "detection", "instance", "panoptic", "detector", "prompt"
]
Resize = Literal["stretch", "letterbox", "longest-side", "shortest-side", "square", "multiple"]
InputRole = Literal["picture", "prompt-maps", "points", "point-labels", "boxes", "mask", "has-mask", "picture-size"]
OutputRole = Literal[
    "scores",
    "class-map",
    "alpha",
    "boxes",
    "box-logits",
    "masks",
    "mask-scores",
    "features",
    "object-rows",
    "object-boxes",
    "object-scores",
    "object-classes",
    "object-masks",
    "object-centres",
    "object-offsets",
    "prototypes",
]
OutputLayout = Literal["CHW", "HWC", "HW", "C", "NC", "CN", "NHW"]
ObjectReader = Literal["distances", "grid", "kept-rows", "raw-rows", "cropped-masks", "queries", "centres"]
Colour = tuple[int, int, int]


@dataclass(frozen=True, kw_only=True)
class TaskRules:
    """What a card of a task may hold.

    Attributes:
        answers: The roles of which it has exactly one output, which its result is read from.
        labels: Where their number is fixed, their usual names.
        crops: Whether the model may be shown parts of a picture that a detector finds.
        takes: The roles of which it has one input beside the picture.
        beside: Those of which it has one output beside its answer.
        readers: Of single objects: those that ``objects.reader`` may name; then its outputs are what that reader needs.
        masks: Of such a task, whether its objects have masks.
    """

    answers: tuple[OutputRole, ...]
    labels: tuple[str, ...] = ()
    crops: bool = False
    takes: tuple[InputRole, ...] = ()
    beside: tuple[OutputRole, ...] = ()
    readers: tuple[ObjectReader, ...] = ()
    masks: bool = False

    @property
    def objects(self) -> bool:
        """Whether it says in ``objects`` how its outputs are read."""
        return bool(self.readers)


# The roles that a reader of objects needs, each of at least one output; ``inference/objects/readers.py`` says the rest.
READER_ROLES: dict[ObjectReader, tuple[OutputRole, ...]] = {
    "distances": ("object-boxes", "object-scores"),
    "grid": ("object-rows",),
    "kept-rows": ("object-rows",),
    "raw-rows": ("object-rows",),
    "cropped-masks": ("object-boxes", "object-scores", "object-classes", "object-masks"),
    "queries": ("object-masks", "object-scores"),
    "centres": ("scores", "object-centres", "object-offsets"),
}
# Of the readers above, those that give masks with every object; rows have masks where there are prototypes.
MASK_READERS: tuple[ObjectReader, ...] = ("cropped-masks", "queries", "centres")
BOX_READERS: tuple[ObjectReader, ...] = ("distances", "grid", "kept-rows", "raw-rows")

TASK_RULES: dict[TaskName, TaskRules] = {
    "semantic": TaskRules(answers=("scores", "class-map"), crops=True),
    "foreground": TaskRules(answers=("alpha",), labels=("background", "foreground")),
    "classification": TaskRules(answers=("scores",)),
    "detection": TaskRules(answers=("object-rows", "object-boxes"), readers=BOX_READERS),
    "instance": TaskRules(
        answers=("object-rows", "object-boxes", "object-masks"),
        readers=(*BOX_READERS, "cropped-masks", "queries"),
        masks=True,
    ),
    "panoptic": TaskRules(answers=("scores",), readers=("centres",), masks=True),
    "detector": TaskRules(answers=("boxes",)),
    "prompt": TaskRules(
        answers=("masks",), labels=("background", "object"), takes=("prompt-maps",), beside=("mask-scores",)
    ),
}


class Licence(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Terms of the weights. Without ``commercial_use``, or with ``copyleft``, they are pulled only on acceptance."""

    name: str
    commercial_use: bool
    copyleft: bool = False
    note: str = ""


class Input(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An input tensor of the model and, where its role is ``picture``, how a picture becomes it.

    value = (pixel - mean) / std, pixel 0..255. ``resize`` policies (sizes in pixels):

    - ``stretch``: to ``size`` = [width, height], whatever the aspect;
    - ``letterbox``: within ``size`` keeping the aspect, the rest padded with ``pad_value``;
    - ``longest-side`` / ``shortest-side``: that side becomes ``side``, the aspect is kept;
    - ``square``: stretched to ``side`` x ``side`` (the "render factor" of low-memory services, times 16);
    - ``multiple``: the picture's own size, at most ``max_side``.

    The four last ones accept any size whose sides are multiples of ``multiple``; each side is rounded to the nearest.

    Attributes:
        tensor: Name of the tensor in the network's file.
        role: What it is given: the picture, or a part of a prompt. ``prompt-maps`` is all of one, drawn as four maps
            at a quarter of the picture's tensor (``inference/prompts/prompt_maps.py``).
        layout: Axes of a picture's tensor.
        resize: Policy of a picture.
        channels: Order of a picture's channels.
        dtype: Element type of the tensor.
        mean: Subtracted from each channel, 0..255, in the order of ``channels``.
        std: Each channel is divided by it.
        size: [width, height] of the policies ``stretch`` and ``letterbox``.
        side: Pixels of the policies ``longest-side``, ``shortest-side`` and ``square``.
        multiple: Both sides are multiples of it where the size is free.
        min_side: The smallest ``max_side`` that a caller may ask for.
        max_side: The largest one.
        pad_value: Grey of the letterbox's border, 0..255.
    """

    tensor: str
    role: InputRole = "picture"
    layout: Literal["NCHW", "NHWC"] | None = None
    resize: Resize | None = None
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
        if self.role == "picture" and (self.layout is None or self.resize is None):
            raise ValueError("an input of role 'picture' needs layout and resize")
        if self.fixed and self.size is None:
            raise ValueError(f"resize {self.resize!r} needs size = [width, height]")
        if self.resize in ("longest-side", "shortest-side", "square") and self.side is None:
            raise ValueError(f"resize {self.resize!r} needs side = pixels")
        if any(s == 0 for s in self.std):
            raise ValueError("std has a zero")
        if self.multiple < 1 or not 1 <= self.min_side <= self.max_side:
            raise ValueError("need multiple >= 1 and 1 <= min_side <= max_side")
        if min(self.size or (1, 1)) < 1 or (self.side is not None and self.side < 1):
            raise ValueError("size and side must be at least 1 pixel")

    @property
    def fixed(self) -> bool:
        """Whether the working size is the model's own and no caller can change it."""
        return self.resize in ("stretch", "letterbox")


class Output(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An output tensor of the model, and what it means.

    Roles: ``scores``, a plane or a number a class; ``class-map``, class ids; ``alpha``, the foreground's probability;
    ``boxes`` and ``box-logits``, of a detector; ``masks`` and ``mask-scores``, of things; ``features``, of an encoder;
    ``object-...`` and ``prototypes``, of single objects, as the card's ``objects.reader`` says.

    Role ``boxes``, layout NC: N anchors, each with x and y of a box's centre relative to the anchor, its width and
    height, anything else; lengths in working pixels. The logit of each is an output of role ``box-logits``, (N, 1), or
    without one the last column of the boxes.

    Attributes:
        tensor: Name of the tensor in the network's file.
        role: What it means.
        layout: Its axes without the batch: CHW, HWC, HW (class map, one probability), C, of N objects or anchors NC,
            CN and NHW.
        values: Whether scores or alpha are logits (softmax or sigmoid makes probabilities of them) or probabilities.
        channel: Of an alpha with several channels, that of the foreground.
        anchors: [stride, anchors a cell] of boxes, in their order: one grid after another, row by row, those of a
            cell side by side.
    """

    tensor: str
    role: OutputRole
    layout: OutputLayout
    values: Literal["logits", "probabilities"] = "logits"
    channel: int = 0
    anchors: list[tuple[int, int]] = []

    def __post_init__(self) -> None:
        if self.role in ("boxes", "box-logits") and self.layout != "NC":
            raise ValueError("outputs of role 'boxes' and 'box-logits' have layout 'NC'")
        if self.layout in ("NC", "CN", "NHW") and not self.role.startswith(("box", "object-")):
            raise ValueError(f"layout {self.layout!r} is of boxes and objects, not of {self.role!r}")
        if (self.role == "boxes") != bool(self.anchors):
            raise ValueError("an output of role 'boxes' has anchors, and no other role has")
        if any(stride < 1 or count < 1 for stride, count in self.anchors):
            raise ValueError("anchors need a stride and a number of at least 1")

    @property
    def logits(self) -> bool:
        """Whether the values are logits."""
        return self.values == "logits"


class Network(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file of the model. A card with several runs them in its order: an encoder, then a decoder, say.

    Attributes:
        file: Plain name of the file, beside the card.
        sha256: Of the file, 64 lower-case hexadecimal digits.
        bytes: Size of the file.
        url: Where a pull fetches it; empty for built-in and added models.
        name: What the others call it.
        inputs: Names of its input tensors: inputs of the card or outputs of networks before it; of a card's only
            network, all inputs of the card.
        outputs: Names of its output tensors that are used; of a card's only network, all outputs of the card.
    """

    file: str
    sha256: str
    bytes: int
    url: str = ""
    name: str = "main"
    inputs: list[str] = []
    outputs: list[str] = []

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[0-9a-f]{64}", self.sha256):
            raise ValueError("sha256 must be 64 hexadecimal digits")
        if not self.file or Path(self.file).name != self.file:
            raise ValueError(f"file {self.file!r} must be a plain file name")


class Detector(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The model that finds the faces which this model, that parses one face at a time, is shown (docs/faces.md).

    It is a model of task ``detector``, or a semantic one, whose connected pieces of class ``label`` mark the middle of
    boxes. It runs on the whole picture and on square parts of it. A crop is a square around the box.

    Attributes:
        model: Name of the detector.
        sha256: Of its file, where it must be this very one.
        label: The class of a semantic detector.
        marked: The share of a box's sides that a piece covers.
        levels: 1 = the whole picture only; 2 adds parts of its shorter side, 3 of half of that, and so on, up to 4.
        min_score: Boxes below it do not count, 0..1.
        margin: What the crop has more on each side, in the box's longer sides.
        up: How far the crop's middle lies above the box's, in the box's longer sides.
        max_faces: Of more faces only those with the highest scores are parsed.
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
            raise ValueError("detector needs levels from 1 to 4 and max_faces from 1 to 255")
        if not 0 < self.marked <= 1 or not 0 < self.min_score <= 1:
            raise ValueError("detector needs marked and min_score above 0 and up to 1")
        if not 0 <= self.margin <= 4 or not -1 <= self.up <= 1:
            raise ValueError("detector needs a margin from 0 to 4 and up from -1 to 1")


class ObjectQuality(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How well a model of objects was measured to find them; None where it gives no masks.

    Attributes:
        objects: How many the truth has, crowds left out.
        mask_ap: Average precision of masks, the mean over IoU .50 to .95, 0..1, by COCO's definition.
        mask_ap50: At IoU .50.
        mask_ap75: At IoU .75.
        box_ap: The same of boxes.
        box_ap50: At IoU .50.
        box_ap75: At IoU .75.
        pq: Panoptic quality of the things.
        count_error: By how many objects a class of a picture is miscounted, in the mean.
        ap50_of: By class, of masks, else of boxes.
        intervals: 95 % of each number, by its name here.
    """

    objects: int
    mask_ap: float | None = None
    mask_ap50: float | None = None
    mask_ap75: float | None = None
    box_ap: float | None = None
    box_ap50: float | None = None
    box_ap75: float | None = None
    pq: float | None = None
    count_error: float | None = None
    ap50_of: dict[str, float] = {}
    intervals: dict[str, tuple[float, float]] = {}


class PromptQuality(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a model of prompts was measured to do, over single objects.

    Attributes:
        objects: How many.
        least_area: Objects of at most so many pixels were left out.
        iou_box: Mean IoU from the true box, 0..1.
        iou_clicks: Mean IoU after 1, 2, ... simulated clicks.
        noc_85: Mean number of clicks until the IoU is 0.85, at most 20.
        noc_90: The same until it is 0.90.
        intervals: 95 % of each number, by its name in the JSON of ``maskery evaluate``.
    """

    objects: int
    least_area: int
    iou_box: float
    iou_clicks: list[float]
    noc_85: float
    noc_90: float
    intervals: dict[str, tuple[float, float]] = {}


class Objects(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a model's outputs are read as single objects (docs/extending/object-models.md), and what is asked of it
    where a caller says nothing.

    Attributes:
        reader: What the outputs mean.
        strides: Of ``distances`` and ``grid``: working pixels of a cell, one grid after another.
        shift: What is added to the middle of each cell, in working pixels.
        relative: Whether boxes are given in shares of the working size instead of working pixels.
        first_class: The id that the first label has in the outputs: 1 where 0 is the background.
        masks: Name of the model of task ``prompt`` that draws a mask into each box; "" where the outputs have masks, or
            there are none.
        things: Of ``centres``: the labels of which there are single objects; the others are stuff.
        masks_cover: What the masks of ``cropped-masks`` cover: all of the working picture, or each its box.
        score: Objects with a lower score are left out, 0..1.
        overlap: Of two boxes of one class that overlap by more than this (intersection over union), one is left out.
        max_objects: At most so many are given, the surest.
    """

    reader: ObjectReader
    strides: list[int] = []
    shift: float = 0.0
    relative: bool = False
    first_class: int = 0
    masks: str = ""
    things: list[str] = []
    masks_cover: Literal["picture", "box"] = "picture"
    score: float = 0.3
    overlap: float = 0.6
    max_objects: int = 100

    def __post_init__(self) -> None:
        if (self.reader in ("distances", "grid")) != bool(self.strides):
            raise ValueError("objects.strides is of the readers 'distances' and 'grid', which need it")
        if (self.reader == "centres") != bool(self.things):
            raise ValueError("objects.things is of the reader 'centres', which needs it")
        if any(stride < 1 for stride in self.strides) or self.first_class < 0:
            raise ValueError("objects.strides must be at least 1, and first_class at least 0")
        if not 0 <= self.score <= 1 or not 0 < self.overlap <= 1 or not 1 <= self.max_objects <= MOST_OBJECTS:
            raise ValueError(
                f"objects needs score 0..1, overlap above 0 and up to 1, max_objects from 1 to {MOST_OBJECTS}"
            )


class Quality(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was measured, on what and how: numbers of this project's own ``maskery evaluate``, named as in its JSON.

    Scores are 0..1; None or empty where they do not apply or were not measured (docs/evaluation.md defines them).

    Attributes:
        data: The data set.
        split: Its part; "" for one without splits.
        pictures: How many were measured.
        miou: Mean IoU over the classes that occur.
        pixel_accuracy: Share of all pixels that are right.
        fw_iou: IoU weighted by the pixels of the truth.
        mean_accuracy: Mean over the classes of the share of their pixels that are right.
        mean_dice: Mean Dice score over the classes that occur.
        boundary_f: Mean F of the outlines.
        top1: Of a classification, the share of pictures whose best class is the true one.
        top5: The same of the best five.
        iou: By label.
        accuracy: Of a classification, by label.
        images: Pictures that have the class in their truth, by label.
        overrides: Classes of the data set -> the model's, as ``--map`` was given.
        prompts: Of a model of prompts.
        objects: Of a model of objects.
        note: What one must know to read the numbers.
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
    prompts: PromptQuality | None = None
    objects: ObjectQuality | None = None
    note: str = ""


class Check(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The stored answer to the stored picture: shares of some classes (0..1), each within ``tolerance``.

    For classification the numbers are not shares but the class that must come first, with any number.
    """

    shares: dict[str, float]
    tolerance: float = 0.05


class Quantisation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How this file was made smaller from another model's, and what that cost: the report of ``maskery quantise``.

    Attributes:
        to: What the weights became.
        method: How, in words.
        of: The other model, NAME@VERSION.
        of_sha256: Of its file.
        calibration: The data on which ranges were seen; "" where none were needed.
        calibration_pictures: How many pictures of it.
        kept_float: Layers that were not quantised.
        measure: The score that decided.
        data: The data set that it was measured on.
        split: Its part.
        before: ``measure`` of the other model, 0..1.
        after: The same of this one.
        loss: ``before`` less ``after``.
        limit: The largest ``loss`` that was allowed.
        speed_ratio: How many times as fast as the other it is on ``machine``, by runs of both in turn.
        ms_before: Milliseconds of one run of the other.
        ms_after: The same of this one.
        bytes_before: Size of the other's file.
        bytes_after: Size of this one's.
        machine: Where the times were taken.
        runtime: What ran both.
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
    """A model: its files, what they take and give, its classes, terms and measured quality.

    Attributes:
        name: Of a-z, 0-9, '.', '_', '-'.
        version: Any text.
        task: What kind of result it gives.
        description: One sentence.
        licence: Terms of the weights.
        labels: Class names by id.
        networks: Its files, in the order in which they run.
        inputs: Its input tensors, one of them of role ``picture``.
        outputs: Its output tensors, one of them of an answering role of its task.
        palette: "voc" or one [red, green, blue] a label.
        detector: The model that finds what this one is shown, where it needs one.
        objects: How outputs are read as single objects, of the tasks of objects.
        quality: What was measured.
        quality_also: The same of further data sets.
        check: The stored answer to the stored picture.
        training: Free facts about how the weights were made.
        quantisation: How the file was made smaller.
    """

    name: str
    version: str
    task: TaskName
    description: str
    labels: list[str]
    palette: Literal["voc"] | list[Colour] = "voc"
    licence: Licence
    networks: list[Network]
    inputs: list[Input]
    outputs: list[Output]
    detector: Detector | None = None
    objects: Objects | None = None
    quality: Quality | None = None
    quality_also: list[Quality] = []
    check: Check | None = None
    training: dict[str, str | int | float] = {}
    quantisation: Quantisation | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", self.name):
            raise ValueError(f"name {self.name!r} must be of a-z, 0-9, '.', '_', '-'")
        self._check_labels()
        self._check_tensors()
        self._check_networks()
        if self.detector and (not TASK_RULES[self.task].crops or self.background is None):
            raise ValueError("only a semantic model with the label background has a detector")
        if self.check:
            for label in self.check.shares:
                if label not in self.labels:
                    raise ValueError(f"check names {label!r}, which is no label")

    def _check_labels(self) -> None:
        fault = fault_of_names(self.labels)
        if fault:
            raise ValueError(f"labels must be distinct and not blank. {fault}")
        if len(self.labels) > MOST_LABELS:
            raise ValueError(f"there are {len(self.labels)} labels, more than {MOST_LABELS}")
        if self.palette != "voc" and len(self.palette) != len(self.labels):
            raise ValueError(f"palette has {len(self.palette)} colours for {len(self.labels)} labels")
        fixed = TASK_RULES[self.task].labels
        if fixed and len(self.labels) != len(fixed):
            raise ValueError(f"a {self.task} model has two labels: background and the {fixed[1]}'s name")

    def _check_tensors(self) -> None:
        if sum(one.role == "picture" for one in self.inputs) != 1:
            raise ValueError("a card has exactly one input of role 'picture'")
        roles = [one.role for one in self.outputs]
        allowed = TASK_RULES[self.task].answers
        if TASK_RULES[self.task].objects:
            self._check_objects(roles)
        elif self.objects:
            raise ValueError(f"a {self.task} model has no objects")
        elif sum(role in allowed for role in roles) != 1:
            wanted = " or ".join(map(repr, allowed))
            raise ValueError(f"a {self.task} model has one output of role {wanted}, not {', '.join(roles) or 'none'}")
        self._check_beside(roles)
        for kind, names in (("inputs", [i.tensor for i in self.inputs]), ("outputs", [o.tensor for o in self.outputs])):
            if len(set(names)) != len(names):
                raise ValueError(f"two {kind} have the same tensor")

    def _check_objects(self, roles: list[OutputRole]) -> None:
        """There is a reader, it has the outputs that it needs, and it gives masks where the task does."""
        if self.objects is None:
            raise ValueError(f"a {self.task} model says in [objects] how its outputs are read")
        reader, rules = self.objects.reader, TASK_RULES[self.task]
        if reader not in rules.readers:
            raise ValueError(f"a {self.task} model has no reader {reader!r}, but one of {', '.join(rules.readers)}")
        for name in self.objects.things:
            if name not in self.labels:
                raise ValueError(f"objects.things names {name!r}, which is no label")
        for role in READER_ROLES[reader]:
            if role not in roles:
                raise ValueError(f"the reader {reader!r} of objects needs an output of role {role!r}")
        own = reader in MASK_READERS or "prototypes" in roles
        if own and self.objects.masks:
            raise ValueError(f"objects.masks is {self.objects.masks!r}, but the outputs have masks")
        masks = own or bool(self.objects.masks)
        if masks != TASK_RULES[self.task].masks:
            raise ValueError(f"outputs {'with' if masks else 'without'} masks are not those of task {self.task!r}")
        levels = len(self.objects.strides)
        if reader == "distances" and (roles.count("object-boxes"), roles.count("object-scores")) != (levels, levels):
            raise ValueError("the reader 'distances' needs boxes and scores for each of objects.strides")

    def _check_beside(self, outputs: list[OutputRole]) -> None:
        """Of the roles that its task's models have beside picture and answer there is one each."""
        rules, inputs = TASK_RULES[self.task], [one.role for one in self.inputs]
        for kind, needed, roles in (("input", rules.takes, inputs), ("output", rules.beside, outputs)):
            for role in needed:
                if list(roles).count(role) != 1:
                    raise ValueError(f"a {self.task} model has one {kind} of role {role!r}")

    def _check_networks(self) -> None:
        """Each network is fed by the card's inputs and the networks before it, and together they give the outputs."""
        if not self.networks:
            raise ValueError("a card has at least one network")
        for kind in ("name", "file"):
            values = [getattr(network, kind) for network in self.networks]
            if len(set(values)) != len(values):
                raise ValueError(f"two networks have the same {kind}")
        known = {one.tensor for one in self.inputs}
        for network in self.networks:
            for tensor in self.inputs_of(network):
                if tensor not in known:
                    raise ValueError(f"network {network.name!r} takes {tensor!r}, which nothing before it gives")
            known |= set(self.outputs_of(network))
        for one in self.outputs:
            if one.tensor not in known:
                raise ValueError(f"no network gives the output {one.tensor!r}")

    def inputs_of(self, network: Network) -> list[str]:
        """Names of the tensors that one of the card's networks takes."""
        return network.inputs or ([one.tensor for one in self.inputs] if len(self.networks) == 1 else [])

    def outputs_of(self, network: Network) -> list[str]:
        """Names of the tensors that one of the card's networks gives."""
        return network.outputs or ([one.tensor for one in self.outputs] if len(self.networks) == 1 else [])

    @property
    def input(self) -> Input:
        """The input of role ``picture``."""
        return next(one for one in self.inputs if one.role == "picture")

    @property
    def output(self) -> Output:
        """The output that the result is read from: of an answering role of its task."""
        return next(one for one in self.outputs if one.role in TASK_RULES[self.task].answers)

    def output_of(self, role: OutputRole) -> Output | None:
        """The first output of this role, None where there is none."""
        return next((one for one in self.outputs if one.role == role), None)

    @property
    def file(self) -> str:
        """The first network's file, beside the card."""
        return self.networks[0].file

    @property
    def sha256(self) -> str:
        """What tells these weights from others: the file's sha256, or of several networks the sha256 of theirs."""
        if len(self.networks) == 1:
            return self.networks[0].sha256
        return hashlib.sha256("".join(network.sha256 for network in self.networks).encode()).hexdigest()

    @property
    def bytes(self) -> int:
        """Size of all files."""
        return sum(network.bytes for network in self.networks)

    @property
    def url(self) -> str:
        """Where the first network's file is fetched from; empty for built-in and added models."""
        return self.networks[0].url

    def with_file(self, file: str, sha256: str, size: int) -> "ModelCard":
        """The same card for another file, of ``size`` bytes, of its only network; not fetched from anywhere.

        Raises ``ValueError`` for a card of several networks.
        """
        (network,) = self.networks
        changed = msgspec.structs.replace(network, file=file, sha256=sha256, bytes=size, url="")
        return msgspec.structs.replace(self, networks=[changed])

    @property
    def colours(self) -> list[Colour]:
        """One (red, green, blue) per label. Of single objects none is the black that VOC has for the background."""
        if self.palette != "voc":
            return self.palette
        return voc_palette(len(self.labels) + 1)[1:] if self.objects else voc_palette(len(self.labels))

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
