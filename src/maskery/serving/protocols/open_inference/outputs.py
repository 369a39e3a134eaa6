"""What a model can be asked for: each output's name, type, shape and how it is read from a result."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from maskery.core.card import ModelCard
from maskery.core.errors import BadRequest, nearest
from maskery.core.result.capabilities import (
    HasAlpha,
    HasClasses,
    HasClassMap,
    HasInstances,
    HasMaps,
    HasScores,
    Result,
    expect,
)
from maskery.encode.annotations.coco_counts import crop_rle
from maskery.encode.json import encode_summary
from maskery.encode.raster.mask import encode_mask
from maskery.inference.tasks.registry import task_of
from maskery.serving.protocols.open_inference.message import InferBody, OutputRequest, Value, flag, only

OutputValue = bytes | tuple[bytes, ...] | NDArray[np.generic]
"""One picture's part of an output: an array, or one or several elements of BYTES."""
PER_PIXEL = [-1, -1, -1]  # (N, H, W)


@dataclass(frozen=True, kw_only=True)
class OutputTensor:
    """An output that a model can answer.

    Attributes:
        name: what requests call it.
        datatype: of its elements, in the words of the protocol.
        shape: its axes; -1 where a length depends on the pictures.
        read: gives one picture's part of it, without the first axis.
        content_type: of BYTES elements.
    """

    name: str
    datatype: str
    shape: list[int]
    read: Callable[[Result], OutputValue]
    content_type: str = ""

    @property
    def per_pixel(self) -> bool:
        return self.shape == PER_PIXEL


@dataclass(frozen=True)
class RequestedOutput:
    """An output that was asked for, and whether its data follows the JSON. ``best``: Triton's ``classification``, so
    many of the best classes as text; 0 = the numbers.
    """

    output: OutputTensor
    binary: bool
    best: int = 0

    @property
    def key(self) -> str:
        """What ``output_of`` knows it by: ``scores``, or ``scores:3`` for the three best classes."""
        return f"{self.output.name}:{self.best}" if self.best else self.output.name


def outputs_of(card: ModelCard) -> dict[str, OutputTensor]:
    """What a model with this card can answer, the default first."""
    text = OutputTensor(
        name="summary", datatype="BYTES", shape=[-1], read=encode_summary, content_type="application/json"
    )
    task, found = task_of(card), list[OutputTensor]()
    if task.gives(HasScores):
        found.append(OutputTensor(name="scores", datatype="FP32", shape=[-1, len(card.labels)], read=_scores))
    if task.gives(HasClassMap):
        ids = OutputTensor(
            name="class_map",
            datatype="UINT8" if len(card.labels) <= 255 else "UINT16",
            shape=PER_PIXEL,
            read=_class_map,
        )
        found += [
            ids,
            OutputTensor(name="mask_png", datatype="BYTES", shape=[-1], read=_mask_png, content_type="image/png"),
        ]
    found.append(text)
    if task.gives(HasInstances) and not task.prompted:
        found += OF_OBJECTS
    if task.gives(HasAlpha):
        found.append(OutputTensor(name="alpha", datatype="UINT8", shape=PER_PIXEL, read=_alpha))
    found += [
        OutputTensor(name=name, datatype="FP32", shape=PER_PIXEL, read=_map_reader(name)) for name in task.maps(card)
    ]
    return {output.name: output for output in found}


def output_of(card: ModelCard, key: str) -> OutputTensor:
    """The output that a ``RequestedOutput`` asks for."""
    name, _, best = key.partition(":")
    return _classification(card, int(best)) if best else outputs_of(card)[name]


def requested_outputs(body: InferBody, given: Mapping[str, Value], card: ModelCard) -> list[RequestedOutput]:
    """The outputs that a request with the parameters ``given`` names, or the first one.

    Raises ``BadRequest`` for one that the model lacks.
    """
    known = outputs_of(card)
    binary = flag(given, "binary_data_output", default=False)
    wanted = [OutputRequest(next(iter(known)))] if body.outputs is None else body.outputs
    names = [one.name for one in wanted]
    if not names or len(set(names)) != len(names):
        raise BadRequest(f"The outputs are {names[:8]}.", "Name each that you want once, or leave 'outputs' out.")
    for one in wanted:
        if one.name not in known:
            raise BadRequest(f"{card.name} has no output {one.name!r}.", nearest(one.name, known))
    return [_requested(one, known[one.name], binary, card) for one in wanted]


def _requested(one: OutputRequest, output: OutputTensor, binary: bool, card: ModelCard) -> RequestedOutput:
    known = ("binary_data", "classification") if output.name == "scores" else ("binary_data",)
    given = only(one.parameters, known, f"output {one.name!r}")
    follows, best = flag(given, "binary_data", binary), given.get("classification", 0)
    if type(best) is not int or best < 0:
        raise BadRequest(f"classification is {best!r}.", "Give how many of the best classes you want, 3 say.")
    best = min(best, len(card.labels))
    return RequestedOutput(_classification(card, best) if best else output, follows, best)


def _classification(card: ModelCard, best: int) -> OutputTensor:
    """Triton's classification of ``scores``: SCORE:ID:NAME of each of the best classes."""

    def read(result: Result) -> OutputValue:
        scores = expect(result, HasScores).scores
        order = np.argsort(-scores, kind="stable")[:best]
        return tuple(f"{scores[i]:f}:{i}:{card.labels[i]}".encode() for i in order)

    return OutputTensor(name="scores", datatype="BYTES", shape=[-1, best], read=read, content_type="text/plain")


def _count(result: Result) -> OutputValue:
    return np.array(len(expect(result, HasInstances).instances), np.int32)


def _boxes(result: Result) -> OutputValue:
    return np.array([one.box_xyxy for one in expect(result, HasInstances).instances], np.float32).reshape(-1, 4)


def _object_scores(result: Result) -> OutputValue:
    return np.array([one.score for one in expect(result, HasInstances).instances], np.float32)


def _class_ids(result: Result) -> OutputValue:
    return np.array([one.class_id for one in expect(result, HasInstances).instances], np.int32)


def _masks(result: Result) -> OutputValue:
    """JSON: for each object COCO's run lengths, null without a mask. Planes would take a picture's pixels each."""
    size = result.meta.frame.size_wh
    objects = expect(result, HasInstances).instances
    return msgspec.json.encode([crop_rle(one.mask, size) if one.mask else None for one in objects])


OF_OBJECTS = (
    OutputTensor(name="num_objects", datatype="INT32", shape=[-1], read=_count),
    OutputTensor(name="boxes", datatype="FP32", shape=[-1, -1, 4], read=_boxes),
    OutputTensor(name="object_scores", datatype="FP32", shape=[-1, -1], read=_object_scores),
    OutputTensor(name="class_ids", datatype="INT32", shape=[-1, -1], read=_class_ids),
    OutputTensor(name="masks", datatype="BYTES", shape=[-1], read=_masks, content_type="application/json"),
)
"""A row an object, surest first. Of several pictures rows are added to those with fewer: zeros, of which
``num_objects`` says nothing.
"""


def _class_map(result: Result) -> OutputValue:
    return expect(result, HasClassMap).class_map


def _map_reader(name: str) -> Callable[[Result], OutputValue]:
    def read(result: Result) -> OutputValue:
        return expect(result, HasMaps).maps[name]

    return read


def _alpha(result: Result) -> OutputValue:
    return expect(result, HasAlpha).alpha


def _scores(result: Result) -> OutputValue:
    return expect(result, HasScores).scores


def _mask_png(result: Result) -> OutputValue:
    return encode_mask(expect(result, HasClasses))
