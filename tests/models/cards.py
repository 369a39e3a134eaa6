"""Cards and bytes for tests that need no real model."""

import hashlib

from maskery.core.card import Licence, ModelCard, Network
from maskery.core.card_tensors import Input, Output

DATA = bytes(range(256)) * 40
FREE = Licence(name="MIT", commercial_use=True)


def card(
    name: str = "tiny", data: bytes = DATA, url: str = "https://models.invalid/tiny.onnx", licence: Licence = FREE
) -> ModelCard:
    """A card for ``data`` as the file tiny.onnx."""
    return ModelCard(
        name=name,
        version="1",
        task="semantic",
        description="For tests.",
        networks=[Network(file="tiny.onnx", sha256=hashlib.sha256(data).hexdigest(), bytes=len(data), url=url)],
        licence=licence,
        labels=["background", "thing"],
        inputs=[Input(tensor="x", layout="NCHW", resize="stretch", size=(8, 8))],
        outputs=[Output(tensor="y", role="scores", layout="CHW")],
    )
