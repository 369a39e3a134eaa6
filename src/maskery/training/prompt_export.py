"""The networks of ``prompt`` -> ONNX files, with the proof that torch and ONNX Runtime agree."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import torch
from torch import Tensor

from maskery.core.errors import TrainingError
from maskery.core.files import writing
from maskery.models.importers.torch_onnx import OPSET, Proof, forget_origin, quiet, session_of
from maskery.models.quantisation.float16 import store_half
from maskery.training.networks.prompt_decoder import PROMPT_MAPS, PROMPT_STRIDE, STRIDES, PromptDecoder, PromptNet
from maskery.training.onnx_export import TOLERANCE

MAPS = tuple(f"map{stride}" for stride in STRIDES)
PROMPTS, MASKS, SCORES = "prompts", "masks", "mask_scores"
MOST = 64
EXAMPLE = (2, 5, 7)
"""Prompts, and height and width of the window in 32 pixels, that the exporter sees."""
PROOFS = ((1, 1, 10, 10), (1, 3, 6, 6), (4, 4, 3, 5))
"""Windows, prompts, height and width in 32 pixels: many prompts in one window, and one in each of many."""


def export_prompt(net: PromptNet, encoder: Path, decoder: Path, half: bool = True) -> Proof:
    """Write both networks.

    The encoder's inputs and outputs are those of ``FrozenEncoder``. The decoder takes ``map2`` to ``map16`` of one
    window or of as many as there are prompts, and ``prompts``; it gives ``masks`` and ``mask_scores``
    (``PromptDecoder``). Raises ``TrainingError`` where torch and ONNX Runtime differ, and when the disk refuses.
    """
    net = net.eval()
    channels = net.backbone.channels
    model = _traced(net.decoder, channels)
    exact, _ = _compare(net.decoder, channels, model)
    if not exact <= TOLERANCE:
        raise TrainingError(
            f"Torch and ONNX Runtime differ by {exact:.2g} in the logits, more than {TOLERANCE:g}.",
            "Very large weights do that: look at the loss of the run.",
        )
    if half:
        store_half(model)
    onnx.checker.check_model(model, full_check=True)
    with writing(decoder):
        onnx.save(model, str(decoder))
        onnx.save(net.encoder.model, str(encoder))
    return Proof(exact, *_compare(net.decoder, channels, model))


def _traced(decoder: PromptDecoder, channels: tuple[int, ...]) -> onnx.ModelProto:
    """Traced for one window; since no shape of a map is written into the graph, it serves several as well."""
    prompts, rows, columns = EXAMPLE
    height, width = (torch.export.Dim(name, min=1, max=MOST) for name in ("height", "width"))
    shapes = [{2: height * (32 // stride), 3: width * (32 // stride)} for stride in (*STRIDES, PROMPT_STRIDE)]
    shapes[-1] = {0: torch.export.Dim("prompts", min=1, max=1024), **shapes[-1]}
    with quiet(), torch.no_grad():
        program = torch.onnx.export(
            decoder,
            _inputs(channels, (1, prompts, rows, columns), None),
            input_names=[*MAPS, PROMPTS],
            output_names=[MASKS, SCORES],
            dynamic_shapes=tuple(shapes),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    forget_origin(model)
    del model.graph.value_info[:]
    for value in model.graph.input:
        if value.name in MAPS:
            value.type.tensor_type.shape.dim[0].dim_param = "windows"
    return model


def _inputs(channels: tuple[int, ...], size: tuple[int, int, int, int], seed: int | None) -> tuple[Tensor, ...]:
    """Maps and prompts of ``size`` as ``PROOFS`` has it: random, or zeros without a seed."""
    windows, prompts, rows, columns = size
    shapes = [(windows, c, rows * 32 // s, columns * 32 // s) for c, s in zip(channels, STRIDES, strict=True)]
    shapes.append((prompts, PROMPT_MAPS, rows * 32 // PROMPT_STRIDE, columns * 32 // PROMPT_STRIDE))
    if seed is None:
        return tuple(torch.zeros(shape) for shape in shapes)
    source = torch.Generator().manual_seed(seed)
    *maps, asked = (torch.randn(shape, generator=source) for shape in shapes)
    return (*maps, asked.clamp(0, 1))


def _compare(decoder: PromptDecoder, channels: tuple[int, ...], model: onnx.ModelProto) -> tuple[float, float]:
    """The largest difference of logits and scores, and the share of pixels that change sides."""
    session: ort.InferenceSession = session_of(model)
    differences, changed = [], []
    for seed, size in enumerate(PROOFS):
        inputs = _inputs(channels, size, seed)
        with torch.inference_mode():
            ours = [one.numpy() for one in decoder(*inputs)]
        named = {name: one.numpy() for name, one in zip((*MAPS, PROMPTS), inputs, strict=True)}
        theirs = session.run([MASKS, SCORES], named)
        differences += [np.abs(a - b).max() for a, b in zip(ours, theirs, strict=True)]
        changed.append(((ours[0] > 0) != (theirs[0] > 0)).mean())
    return float(np.max(differences)), float(np.mean(changed))
