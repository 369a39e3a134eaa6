"""What a model is, takes and gives: its card, as data. A new model is a new card, not a new class.

``models.card_toml`` reads and writes cards as ``model.toml``; docs/models.md documents every key.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from maskery.core.card_facts import Check, Quality, Quantisation
from maskery.core.card_tensors import Input, InputRole, Output, OutputRole
from maskery.core.labels import fault_of_names, voc_palette

CARD_NAME = "model.toml"
MOST_LABELS = 65_536
MOST_OBJECTS = 1_000

TaskName = Literal[
    "semantic", "foreground", "classification", "detection", "instance", "panoptic", "detector", "prompt"
]
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
