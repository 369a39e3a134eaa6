"""Made-up models for pictures of made-up faces: a red square with a blue one in its middle, on black."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import numpy_helper

from maskery.core.card import ModelCard
from maskery.inference.faces.detector import FaceDetector
from maskery.inference.faces.model import Cascade
from maskery.inference.runtimes.registry import open_session
from maskery.models.card_toml import card_text, load_card, parse_card
from tests.models import tiny_nets

RED, BLUE = (255, 0, 0), (0, 0, 255)
LABELS = ["background", "skin", "nose"]
DETECTOR: dict[str, Any] = {"model": "spots", "label": "face", "marked": 0.5, "margin": 0.25}


def scene(size_wh: tuple[int, int], *boxes: tuple[int, int, int]) -> NDArray[np.uint8]:
    """(H, W, 3): faces at (left, top, side), sides multiples of 4; the last ones lie over the others."""
    picture = np.zeros((size_wh[1], size_wh[0], 3), np.uint8)
    for left, top, side in boxes:
        for start, end, colour in ((0, side, RED), (side // 4, 3 * side // 4, BLUE)):
            rows, columns = (slice(max(0, first + start), max(0, first + end)) for first in (top, left))
            picture[rows, columns] = colour
    return picture


def truth(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W): the class ids of a ``scene``."""
    return ((picture[..., 0] > 127) * 1 + (picture[..., 2] > 127) * 2).astype(np.uint8)


def write(folder: Path, **detector: Any) -> Path:
    """The two models as folders in a cache, ``models/spots`` and ``models/parts``; returns that of the parts."""
    spots, parts = folder / "models" / "spots", folder / "models" / "parts"
    # A face is where there is more blue than red, a skin where there is more red than blue; one score a class.
    _write(spots, ["background", "face"], [[0, 0, 0, 0.4], [-1, 0, 1, 0]], "longest-side", 128)
    _write(parts, LABELS, [[0, 0, 0, 0.4], [1, 0, -1, 0], [-1, 0, 1, 0]], "square", 64, DETECTOR | detector)
    return parts


def cascade(folder: Path, **detector: Any) -> Cascade:
    """Both together."""
    write(folder, **detector)
    cards = [_card(folder / "models" / name) for name in ("spots", "parts")]
    sessions = [open_session(card, folder / "models" / card.name / card.file, "cpu", 1) for card in cards]
    spec = cards[1].detector
    assert spec is not None
    return Cascade(cards[1], sessions[1], detector=FaceDetector(spec, cards[0], sessions[0]))


def _card(folder: Path) -> ModelCard:
    return load_card(folder / "model.toml")


def _write(
    folder: Path,
    labels: list[str],
    rows: list[list[float]],
    resize: str,
    side: int,
    detector: dict[str, Any] | None = None,
) -> None:
    """A model whose score of each class is a sum of red, green and blue (0..1) and a constant, times ten."""
    folder.mkdir(parents=True)
    file = folder / f"{folder.name}.onnx"
    values = np.array(rows, np.float32) * 10
    nodes = [
        tiny_nets.constant("mix", numpy_helper.from_array(values[:, :3, None, None].copy())),
        tiny_nets.constant("add", numpy_helper.from_array(values[:, 3].copy())),
        tiny_nets.node("Conv", "x mix add", "y"),
    ]
    tiny_nets.save(file, (1, 3, "height", "width"), nodes)
    network = {"file": file.name, "sha256": hashlib.sha256(file.read_bytes()).hexdigest(), "bytes": file.stat().st_size}
    card = {
        "name": folder.name, "version": "1", "task": "semantic", "description": "Made up.", "networks": [network],
        "licence": {"name": "MIT", "commercial_use": True}, "labels": labels,
        "inputs": [{
            "tensor": "x", "layout": "NCHW", "resize": resize, "side": side, "multiple": 16, "std": [255, 255, 255],
            "pad_value": 0, "max_side": 512,
        }],
        "outputs": [{"tensor": "y", "role": "scores", "layout": "CHW"}],
    } | ({"detector": detector} if detector else {})  # fmt: skip
    (folder / "model.toml").write_text(card_text(parse_card(card, "made up")), encoding="utf-8")
