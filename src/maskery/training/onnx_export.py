"""A network -> ONNX file, with the proof that torch and ONNX Runtime agree."""

from pathlib import Path

import numpy as np
import onnx
import torch

from maskery.core.errors import TrainingError
from maskery.core.files import writing
from maskery.models.importers.torch_onnx import Proof, both, free_sides, scale_by_constants, session_of, traced
from maskery.models.quantisation.float16 import store_half
from maskery.training.networks.base import Net

INPUT, OUTPUT = "image", "logits"
TOLERANCE = 1e-3
# (batch, 3, height, width) of the example that the exporter sees; of the proof it is none.
EXAMPLE = (2, 3, 256, 320)
LONGEST_SIDE = 16_384


def proof_sizes(multiple: int) -> list[tuple[int, int, int]]:
    """(batch, height, width): square, wide, tall, and a small one that only this ``multiple`` allows."""
    return [(1, 256, 256), (1, 192, 320), (1, 416, 288), (2, 5 * multiple, 3 * multiple)]


def export_onnx(net: Net, path: Path, half: bool = True, tolerance: float = TOLERANCE) -> Proof:
    """Write ``net`` to ``path``: input ``image`` (N, 3, H, W) normalised float32, output ``logits`` as ``Net`` says.

    Batch, height and width are free, the sides in multiples of ``net.multiple``. With ``half`` the weights are stored
    as float16 and widened when the model is loaded: half the bytes, arithmetic stays float32. Raises ``TrainingError``
    when torch and ONNX Runtime differ before that rounding by more than ``tolerance``, or that share of the largest
    logit where it is above 1, and when the disk refuses.
    """
    net = net.eval()
    if not all(torch.isfinite(value).all() for value in net.state_dict().values()):
        raise TrainingError("The network has weights that are not finite.", "Export an earlier checkpoint.")
    model = traced(net, EXAMPLE, (INPUT, OUTPUT), free_sides(net.multiple, LONGEST_SIDE))
    scale_by_constants(model, INPUT, net.multiple)
    exact, changed, largest = _compare(net, model)
    if not exact <= tolerance * max(1.0, largest):
        raise TrainingError(
            f"Torch and ONNX Runtime differ by {exact:.2g} in logits of up to {largest:.2g}, by more than "
            f"{tolerance:g} of them; {changed:.2%} of the positions have another class.",
            "Look at the loss of the run, and at the versions of torch and onnxruntime.",
        )
    if half:
        store_half(model)
    onnx.checker.check_model(model, full_check=True)
    with writing(path):
        onnx.save(model, str(path))
    stored, changed, _ = _compare(net, onnx.load(str(path)))
    return Proof(exact, stored, changed)


def _compare(net: Net, model: onnx.ModelProto) -> tuple[float, float, float]:
    """(largest difference of logits, share of positions with another best class, largest logit of torch)."""
    session = session_of(model)
    rng = np.random.default_rng(0)
    differences, changed, largest = [], [], []
    for batch, height, width in proof_sizes(net.multiple):
        ours, theirs = both(net, session, rng.normal(0, 0.5, (batch, 3, height, width)).astype(np.float32))
        with np.errstate(invalid="ignore"):  # infinite logits: their difference is not a number, which is refused
            differences.append(np.abs(ours - theirs).max())
        changed.append((ours.argmax(1) != theirs.argmax(1)).mean())
        largest.append(np.abs(ours).max())
    # numpy's maximum, unlike Python's, keeps a NaN.
    return float(np.max(differences)), float(np.mean(changed)), float(np.max(largest))
