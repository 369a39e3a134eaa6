"""The few lines that demos write around a model file: the same for every peer and for the bare loop.

Needs Pillow, NumPy and ONNX Runtime alone, so that it runs in the peers' own environment.
"""

import io
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from PIL import Image

SPEC = "PEER_SPEC"
"""Environment variable: the JSON file of the ``Spec`` that a peer serves."""


@dataclass(frozen=True)
class Spec:
    """What a demo has as constants. ``size_wh`` is stretched to; without it the longest side becomes ``side``.

    ``axes``: the output's without the batch, CHW or HWC. ``palette``: red, green, blue of every class, flat, 0..255.
    """

    model: str
    tensor: str
    layout: str
    axes: str
    mean: list[float]
    std: list[float]
    palette: list[int]
    size_wh: list[int] | None = None
    side: int = 0
    multiple: int = 1

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")

    def working_wh(self, size_wh: tuple[int, int]) -> tuple[int, int]:
        """(width, height) in pixels of what the model sees of a picture of ``size_wh``."""
        if self.size_wh is not None:
            return self.size_wh[0], self.size_wh[1]
        scale = self.side / max(size_wh) / self.multiple
        width, height = (max(1, int(side * scale + 0.5)) * self.multiple for side in size_wh)
        return width, height


class Plain:
    """One session with ONNX Runtime's defaults. Thread-safe."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.session = ort.InferenceSession(spec.model, providers=["CPUExecutionProvider"])

    @classmethod
    def from_environment(cls) -> "Plain":
        """The model that ``PEER_SPEC`` names."""
        return cls(Spec(**json.loads(Path(os.environ[SPEC]).read_text(encoding="utf-8"))))

    def scores(self, picture: Image.Image) -> NDArray[np.float32]:
        """RGB picture -> scores, (C, h, w) or (h, w, C) as the model gives them."""
        small = np.asarray(picture.resize(self.spec.working_wh(picture.size), Image.Resampling.BILINEAR), np.float32)
        tensor = (small - np.asarray(self.spec.mean, np.float32)) / np.asarray(self.spec.std, np.float32)
        if self.spec.layout == "NCHW":
            tensor = tensor.transpose(2, 0, 1)
        found: NDArray[np.float32] = self.session.run(None, {self.spec.tensor: tensor[None]})[0][0]
        return found

    def mask(self, picture: Image.Image) -> Image.Image:
        """RGB picture -> class ids in the picture's own size, with a palette: decided first, enlarged by nearest."""
        ids = self.scores(picture).argmax(self.spec.axes.index("C")).astype(np.uint8)
        mask = Image.fromarray(ids).resize(picture.size, Image.Resampling.NEAREST)
        mask.putpalette(self.spec.palette)
        return mask

    def png(self, data: bytes) -> bytes:
        """The bytes of a picture -> those of its mask: the bare loop."""
        file = io.BytesIO()
        self.mask(Image.open(io.BytesIO(data)).convert("RGB")).save(file, "PNG")
        return file.getvalue()
