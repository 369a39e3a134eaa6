"""A card for a model file that has none, from its tensors and one run on the check picture; every guess is said."""

import ast
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from maskery.core.card import TASK_RULES, Licence, ModelCard, Network, TaskName
from maskery.core.card_tensors import Input, Output, OutputLayout, OutputRole
from maskery.core.errors import ConfigError, ModelError
from maskery.core.labels import VOC
from maskery.inference import preprocess
from maskery.inference.runtimes.registry import open_session
from maskery.models.catalog import licence_of
from maskery.models.download import sha256_of
from maskery.models.inspect import NetworkInfo, TensorInfo, inspect_file
from maskery.models.store import CHECK_PICTURE

IMAGENET_MEAN, IMAGENET_STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
HALF = (127.5, 127.5, 127.5)
DYNAMIC_SIDE, DYNAMIC_MULTIPLE = 512, 32


@dataclass(frozen=True)
class Proposal:
    """``guesses``: what the file does not say, one sentence each, starting with "guessed: "."""

    card: ModelCard
    guesses: tuple[str, ...]


Values = Literal["logits", "probabilities"]


@dataclass(frozen=True, kw_only=True)
class Meaning:
    """What an output is.

    Attributes:
        task: What can be read from it.
        role: The output's role in the card.
        layout: Its axes.
        classes: Its channels; None for a class map, whose ids do not tell how many there are.
        values: Whether scores are logits.
    """

    task: TaskName
    role: OutputRole
    layout: OutputLayout
    classes: int | None
    values: Values = "logits"


def propose_card(
    path: Path, name: str | None = None, labels: Sequence[str] | None = None, licence: str | None = None
) -> Proposal:
    """Propose a card for the .onnx or .tflite file at ``path``.

    ``labels``: names by class id, where the user knows them. Raises ``ModelError`` for a file that is no model, or one
    that no card can describe; ``ConfigError`` for names that no card can have; ``MissingExtra`` without LiteRT.
    """
    guesses: list[str] = []
    network = inspect_file(path)
    output = network.outputs[0].name
    draft = _draft(path, _image_input(network, path, guesses), output)
    meaning = _tried(draft, path)
    if len(network.outputs) > 1:
        guesses.append(f"of {len(network.outputs)} outputs the first, {output!r}, is the answer")
    try:
        card = msgspec.structs.replace(
            draft,
            name=name or draft.name,
            task=meaning.task,
            licence=_licence(licence, guesses),
            labels=_labels(meaning, labels, network.metadata, path, guesses),
            outputs=[Output(tensor=output, role=meaning.role, layout=meaning.layout, values=meaning.values)],
        )
    except ValueError as error:
        raise ConfigError(f"No card for {path.name}: {error}.", "Correct --name or --labels.") from error
    return Proposal(card, tuple(f"guessed: {guess}" for guess in guesses))


def _draft(path: Path, image: Input, output: str) -> ModelCard:
    """A card that is right in all but what only a run can tell: task, output and labels."""
    return ModelCard(
        name=re.sub(r"[^a-z0-9._-]+", "-", path.stem.lower()).strip("-._") or "model",
        version="1",
        task="semantic",
        description=f"Added from {path.name}.",
        networks=[Network(file=path.name, sha256=sha256_of(path), bytes=path.stat().st_size)],
        licence=Licence(name="unknown", commercial_use=False),
        labels=["unknown"],
        inputs=[image],
        outputs=[Output(tensor=output, role="scores", layout="CHW")],
    )


def _one_picture(network: NetworkInfo, path: Path) -> TensorInfo:
    """The only input, which must be a batch of one picture with 3 channels."""
    if len(network.inputs) != 1:
        names = ", ".join(t.name for t in network.inputs) or "none"
        raise ModelError(f"{path.name} has {len(network.inputs)} inputs ({names}).", "Only one picture can be given.")
    tensor, shape = network.inputs[0], network.inputs[0].shape
    if len(shape) != 4 or shape[0] not in (None, 1) or 3 not in (shape[1], shape[3]):
        cure = "Export it for one RGB picture: (1, 3, height, width) or (1, height, width, 3)."
        raise ModelError(f"{path.name} takes shape {_text(shape)}.", cure)
    if tensor.dtype not in ("float32", "uint8"):
        raise ModelError(f"{path.name} takes {tensor.dtype}.", "Export it with a float32 or uint8 input.")
    return tensor


