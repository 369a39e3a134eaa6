"""Makes the soft labels of recipes/everyday.toml: what a larger data set's model thinks of each training picture.

    pip install 'maskery[train,tflite]'
    maskery models pull deeplabv3-mobilenetv2-voc-513
    python recipes/everyday_teacher.py ../shared/data runs/everyday-teacher

The teacher (Apache-2.0) answers with classes; its logits, before they are enlarged, are an inner tensor of the file, of
one position for every 16 pixels of the 513 that it sees. They are those of the whole picture and of its mirror image,
averaged. The same input gives the same files.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray
from PIL import Image
from torch.nn import functional as F

from maskery.core.labels import VOC
from maskery.core.settings import load_settings
from maskery.datasets.base import SegmentationData, read_rgb
from maskery.datasets.formats import open_dataset
from maskery.datasets.unlabelled import Unlabelled
from maskery.models.store import Store
from maskery.training.soft_labels import CLASSES

TEACHER = "deeplabv3-mobilenetv2-voc-513"
SIDE, STRIDE = 513, 16
LOGITS = "logits/semantic/BiasAdd;"
GREY = 127
LABELLED = (("voc2012-part", "train"), ("voc-extra", "train"), ("coco2017-part", "train2017"))
UNLABELLED = ("penn-fudan/images/train", "penn-fudan/images/val", "photos")


@click.command()
@click.argument("source", type=click.Path(path_type=Path, exists=True))
@click.argument("target", type=click.Path(path_type=Path))
@click.option("--limit", type=click.IntRange(min=1), help="Only so many pictures of each set, for a look.")
def main(source: Path, target: Path, limit: int | None) -> None:
    """Write TARGET/SET/NAME.npy, (21, h, w) float16, for every training picture of the sets below SOURCE."""
    teacher = Teacher()
    for name, data in sets(source):
        folder = target / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / CLASSES).write_text("\n".join(VOC) + "\n", encoding="utf-8")
        chosen = range(len(data))[:limit]
        for i in chosen:
            np.save(folder / f"{data.name(i)}.npy", teacher.logits(read_rgb(data.image_path(i))))
        click.echo(f"{name}: {len(chosen)} pictures", err=True)


def sets(source: Path) -> Iterator[tuple[str, SegmentationData]]:
    """The data sets with the names of their folders."""
    for name, split in LABELLED:
        yield name, open_dataset(source / name, split, VOC)
    for name in UNLABELLED:
        yield name, Unlabelled(source / name, VOC)


class Teacher:
    """The pulled model, opened so that its inner tensors can be read."""

    def __init__(self) -> None:
        located = Store(load_settings()).locate(TEACHER)
        self._run: Any = Interpreter(str(located.path), num_threads=1, experimental_preserve_all_tensors=True)
        self._run.allocate_tensors()
        self._input = self._run.get_input_details()[0]["index"]
        positions = (SIDE - 1) // STRIDE + 1
        (found,) = (
            tensor
            for tensor in self._run.get_tensor_details()
            if tensor["name"].startswith(LOGITS) and list(tensor["shape"]) == [1, positions, positions, len(VOC)]
        )
        self._logits, (self._scale, self._zero) = found["index"], found["quantization"]

    def logits(self, picture: Image.Image) -> NDArray[np.float16]:
        """Over the whole ``picture``, (21, h, w), one position for about 16 pixels of the 513 on its longer side."""
        scale = SIDE / max(picture.size)
        width, height = round(picture.width * scale), round(picture.height * scale)
        canvas = np.full((SIDE, SIDE, 3), GREY, np.uint8)
        canvas[:height, :width] = np.asarray(
            picture.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2.0)
        )
        both = (self._seen(canvas) + self._seen(np.ascontiguousarray(canvas[:, ::-1]))[:, ::-1]) / 2
        return _over(both, width, height)

    def _seen(self, canvas: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(33, 33, 21): position k is that of pixel 16 k."""
        self._run.set_tensor(self._input, canvas[None])
        self._run.invoke()
        raw = self._run.get_tensor(self._logits)[0].astype(np.float32)
        return np.asarray((raw - self._zero) * self._scale, np.float32)


def _over(logits: NDArray[np.float32], width: int, height: int) -> NDArray[np.float16]:
    """The part of the canvas with the picture, in positions that divide it evenly."""
    x, y = (
        ((torch.arange(n) + 0.5) * length / n - 0.5) / (SIDE - 1) * 2 - 1
        for n, length in ((max(1, round(size / STRIDE)), size) for size in (width, height))
    )
    grid = torch.stack(torch.meshgrid(y, x, indexing="ij")[::-1], -1)[None].float()
    found = F.grid_sample(
        torch.from_numpy(logits).permute(2, 0, 1)[None], grid, padding_mode="border", align_corners=True
    )
    return found[0].numpy().astype(np.float16)


if __name__ == "__main__":
    main()
