"""The encoder's maps of views of pictures, kept as float16 in two files: an encoder that stays as it is runs once."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from PIL import Image

from maskery.core.arrays import Halves
from maskery.core.errors import ConfigError, DataError
from maskery.datasets.base import read_rgb
from maskery.training.augment import recolour
from maskery.training.detection.box_labels import BoxLine, PictureView, Targets, draw_view, targets_of
from maskery.training.detection.detection_recipe import DetectionData, EncoderSpec

MAPS = ("map4", "map8", "map16")
FINE_STRIDE, COARSE_STRIDE = 8, 16
JITTER = 0.2


class MapEncoder:
    """Runs the encoder. Raises ``ConfigError`` for a file that is none."""

    def __init__(self, spec: EncoderSpec, threads: int = 1) -> None:
        self.spec = spec
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = threads, 3
        try:
            self._session: Any = onnxruntime.InferenceSession(spec.file, options, providers=["CPUExecutionProvider"])
            self._input = self._session.get_inputs()[0].name
            probe = self._run(np.zeros((64, 64, 3), np.uint8))
        except Exception as error:
            raise ConfigError(
                f"{spec.file} is no encoder with {', '.join(MAPS)}: {error}.", "Make it as its recipe says."
            ) from error
        self.channels = (probe[0].shape[0], probe[1].shape[0])
        """Of the maps at stride 8, both together, and at stride 16."""

    @property
    def map_channels(self) -> tuple[int, int, int]:
        """Of each of ``MAPS``."""
        found = {one.name: one.shape[1] for one in self._session.get_outputs()}
        map4, map8, map16 = (int(found[name]) for name in MAPS)
        return map4, map8, map16

    def _run(self, pixels: NDArray[np.uint8]) -> tuple[Halves, Halves]:
        value = (pixels.astype(np.float32) - self.spec.mean) / self.spec.std
        map4, map8, map16 = self._session.run(MAPS, {self._input: value.transpose(2, 0, 1)[None].copy()})
        height, width = map8.shape[2:]
        pooled = map4[0].reshape(len(map4[0]), height, 2, width, 2).mean((2, 4))
        return np.concatenate([pooled, map8[0]]).astype(np.float16), map16[0].astype(np.float16)

    def __call__(self, pixels: NDArray[np.uint8]) -> tuple[Halves, Halves]:
        """(H, W, 3) uint8 -> the maps at stride 8 (``map4`` pooled, and ``map8``) and at stride 16, (C, h, w)."""
        return self._run(pixels)


class MapCache:
    """Views of pictures as maps with their targets. ``folder``: where the two files are; they may be deleted."""

    def __init__(
        self, lines: Sequence[BoxLine], data: DetectionData, encoder: MapEncoder, folder: Path, seed: int
    ) -> None:
        self.lines, self.data, self.encoder, self.seed = lines, data, encoder, seed
        folder.mkdir(parents=True, exist_ok=True)
        count = len(lines) * data.views
        fine, coarse = (data.side // stride for stride in (FINE_STRIDE, COARSE_STRIDE))
        self._fine = _open(folder / "fine.npy", np.float16, (count, encoder.channels[0], fine, fine))
        self._coarse = _open(folder / "coarse.npy", np.float16, (count, encoder.channels[1], coarse, coarse))
        self._there = _open(folder / "there.npy", np.uint8, (count,))

    def __len__(self) -> int:
        return len(self.lines)

    def read(self, index: int, number: int) -> tuple[Halves, Halves, Targets]:
        """View ``number`` of picture ``index``; its maps are made where they are not there yet."""
        line, place = self.lines[index], index * self.data.views + number
        rng = np.random.default_rng((self.seed, index, number))
        view = draw_view(line.size_wh, self.data.side, number, self.data.zoom, rng)
        if not self._there[place]:
            pixels = self._pixels(line, view, rng if number else None)
            self._fine[place], self._coarse[place] = self.encoder(pixels)
            self._there[place] = 1
        return self._fine[place], self._coarse[place], targets_of(line, view, self.data.side)

    def _pixels(self, line: BoxLine, view: PictureView, rng: np.random.Generator | None) -> NDArray[np.uint8]:
        path = Path(self.data.root) / line.picture
        picture = read_rgb(path)
        if picture.size != line.size_wh:
            raise DataError(f"{path} is {picture.size}, its boxes are for {line.size_wh}.", "Make the boxes again.")
        if rng is not None:
            picture = recolour(picture, JITTER, rng)
        return shown(picture, view, self.data.side, self.encoder.spec.pad_value)


def shown(picture: Image.Image, view: PictureView, side: int, pad: int) -> NDArray[np.uint8]:
    """(side, side, 3) uint8: the picture in a view, ``pad`` where there is none."""
    size = tuple(max(1, round(s * view.scale)) for s in picture.size)
    canvas = Image.new("RGB", (side, side), (pad,) * 3)
    canvas.paste(
        picture.resize((size[0], size[1]), Image.Resampling.BILINEAR),
        (round(view.offset_xy[0]), round(view.offset_xy[1])),
    )
    if view.mirrored:
        canvas = canvas.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return np.asarray(canvas)


def _open(path: Path, dtype: Any, shape: tuple[int, ...]) -> NDArray[Any]:
    """A file of zeros in memory, or the one that is there. Raises ``DataError`` where that one has another form."""
    if not path.exists():
        return np.lib.format.open_memmap(path, "w+", dtype, shape)
    found = np.lib.format.open_memmap(path, "r+")
    if found.shape != shape or found.dtype != dtype:
        raise DataError(f"{path} holds maps of another recipe.", "Delete its folder, or choose another --out.")
    return found
