from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from torch import Tensor, nn

from maskery.core.card import Licence
from maskery.core.card_tensors import Input
from maskery.core.errors import ModelError
from maskery.models.importers.draft import ImportSource, SourceFacts, draft
from maskery.models.importers.onnx_file import bring, export

FREE = Input(tensor="image", layout="NCHW", resize="longest-side", side=64, multiple=32)
FIXED = Input(tensor="image", layout="NCHW", resize="stretch", size=(96, 64))


class Net(nn.Module):
    """Logits of an eighth of the size."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(nn.Conv2d(3, 64, 3, 8, 1), nn.ReLU(), nn.Conv2d(64, 4, 3, 1, 1))

    def forward(self, image: Tensor) -> Tensor:
        scores: Tensor = self.layers(image)
        return scores


class Square(Net):
    """It has the number of columns of its example baked in, as networks with position tables do."""

    def forward(self, image: Tensor) -> Tensor:
        return super().forward(image) + torch.arange(12)


class Unsure(Net):
    def forward(self, image: Tensor) -> Tensor:
        return super().forward(image) * float("nan")


def run(path: Path, shape: tuple[int, ...]) -> tuple[int, ...]:
    scores = ort.InferenceSession(path).run(["scores"], {"image": np.zeros(shape, np.float32)})[0]
    return tuple(scores.shape)


def test_any_size_and_half(tmp_path: Path) -> None:
    path = tmp_path / "half.onnx"
    proof = export(Net(), path, FREE, half=True)
    assert proof.exact < 1e-5 < proof.stored < 1e-2
    assert proof.changed < 0.05
    assert run(path, (2, 3, 96, 160)) == (2, 4, 12, 20)
    weights = sum(parameter.numel() for parameter in Net().parameters())
    assert path.stat().st_size < 3 * weights
    assert str(Path(__file__).parent) not in str(onnx.load(str(path)))


def test_where_any_size_fails_it_is_fixed_and_said(tmp_path: Path) -> None:
    mit = Licence(name="MIT", commercial_use=True)
    card = draft(
        SourceFacts(name="square", version="1", description="", values="logits", origin={}), list("abcd"), mit, FREE, ""
    )
    done, notes = bring(ImportSource(card, (FREE, FIXED), lambda: Square(), ()), tmp_path)
    assert done.input == FIXED
    assert len(notes) == 1
    assert notes[0].startswith("the size is fixed: ")
    assert done.bytes == (tmp_path / "square.onnx").stat().st_size
    assert done.training["parity_torch_onnx"] < 1e-5  # type: ignore[operator]
    assert run(tmp_path / "square.onnx", (1, 3, 64, 96)) == (1, 4, 8, 12)


def test_no_number_is_no_proof(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="differ by nan"):
        export(Unsure(), tmp_path / "net.onnx", FIXED, half=False)
    assert not (tmp_path / "net.onnx").exists()


def test_what_is_too_large_for_one_file(tmp_path: Path) -> None:
    with torch.device("meta"):
        huge = nn.Linear(1 << 15, 1 << 14)
    with pytest.raises(ModelError, match=r"1\.9 GB"):
        export(huge, tmp_path / "net.onnx", FIXED, half=False)