def _image_input(network: NetworkInfo, path: Path, guesses: list[str]) -> Input:
    """How a picture gets into the one input."""
    tensor = _one_picture(network, path)
    shape = tensor.shape
    layout: Literal["NCHW", "NHWC"] = "NCHW" if shape[1] == 3 else "NHWC"
    height, width = shape[2:] if layout == "NCHW" else shape[1:3]
    mean, std = _normalisation(network.metadata, layout, tensor.dtype, guesses)
    guesses.append("channels in the order RGB")
    dtype: Literal["float32", "uint8"] = "uint8" if tensor.dtype == "uint8" else "float32"
    if bool(height) != bool(width) or (not height and path.suffix == ".tflite"):
        raise ModelError(f"{path.name} takes shape {_text(shape)}.", "Export it with both sides fixed.")
    size = (width, height) if width and height else None
    guesses.append(
        f"pictures are stretched to {width} x {height} (letterbox keeps their aspect)"
        if size
        else f"the longest side becomes {DYNAMIC_SIDE} pixels, both multiples of {DYNAMIC_MULTIPLE}"
    )
    return Input(
        tensor=tensor.name,
        layout=layout,
        dtype=dtype,
        mean=mean,
        std=std,
        resize="stretch" if size else "longest-side",
        size=size,
        side=None if size else DYNAMIC_SIDE,
        multiple=1 if size else DYNAMIC_MULTIPLE,
    )


Triple = tuple[float, float, float]


