"""What was found at a source -> a folder with an ONNX file and its card."""

from pathlib import Path

import msgspec

from maskery.core.card import Input, ModelCard
from maskery.core.errors import ModelError
from maskery.models.download import sha256_of
from maskery.models.importers.draft import ImportSource
from maskery.models.importers.onnx_file import export
from maskery.models.importers.torch_onnx import Proof


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
