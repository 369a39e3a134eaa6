"""A run of a detection head -> the folder of a model: encoder and head, proven against torch, and their card."""

import hashlib
import shutil
from pathlib import Path

import numpy as np
import onnx
import torch

from maskery.core.card import CARD_NAME, Licence, ModelCard, Network, Objects
from maskery.core.card_tensors import Input, Output, OutputRole
from maskery.core.errors import TrainingError
from maskery.core.files import writing
from maskery.models.card_toml import card_text
from maskery.models.importers.torch_onnx import OPSET, Proof, forget_origin, quiet, session_of
from maskery.models.quantisation.float16 import store_half
from maskery.training.detection.detection_head import STRIDES, DetectionHead, WholeHead
from maskery.training.detection.detection_recipe import DetectionRecipe
from maskery.training.detection.map_cache import MAPS
from maskery.training.onnx_export import TOLERANCE

ENCODER, HEAD = "encoder.onnx", "head.onnx"
IMAGE = "image"
OUTPUTS = [f"{kind}{stride}" for stride in STRIDES for kind in ("scores", "distances")]
MAP_STRIDES = (4, 8, 16)
MOST = 64
EXAMPLE, PROOFS = (2, 3, 4), ((1, 10, 10), (2, 3, 5))
"""Batch, height and width in 32 pixels."""
OVERLAP = 0.6


def publish_detector(
    recipe: DetectionRecipe, head: DetectionHead, channels: tuple[int, int, int], steps: int, folder: Path
) -> ModelCard:
    """Write the card and both networks into ``folder``, which is there.

    ``channels``: of the encoder's maps at the strides 4, 8 and 16. Raises ``TrainingError`` where torch and ONNX
    Runtime differ, ``OutputError`` when the disk refuses.
    """
    with writing(folder):
        shutil.copyfile(recipe.encoder.file, folder / ENCODER)
    proof = export_head(head, channels, folder / HEAD, recipe.publish.half)
    card = _card(recipe, folder, {"steps": steps, "parity_torch_onnx": proof.exact, "parity_stored": proof.stored})
    with writing(folder):
        (folder / CARD_NAME).write_text(card_text(card), encoding="utf-8")
    return card


def export_head(head: DetectionHead, channels: tuple[int, int, int], path: Path, half: bool = True) -> Proof:
    """Write ``head`` with the outputs of ``WholeHead``; batch, height and width are free."""
    net = WholeHead(head.eval()).eval()
    model = _traced(net, channels)
    exact, _ = _compare(net, channels, model)
    if not exact <= TOLERANCE:
        raise TrainingError(
            f"Torch and ONNX Runtime differ by {exact:.2g}, more than {TOLERANCE:g}.", "Look at the loss of the run."
        )
    if half:
        store_half(model)
    onnx.checker.check_model(model, full_check=True)
    with writing(path):
        onnx.save(model, str(path))
    return Proof(exact, *_compare(net, channels, model))


def _traced(net: WholeHead, channels: tuple[int, int, int]) -> onnx.ModelProto:
    batch = torch.export.Dim("batch", min=1, max=MOST)
    height, width = (torch.export.Dim(name, min=1, max=MOST) for name in ("height", "width"))
    shapes = tuple({0: batch, 2: height * (32 // s), 3: width * (32 // s)} for s in MAP_STRIDES)
    with quiet(), torch.no_grad():
        program = torch.onnx.export(
            net,
            _maps(channels, EXAMPLE, None),
            input_names=list(MAPS),
            output_names=OUTPUTS,
            dynamic_shapes=shapes,
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    forget_origin(model)
    return model


def _maps(channels: tuple[int, int, int], size: tuple[int, int, int], seed: int | None) -> tuple[torch.Tensor, ...]:
    batch, rows, columns = size
    shapes = [(batch, c, rows * 32 // s, columns * 32 // s) for c, s in zip(channels, MAP_STRIDES, strict=True)]
    if seed is None:
        return tuple(torch.zeros(shape) for shape in shapes)
    source = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(shape, generator=source) for shape in shapes)


def _compare(net: WholeHead, channels: tuple[int, int, int], model: onnx.ModelProto) -> tuple[float, float]:
    """The largest difference of the outputs, and the share of places whose likeliest class is another."""
    session, differences, changed = session_of(model), list[float](), list[float]()
    for seed, size in enumerate(PROOFS):
        maps = _maps(channels, size, seed)
        with torch.inference_mode():
            ours = [one.numpy() for one in net(*maps)]
        theirs = session.run(OUTPUTS, {name: one.numpy() for name, one in zip(MAPS, maps, strict=True)})
        differences += [float(np.abs(a - b).max()) for a, b in zip(ours, theirs, strict=True)]
        changed.append(float((ours[0].argmax(2) != theirs[0].argmax(2)).mean()))
    return max(differences), float(np.mean(changed))


def _card(recipe: DetectionRecipe, folder: Path, training: dict[str, str | int | float]) -> ModelCard:
    said, encoder, side = recipe.publish, recipe.encoder, recipe.data.side
    roles: tuple[tuple[str, OutputRole], ...] = (("scores", "object-scores"), ("distances", "object-boxes"))
    outputs = [
        Output(tensor=f"{kind}{stride}", role=role, layout="NC", values="probabilities")
        for stride in STRIDES
        for kind, role in roles
    ]
    return ModelCard(
        name=recipe.name,
        version=recipe.version,
        task="instance" if said.masks else "detection",
        description=said.description,
        licence=Licence(name=said.licence, commercial_use=said.commercial_use, note=said.licence_note),
        labels=recipe.data.labels,
        networks=[
            _network("encoder", folder / ENCODER, [IMAGE], list(MAPS)),
            _network("head", folder / HEAD, list(MAPS), OUTPUTS),
        ],
        inputs=[
            Input(
                tensor=IMAGE,
                layout="NCHW",
                resize="letterbox",
                size=(side, side),
                mean=(encoder.mean,) * 3,
                std=(encoder.std,) * 3,
                pad_value=encoder.pad_value,
            )
        ],
        outputs=outputs,
        objects=Objects(reader="distances", strides=list(STRIDES), masks=said.masks, score=said.score, overlap=OVERLAP),
        training=training,
    )


def _network(name: str, path: Path, inputs: list[str], outputs: list[str]) -> Network:
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    return Network(file=path.name, sha256=digest, bytes=len(data), name=name, inputs=inputs, outputs=outputs)
