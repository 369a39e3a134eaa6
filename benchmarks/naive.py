"""What one writes without Maskery, on the same model file: two baselines."""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from PIL import Image

from maskery.engine import preprocess
from maskery.model_card import ModelCard


@dataclass(frozen=True)
class Naive:
    """Pillow decodes and resizes the whole picture, ONNX Runtime runs with its defaults, Pillow saves the PNG."""

    card: ModelCard
    session: ort.InferenceSession

    @classmethod
    def load(cls, card: ModelCard, path: Path) -> "Naive":
        return cls(card, ort.InferenceSession(path))

    def smooth(self, data: bytes) -> bytes:
        """All scores enlarged bilinearly to the picture's own size, then decided: the mask that Maskery gives."""
        scores, size_wh = self._scores(data)
        best = _enlarged(scores[0], size_wh).copy()
        ids = np.zeros(best.shape, np.uint8)
        # Keeping the best so far is kinder than stacking 21 planes (1 GB) for one argmax: faster, and the same.
        for number, plane in enumerate(scores[1:], start=1):
            values = _enlarged(plane, size_wh)
            ids[values > best] = number
            np.maximum(best, values, out=best)
        return self._png(ids)

    def stairs(self, data: bytes) -> bytes:
        """Decided at the model's size, the ids enlarged by nearest neighbour, as demos do it."""
        scores, size_wh = self._scores(data)
        ids = Image.fromarray(scores.argmax(0).astype(np.uint8))
        return self._png(np.asarray(ids.resize(size_wh, Image.Resampling.NEAREST)))

    def _scores(self, data: bytes) -> tuple[NDArray[np.float32], tuple[int, int]]:
        """(C, h, w) and the picture's (width, height)."""
        spec = self.card.input
        picture = Image.open(io.BytesIO(data)).convert("RGB")
        working = preprocess.place(picture.size, spec).working_wh
        small = np.asarray(picture.resize(working, Image.Resampling.BILINEAR), np.float32)
        mean, std = (np.asarray(numbers, np.float32) for numbers in (spec.mean, spec.std))
        tensor = ((small - mean) / std).transpose(2, 0, 1)[None]
        scores: NDArray[np.float32] = self.session.run(None, {spec.tensor: tensor})[0][0]
        return scores, picture.size

    def _png(self, ids: NDArray[np.uint8]) -> bytes:
        picture, file = Image.fromarray(ids), io.BytesIO()
        picture.putpalette([value for colour in self.card.colours for value in colour])
        picture.save(file, "PNG")
        return file.getvalue()


def _enlarged(plane: NDArray[np.float32], size_wh: tuple[int, int]) -> NDArray[np.float32]:
    return np.asarray(Image.fromarray(plane).resize(size_wh, Image.Resampling.BILINEAR))
