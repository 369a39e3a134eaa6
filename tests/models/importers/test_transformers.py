"""Every kind of model: what is served is what transformers' own pipeline gives at the same working size."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from maskery.core.picture.decode import open_picture
from maskery.inference.pipeline import load_model
from maskery.models.importers import hf
from maskery.models.importers.draft import ImportRequest
from maskery.models.importers.hub import snapshot
from maskery.models.importers.onnx_file import bring
from tests.material import encoded, photo
from tests.models.importers import folders

# Square, so that cut-outs and paddings of the processors take nothing away and add nothing.
SIDE = 160
FREE = ("segformer", "mobilenet_v2")


@pytest.fixture(autouse=True, scope="module")
def traced_once() -> Iterator[None]:
    with folders.traced_once():
        yield


@pytest.mark.slow
@pytest.mark.parametrize("kind", list(folders.MAKERS))
def test_served_mask_is_that_of_transformers(kind: str, tmp_path: Path) -> None:
    net = folders.save(kind, tmp_path / kind)
    found = hf.find(snapshot(str(tmp_path / kind)), ImportRequest())
    card, _ = bring(found, tmp_path)
    assert card.training["parity_torch_onnx"] < 1e-3  # type: ignore[operator]
    assert card.input.fixed == (kind not in FREE)
    picture = encoded(photo("astronaut"), "PNG", (SIDE, SIDE))
    served = load_model(card, tmp_path / card.file).run(open_picture(picture, max_bytes=1 << 20, max_pixels=1 << 20))
    theirs = reference(net, tmp_path / kind)
    assert len(np.unique(theirs)) > 1
    assert (served.class_map == theirs).mean() > 0.99  # type: ignore[union-attr]


def reference(net: torch.nn.Module, folder: Path) -> np.ndarray:
    """The class map (SIDE, SIDE) by transformers alone."""
    from transformers import AutoImageProcessor

    processor = AutoImageProcessor.from_pretrained(folder, backend="pil")
    image = Image.fromarray(photo("astronaut")).resize((SIDE, SIDE))
    values = processor(image, return_tensors="pt")
    with torch.inference_mode():
        answer = net(pixel_values=values["pixel_values"])
    result: np.ndarray = processor.post_process_semantic_segmentation(answer, target_sizes=[(SIDE, SIDE)])[0].numpy()
    return result
