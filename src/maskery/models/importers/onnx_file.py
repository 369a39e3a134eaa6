"""A torch network -> one ONNX file that takes pictures as its card's input says, with the proof that both agree."""

from pathlib import Path

import msgspec
import numpy as np
import onnx
import onnxruntime as ort
from torch import nn

from maskery.core.card import ModelCard
from maskery.core.card_tensors import Input
from maskery.core.errors import ModelError, first_line
from maskery.models.download import sha256_of
from maskery.models.importers.draft import INPUT, OUTPUT, ImportSource
from maskery.models.importers.torch_onnx import Proof, both, free_sides, session_of, traced
from maskery.models.quantisation.float16 import store_half

TOLERANCE = 1e-3
MOST_BYTES = 1_900_000_000
# (height, width) that the network is traced with where any size goes; and those of the proof, beside the usual one.
EXAMPLE_HW = (96, 128)
OTHER_HW = ((128, 224), (192, 96))
LONGEST_SIDE = 8192


def bring(found: ImportSource, folder: Path, half: bool = False) -> tuple[ModelCard, tuple[str, ...]]:
    """Export into ``folder``, which is there: its card, complete, and notes on what did not go as hoped.

    The card's file lies in ``folder``; the card itself is not written. Raises ``ModelError`` where no way to give
    pictures to the network can be exported and proven.
    """
    net = found.load()
    path = folder / found.card.file
    notes: list[str] = []
    for spec in found.inputs:
        try:
            proof = export(net, path, spec, half)
        except ModelError as error:
            if spec is found.inputs[-1]:
                raise
            notes.append(f"the size is fixed: with any size, it is so: {error.message}")
            continue
        return _complete(found.card, spec, path, proof, half), tuple(notes)
    raise AssertionError("found.inputs is empty")


def _complete(card: ModelCard, spec: Input, path: Path, proof: Proof, half: bool) -> ModelCard:
    facts: dict[str, str | int | float] = {"parity_torch_onnx": proof.exact}
    if half:
        facts |= {
            "parity_after_half_storage": proof.stored,
            "classes_changed_by_half_storage": proof.changed,
        }
    exported = card.with_file(card.file, sha256_of(path), path.stat().st_size)
    return msgspec.structs.replace(exported, inputs=[spec], training=dict(card.training) | facts)


def export(net: nn.Module, path: Path, spec: Input, half: bool) -> Proof:
    """Write ``net``, (N, 3, H, W) float32 -> (N, C, h, w), to ``path``: input ``image``, output ``scores``.

    Batch and both sides are dynamic unless ``spec`` has a fixed size. With ``half`` the weights are stored as float16
    and widened when the model is loaded. Raises ``ModelError`` where torch cannot trace the network, where it is too
    large for one file, and where ONNX Runtime's scores differ from torch's at any size tried: by more than
    ``TOLERANCE``, or that share of the largest score where it is above 1. What ``half`` rounds off is not counted.
    """
    net = net.eval()
    if sum(p.numel() for p in net.parameters()) * 4 > MOST_BYTES:
        raise ModelError("The network has more than 1.9 GB of weights.", "One ONNX file cannot hold them.")
    model = _traced(net, spec)
    exact, _ = compare(net, model, spec)
    if not exact <= TOLERANCE:  # also where it is no number
        raise ModelError(f"Torch and ONNX Runtime differ by {exact:.2g}.", f"The tolerance is {TOLERANCE:g}.")
    if half:
        store_half(model)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    stored, changed = compare(net, model, spec) if half else (exact, 0.0)
    return Proof(exact, stored, changed)


def usual_hw(spec: Input) -> tuple[int, int]:
    """(height, width) of what the network is usually given; of a free size, the square one."""
    if spec.size:
        return spec.size[1], spec.size[0]
    side = spec.multiple * max(1, round((spec.side or EXAMPLE_HW[1]) / spec.multiple))
    return side, side


def _traced(net: nn.Module, spec: Input) -> onnx.ModelProto:
    shapes = None if spec.fixed else free_sides(spec.multiple, LONGEST_SIDE)
    try:
        return traced(net, _example(spec), (INPUT, OUTPUT), shapes)
    except Exception as error:  # the tracer's exceptions share no base class
        raise ModelError(
            f"Torch cannot export it: {_cause(error)}", "docs/models.md says what is known to work."
        ) from error


def _example(spec: Input) -> tuple[int, int, int, int]:
    if spec.fixed:
        return (1, 3, *usual_hw(spec))
    height, width = (_multiple(side, spec.multiple) for side in EXAMPLE_HW)
    return 2, 3, height, width


def _multiple(side: int, of: int) -> int:
    """The least multiple that is at least ``side``."""
    return -(-side // of) * of


def compare(net: nn.Module, model: onnx.ModelProto, spec: Input) -> tuple[float, float]:
    """(largest difference of scores, in units of the largest score where that is above 1; share of positions with
    another best class), over random pictures of the usual size and, where the size is free, two others."""
    try:
        session = session_of(model)
        differences = [_differences(net, session, size_hw) for size_hw in _proof_sizes(spec)]
    except ModelError:
        raise
    except Exception as error:  # ONNX Runtime's exceptions share no base class
        raise ModelError(f"It cannot be run: {_cause(error)}", "Try a fixed size.") from error
    # numpy's maximum, unlike Python's, keeps what is no number.
    return float(np.max([d for d, _ in differences])), float(np.mean([c for _, c in differences]))


def _proof_sizes(spec: Input) -> list[tuple[int, int]]:
    others = [] if spec.fixed else [(_multiple(h, spec.multiple), _multiple(w, spec.multiple)) for h, w in OTHER_HW]
    return [*others, usual_hw(spec)]


def _differences(net: nn.Module, session: ort.InferenceSession, size_hw: tuple[int, int]) -> tuple[float, float]:
    image = np.random.default_rng(0).normal(0, 1, (1, 3, *size_hw)).astype(np.float32)
    ours, theirs = both(net, session, image)
    if ours.shape != theirs.shape:
        raise ModelError(f"Torch gives {ours.shape}, ONNX Runtime {theirs.shape} for {size_hw}.", "Try a fixed size.")
    scale = max(1.0, float(np.abs(ours).max()))
    return float(np.abs(ours - theirs).max()) / scale, float((ours.argmax(1) != theirs.argmax(1)).mean())


def _cause(error: BaseException) -> str:
    """Of what lies at the bottom: the exporter wraps its errors in advice on how to report them."""
    while error.__cause__:
        error = error.__cause__
    return first_line(error)
