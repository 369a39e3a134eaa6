"""The tensors that a card names: what each means, and how a picture becomes one."""

from typing import Literal

import msgspec

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
