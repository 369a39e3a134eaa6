"""What the native API says of models: their cards, and what loading or unloading changed."""

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from maskery.core.card import Detector, Licence, ModelCard
from maskery.core.card_facts import Quality
from maskery.core.card_tensors import OutputLayout, Resize
from maskery.core.result.capabilities import HasScores
from maskery.encode.text import hex_colour
from maskery.inference.tasks.registry import task_of
from maskery.serving.runtime.model_pool import PooledModel


class PictureInput(msgspec.Struct, frozen=True, kw_only=True):
    """The input that takes the picture; the keys are those of a card's ``[[inputs]]`` (docs/models.md).

    Attributes:
        tensor: Its name in the file.
        layout: Its axes.
        resize: Policy of the picture.
        channels: Their order.
        dtype: Type of an element.
        mean: Subtracted from each channel, 0..255.
        std: Each channel is divided by it.
        size: [width, height], where they are fixed.
        side: Pixels of one side, where the policy has it.
        multiple: Both sides are multiples of it.
        min_side: The least ``max_side`` of a request.
        max_side: The largest one.
        pad_value: Grey beside the picture, 0..255.
    """

    tensor: str
    layout: Literal["NCHW", "NHWC"]
    resize: Resize
    channels: Literal["RGB", "BGR"]
    dtype: Literal["float32", "uint8"]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    size: tuple[int, int] | None
    side: int | None
    multiple: int
    min_side: int
    max_side: int
    pad_value: int


class AnswerOutput(msgspec.Struct, frozen=True, kw_only=True):
    """The output that a model's answers are read from, as this protocol has always shown it.

    Attributes:
        tensor: Its name in the file.
        kind: logits, probabilities, scores (of a classifier), foreground, class-map.
        layout: Its axes without the batch.
        foreground_channel: Of a foreground model, the channel of the foreground.
        joined: Always empty.
        anchors: Always empty.
    """

    tensor: str
    kind: str
    layout: OutputLayout
    foreground_channel: int = 0
    joined: str = ""
    anchors: list[tuple[int, int]] = []


class ModelDocument(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A card, for everybody to read.

    Attributes:
        name: What requests name.
        version: Of the weights.
        task: What it does: semantic, foreground, classification or detector.
        description: One sentence.
        labels: The names of the classes, by id.
        palette: Their colours, #rrggbb, by id.
        licence: Terms of the weights.
        input: The input tensor, and the way from a picture to it.
        output: The output tensor.
        finder: What finds the faces that it looks at; absent for a model that looks at whole pictures.
        quality: What was measured; absent where nothing was.
        sha256: Of its file.
        bytes: Of its file.
        url: Where it is pulled from; empty for one that comes with the package.
        training: How it was made.
    """

    name: str
    version: str
    task: str
    description: str
    labels: list[str]
    palette: list[str]
    licence: Licence
    input: PictureInput
    output: AnswerOutput
    finder: Detector | UnsetType = UNSET
    quality: Quality | UnsetType = UNSET
    sha256: str
    bytes: int
    url: str
    training: dict[str, str | int | float]


class ModelList(msgspec.Struct, frozen=True):
    """The models that can answer, the default first."""

    default: str
    models: list[ModelDocument]


class BatchLimit(msgspec.Struct, frozen=True):
    """``most``: pictures that run together. ``measured_ms_a_picture``: by the number of pictures in a batch."""

    most: int
    measured_ms_a_picture: dict[int, float]


class MemoryChange(msgspec.Struct, frozen=True, kw_only=True):
    """One load or unload, and the memory of the process before and after it.

    Attributes:
        what: Loaded or unloaded.
        reason: Why.
        seconds: How long it took.
        rss_before: Resident memory of the process before it, in bytes.
        rss_after: The same after it.
    """

    what: Literal["loaded", "unloaded"]
    reason: str
    seconds: float
    rss_before: int
    rss_after: int


class ModelChange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A model's state after a request to load or unload it, and the proof that memory was taken or given back.

    Attributes:
        name: Of the model.
        version: Of the model.
        state: Loaded or not: unloaded, loading, ready, wrong, failed.
        reason: Why it is in its state.
        batch: How many pictures go together.
        last_change: The last load or unload; absent where there was none.
    """

    name: str
    version: str
    state: str
    reason: str
    batch: BatchLimit
    last_change: MemoryChange | UnsetType = UNSET


def document_of(card: ModelCard) -> ModelDocument:
    """The card as everybody may read it; palette as "#rrggbb", one a label."""
    return ModelDocument(
        name=card.name,
        version=card.version,
        task=card.task,
        description=card.description,
        labels=card.labels,
        palette=[hex_colour(colour) for colour in card.colours],
        licence=card.licence,
        input=_input(card),
        output=_output(card),
        finder=card.detector or UNSET,
        quality=card.quality or UNSET,
        sha256=card.sha256,
        bytes=card.bytes,
        url=card.url,
        training=card.training,
    )


def _input(card: ModelCard) -> PictureInput:
    plain: dict[str, Any] = msgspec.structs.asdict(card.input)
    return msgspec.convert(plain, PictureInput)


def _output(card: ModelCard) -> AnswerOutput:
    output = card.output
    kind = {"class-map": "class-map", "alpha": "foreground"}.get(output.role, output.values)
    if output.role == "alpha" and (output.logits or output.layout == "CHW"):
        kind = output.values
    if task_of(card).gives(HasScores) and not output.logits:
        kind = "scores"
    return AnswerOutput(tensor=output.tensor, kind=kind, layout=output.layout, foreground_channel=output.channel)


def change_of(pooled: PooledModel) -> ModelChange:
    """What became of ``pooled``."""
    changes = [
        MemoryChange(
            what=last.what,
            reason=last.reason,
            seconds=round(last.seconds, 3),
            rss_before=last.rss_before,
            rss_after=last.rss_after,
        )
        for last in pooled.changes[-1:]
    ]
    return ModelChange(
        name=pooled.card.name,
        version=pooled.card.version,
        state=pooled.state,
        reason=pooled.reason,
        batch=BatchLimit(pooled.batch, pooled.batch_ms or {}),
        last_change=changes[0] if changes else UNSET,
    )
