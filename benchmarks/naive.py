"""What one writes without Maskery, on the same model file: two baselines."""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.peers.plain import Plain, Spec
from maskery.core.card import ModelCard


@dataclass(frozen=True)
class Naive:
    """Pillow decodes and resizes the whole picture, ONNX Runtime runs with its defaults, Pillow saves the PNG."""

    plain: Plain

    @classmethod
    def load(cls, card: ModelCard, path: Path) -> "Naive":
        return cls(Plain(spec_of(card, path)))

    def smooth(self, data: bytes) -> bytes:
        """All scores enlarged bilinearly to the picture's own size, then decided: the mask that Maskery gives."""
        picture = Image.open(io.BytesIO(data)).convert("RGB")
        scores = np.moveaxis(self.plain.scores(picture), self.plain.spec.axes.index("C"), 0)
        best = _enlarged(scores[0], picture.size).copy()
        ids = np.zeros(best.shape, np.uint8)
        # Keeping the best so far is kinder than stacking 21 planes (1 GB) for one argmax: faster, and the same.
        for number, plane in enumerate(scores[1:], start=1):
            values = _enlarged(plane, picture.size)
            ids[values > best] = number
            np.maximum(best, values, out=best)
        return self._png(ids)

    def stairs(self, data: bytes) -> bytes:
        """Decided at the model's size, the ids enlarged by nearest neighbour, as demos do it."""
        return self.plain.png(data)

    def _png(self, ids: NDArray[np.uint8]) -> bytes:
        picture, file = Image.fromarray(ids), io.BytesIO()
        picture.putpalette(self.plain.spec.palette)
        picture.save(file, "PNG")
        return file.getvalue()


def spec_of(card: ModelCard, path: Path) -> Spec:
    """The card as the constants of a demo. Raises ``ValueError`` for one that the plain way does not know."""
    spec, axes = card.input, card.output.layout
    known = spec.resize in ("stretch", "longest-side") and spec.dtype == "float32" and spec.channels == "RGB"
    if card.task != "semantic" or not known or axes not in ("CHW", "HWC"):
        raise ValueError(f"the plain way does not know the input or output of {card.name}")
    return Spec(
        model=str(path),
        tensor=spec.tensor,
        layout=spec.layout,
        axes=axes,
        mean=[*spec.mean],
        std=[*spec.std],
        palette=[value for colour in card.colours for value in colour],
        size_wh=[*spec.size] if spec.size else None,
        side=spec.side or 0,
        multiple=spec.multiple,
    )


def _enlarged(plane: NDArray[np.float32], size_wh: tuple[int, int]) -> NDArray[np.float32]:
    return np.asarray(Image.fromarray(np.ascontiguousarray(plane)).resize(size_wh, Image.Resampling.BILINEAR))
