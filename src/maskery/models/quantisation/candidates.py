"""The graphs that may be published, in the order in which they are tried: layers that lose most stay float."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnxruntime.quantization.calibrate import TensorsData

from maskery.core.arrays import Tensor
from maskery.core.errors import ModelError, nearest
from maskery.core.progress import Reporter
from maskery.inference.pipeline import Model
from maskery.models.quantisation.calibration import CalibrationPictures
from maskery.models.quantisation.float16 import store_half
from maskery.models.quantisation.graph import first_layers, followers, last_layers, layers
from maskery.models.quantisation.int8 import quantised, ranges
from maskery.models.quantisation.quantise_request import AUTO, FIRST, LAST, NONE, QuantiseRequest

Outputs = list[NDArray[np.generic]]


def by_sensitivity(
    model: onnx.ModelProto,
    ranges: TensorsData,
    names: Sequence[str],
    input_name: str,
    tensors: Sequence[Tensor],
    progress: Callable[[int, int], None],
) -> list[str]:
    """``names`` of layers, the most sensitive first: each is quantised alone, and the error of the network's outputs
    over ``tensors`` is measured.
    """
    expected = _outputs(model, input_name, tensors)
    errors = {}
    for i, name in enumerate(names):
        outputs = _outputs(quantised(model, ranges, only=[name]), input_name, tensors)
        errors[name] = float(np.mean([error(a, b) for a, b in zip(expected, outputs, strict=True)]))
        progress(i + 1, len(names))
    return sorted(names, key=lambda name: -errors[name])


def error(expected: NDArray[np.generic], found: NDArray[np.generic]) -> float:
    """Of scores: the square of the difference, relative to that of the scores. Of class ids: the share that differs."""
    if expected.dtype.kind in "iub":
        return float(np.mean(expected != found))
    power = float(np.mean(np.square(expected, dtype=np.float64)))
    return float(np.mean(np.square(np.subtract(found, expected, dtype=np.float64)))) / max(power, 1e-12)


def _outputs(model: onnx.ModelProto, input_name: str, tensors: Sequence[Tensor]) -> Outputs:
    """The first output for each tensor."""
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return [session.run(None, {input_name: tensor})[0] for tensor in tensors]


SENSITIVITY_PICTURES = 4
SMALLER = 0.9


@dataclass(frozen=True)
class Candidate:
    """``kept``: names of the layers that stay in float though the others do not."""

    network: onnx.ModelProto
    kept: tuple[str, ...] = ()


def fp16_candidates(plain: onnx.ModelProto, bytes_before: int) -> Iterator[Candidate]:
    """One: the weights stored as float16. Raises ``ModelError`` where that is no tenth less than ``bytes_before``."""
    network = onnx.ModelProto()
    network.CopyFrom(plain)
    store_half(network)
    if network.ByteSize() > SMALLER * bytes_before:
        raise ModelError(
            f"With weights in float16 it is no smaller: {network.ByteSize()} bytes after {bytes_before}.",
            "They are small, or in float16 already: leave it as it is, or try --to int8.",
        )
    yield Candidate(network)


def int8_candidates(
    plain: onnx.ModelProto,
    model: Model,
    pictures: CalibrationPictures,
    request: QuantiseRequest,
    scratch: Path,
    reporter: Reporter,
) -> Iterator[Candidate]:
    """Quantised but for what ``request.keep_float`` names; with "auto" then with the first layers in float too, then
    with 1, 2, 4 ... of the most sensitive ones, up to half of all.

    Float weights that are left are stored as float16. Raises ``ModelError``, ``PictureError``.
    """
    name, all_layers = model.card.input.tensor, layers(plain)
    if not all_layers:
        raise ModelError("The model has no convolution or product with weights.", "There is nothing to quantise.")
    kept = kept_nodes(plain, request.keep_float)
    found = ranges(plain, name, _counted(pictures, model, reporter), request.calibration, scratch)

    def candidate(more: Sequence[str]) -> Candidate:
        network = quantised(plain, found, {*kept, *more, *followers(plain, [*kept, *more])})
        store_half(network)
        return Candidate(network, tuple(node for node in [*kept, *more] if node in all_layers))

    yield candidate(())
    if AUTO not in request.keep_float:
        return
    first = [node for node in first_layers(plain) if node not in kept]
    if first:
        yield candidate(first)
    tensors = list(islice(pictures.tensors(model), SENSITIVITY_PICTURES))
    others = [layer for layer in all_layers if layer not in (*kept, *first)]
    progress = partial(reporter.progress, "looking for sensitive layers")
    ordered = by_sensitivity(plain, found, others, name, tensors, progress)
    count = 1
    while count <= len(all_layers) // 2:
        yield candidate([*first, *ordered[:count]])
        count *= 2


def kept_nodes(plain: onnx.ModelProto, words: Sequence[str]) -> list[str]:
    """The nodes that ``words`` mean, each once; "auto" begins with none. Raises ``ModelError``."""
    kept: dict[str, None] = {}
    for word in words:
        if word == FIRST:
            found = first_layers(plain)
        elif word == LAST:
            found = last_layers(plain)
        else:
            found = [node.name for node in plain.graph.node if word in (node.name, node.op_type)]
            if not found and word not in (NONE, AUTO):
                known = {name for node in plain.graph.node for name in (node.name, node.op_type)}
                raise ModelError(f"The network has no node and no operator {word!r}.", nearest(word, sorted(known)))
        kept.update(dict.fromkeys(found))
    return list(kept)


def _counted(pictures: CalibrationPictures, model: Model, reporter: Reporter) -> Iterator[Tensor]:
    """The pictures' tensors; reports each when it is done with."""
    total = len(pictures)
    for i, tensor in enumerate(pictures.tensors(model)):
        yield tensor
        reporter.progress(f"calibrating on {pictures.where}", i + 1, total)