def _normalisation(metadata: dict[str, str], layout: str, dtype: str, guesses: list[str]) -> tuple[Triple, Triple]:
    """(mean, std) in units of 0..255: the file's metadata, else the habit of its kind."""
    mean, std = (_triple(metadata.get(key)) for key in ("mean", "std"))
    if mean and std:
        if max(*mean, *std) > 1:
            return mean, std
        guesses.append("mean and std of the metadata are in units of 0..1, hence times 255")
        return _times_255(mean), _times_255(std)
    if dtype == "uint8":
        guesses.append("pixels 0..255 as they are (uint8 input)")
        return (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    if layout == "NCHW":
        guesses.append("normalised by ImageNet's mean and std (usual for float NCHW)")
        return IMAGENET_MEAN, IMAGENET_STD
    guesses.append("normalised to -1..1, x / 127.5 - 1 (usual for float NHWC)")
    return HALF, HALF


def _triple(text: str | None) -> Triple | None:
    values = _parsed(text) if text else None
    if isinstance(values, list | tuple) and len(values) == 3 and all(isinstance(v, int | float) for v in values):
        return float(values[0]), float(values[1]), float(values[2])
    return None


def _times_255(values: Triple) -> Triple:
    return values[0] * 255, values[1] * 255, values[2] * 255


def _tried(draft: ModelCard, path: Path) -> Meaning:
    """What the draft's output is, by running the model once on the check picture."""
    with Image.open(CHECK_PICTURE) as picture:
        placement = preprocess.place(picture.size, draft.input)
        content = np.asarray(picture.convert("RGB").resize(placement.content_wh, Image.Resampling.BILINEAR))
    tensor = preprocess.to_tensor(content, placement, draft.input)
    values = open_session(draft, path, "cpu", 1).run({draft.input.tensor: tensor})[draft.output.tensor]
    meaning = _understand(values, placement.working_wh, draft.input.layout == "NHWC")
    if meaning is None:
        raise ModelError(
            f"The output {draft.output.tensor!r} of {path.name}, {values.dtype} {_text(values.shape)} for a picture of "
            f"{placement.working_wh[0]} x {placement.working_wh[1]}, is neither map nor classes.",
            "If another output is, describe it yourself: maskery models add FILE --card model.toml (docs/models.md).",
        )
    return meaning


def _understand(values: NDArray[Any], working_wh: tuple[int, int], channels_last: bool) -> Meaning | None:
    """What ``values``, with batch axis, are to a picture of ``working_wh``; None for nothing known."""
    if values.ndim < 2 or values.shape[0] != 1:
        return None
    scores, whole = values[0], values.dtype.kind in "iub"
    if scores.ndim == 1 and scores.size == working_wh[0] * working_wh[1] and not whole:
        return _alpha(scores, "C")
    if scores.ndim == 1 or (scores.ndim == 3 and scores.size == max(scores.shape)):
        return None if whole or scores.size < 2 else _classes(scores)
    if scores.ndim == 2 and _covers(scores.shape, working_wh):
        return _class_map("HW") if whole else _alpha(scores, "HW")
    if scores.ndim != 3:
        return None
    first, last = _covers(scores.shape[1:], working_wh), _covers(scores.shape[:2], working_wh)
    if not first and not last:
        return None
    layout: OutputLayout = "HWC" if last and (channels_last or not first) else "CHW"
    return _map_with_channels(scores, layout, whole)


def _map_with_channels(scores: NDArray[Any], layout: OutputLayout, whole: bool) -> Meaning | None:
    axis = 0 if layout == "CHW" else 2
    channels = scores.shape[axis]
    if whole:
        return _class_map(layout) if channels == 1 else None
    if channels == 1:
        return _alpha(scores, layout)
    values: Values = "probabilities" if _sums_to_one(scores, axis) else "logits"
    return Meaning(task="semantic", role="scores", layout=layout, classes=channels, values=values)


def _class_map(layout: OutputLayout) -> Meaning:
    return Meaning(task="semantic", role="class-map", layout=layout, classes=None)


def _alpha(scores: NDArray[Any], layout: OutputLayout) -> Meaning:
    values: Values = "probabilities" if scores.min() >= -1e-3 and scores.max() <= 1 + 1e-3 else "logits"
    return Meaning(task="foreground", role="alpha", layout=layout, classes=1, values=values)


def _classes(scores: NDArray[Any]) -> Meaning:
    """Probabilities of an 8-bit model miss the sum of 1, as the small ones are rounded away."""
    values: Values = "probabilities" if scores.min() >= -1e-3 and 0.5 < scores.sum() < 1.1 else "logits"
    return Meaning(task="classification", role="scores", layout="C", classes=scores.size, values=values)


def _covers(shape_hw: Sequence[int], working_wh: tuple[int, int]) -> bool:
    """Whether a map of this shape has the aspect of the working picture, to the pixel."""
    (height, width), (full_width, full_height) = shape_hw, working_wh
    return min(shape_hw) > 1 and abs(height * full_width - width * full_height) < max(working_wh)


def _sums_to_one(scores: NDArray[Any], axis: int) -> bool:
    return bool(scores.min() >= -1e-3 and np.abs(scores.sum(axis) - 1).max() < 0.02)


def _labels(
    meaning: Meaning, given: Sequence[str] | None, metadata: dict[str, str], path: Path, guesses: list[str]
) -> list[str]:
    """The user's labels, else the file's own, else the usual ones for their number."""
    usual = TASK_RULES[meaning.task].labels
    count = len(usual) or meaning.classes
    if given is not None:
        if count is not None and len(given) != count:
            raise ModelError(f"{path.name} has {count} classes, --labels has {len(given)}.", "Correct --labels.")
        return list(given)
    own = _own_labels(metadata)
    if own and (count is None or len(own) == count):
        return own
    if count is None:
        raise ModelError(
            f"{path.name} gives class ids and does not say how many classes there are.",
            "Add --labels FILE, one name a line.",
        )
    if usual:
        guesses.append(f"labels {' and '.join(map(repr, usual))}")
        return list(usual)
    return usual_labels(count, guesses)


def usual_labels(count: int, guesses: list[str]) -> list[str]:
    """The usual ones for their number; what is guessed is added to ``guesses``."""
    if count == len(VOC):
        guesses.append("21 classes are those of Pascal VOC")
        return list(VOC)
    if count == 2:
        guesses.append("labels 'background' and 'person'")
        return ["background", "person"]
    guesses.append(f"labels 'class 0' to 'class {count - 1}'")
    return [f"class {i}" for i in range(count)]


def _own_labels(metadata: dict[str, str]) -> list[str]:
    """The names under "names" or "labels": JSON or Python, list or {id: name}, else lines or commas. Empty for none."""
    text = metadata.get("names") or metadata.get("labels") or ""
    values = _parsed(text)
    if isinstance(values, dict):
        values = [values[key] for key in sorted(values, key=lambda key: int(key) if str(key).isdigit() else 0)]
    if not isinstance(values, list | tuple):
        values = text.splitlines() if "\n" in text else text.split(",")
    return [str(value).strip() for value in values if str(value).strip()]


def _parsed(text: str) -> Any:
    """A JSON or Python literal; None where it is neither."""
    try:
        return json.loads(text)
    except ValueError:
        try:
            return ast.literal_eval(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return None


def _licence(name: str | None, guesses: list[str]) -> Licence:
    if not name:
        guesses.append("licence unknown, hence not for commercial use (say --licence NAME)")
        return Licence(name="unknown", commercial_use=False)
    licence = licence_of(name)
    if not licence.commercial_use:
        guesses.append(f"licence {name} does not allow commercial use")
    return licence


def _text(shape: Sequence[int | None]) -> str:
    return f"({', '.join('any' if d is None else str(d) for d in shape)})"
