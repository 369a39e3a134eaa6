"""Cards of models of objects, without weights."""

from collections.abc import Mapping
from typing import Any

from maskery.core.card import ModelCard
from maskery.models.card_toml import parse_card

LABELS = ["cat", "dog", "car"]


def object_card(task: str, outputs: Mapping[str, tuple[str, str]], objects: Mapping[str, Any]) -> ModelCard:
    """``outputs``: tensor -> (role, layout). ``objects``: those of the card, and ``values`` of its outputs."""
    spec = dict(objects)
    values = spec.pop("values", "probabilities" if spec["reader"] in ("distances", "grid") else "logits")
    return parse_card(
        {
            "name": "toy",
            "version": "1",
            "task": task,
            "description": "a toy",
            "labels": LABELS,
            "licence": {"name": "MIT", "commercial_use": True},
            "networks": [{"file": "toy.onnx", "sha256": "0" * 64, "bytes": 1}],
            "inputs": [
                {"tensor": "x", "layout": "NCHW", "resize": "letterbox", "size": [64, 32]},
            ],
            "outputs": [
                {"tensor": name, "role": role, "layout": layout, "values": values}
                for name, (role, layout) in outputs.items()
            ],
            "objects": spec,
        },
        "toy",
    )
