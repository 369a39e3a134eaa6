"""Maps are made once, and those of another recipe are refused."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

from maskery.core.errors import ConfigError, DataError
from maskery.training.detection.box_labels import read_box_lines
from maskery.training.detection.detection_recipe import EncoderSpec
from maskery.training.detection.map_cache import MapCache, MapEncoder
from tests.training.detection.detection_toys import CHANNELS, SIDE, toy_recipe, write_encoder, write_pictures


def cache(root: Path, side: int = SIDE) -> MapCache:
    recipe = toy_recipe(root)
    data = msgspec.structs.replace(recipe.data, side=side)
    return MapCache(read_box_lines(Path(data.boxes), 2), data, MapEncoder(recipe.encoder), root / "maps", recipe.seed)


def test_maps_are_those_of_the_encoder_and_are_kept(tmp_path: Path) -> None:
    write_pictures(tmp_path)
    write_encoder(tmp_path / "encoder.onnx")
    fine, coarse, targets = cache(tmp_path).read(2, 0)
    assert (fine.shape, coarse.shape) == ((CHANNELS[0] + CHANNELS[1], 8, 8), (CHANNELS[2], 4, 4))
    assert len(targets.boxes) == 1
    inside = fine[:, int(targets.boxes[0, 1] + 8) // 8, int(targets.boxes[0, 0] + 8) // 8]
    assert np.abs(inside - fine[:, -1, -1]).max() > 0.1
    for path in tmp_path.glob("*.png"):
        path.unlink()
    again, _, _ = cache(tmp_path).read(2, 0)
    assert np.array_equal(again, fine)
    with pytest.raises(DataError):
        cache(tmp_path).read(3, 0)


def test_refused(tmp_path: Path) -> None:
    write_pictures(tmp_path)
    write_encoder(tmp_path / "encoder.onnx")
    cache(tmp_path)
    with pytest.raises(DataError, match="another recipe"):
        cache(tmp_path, 2 * SIDE)
    (tmp_path / "no.onnx").write_bytes(b"no")
    with pytest.raises(ConfigError, match="is no encoder"):
        MapEncoder(EncoderSpec(file=str(tmp_path / "no.onnx")))


def test_a_picture_of_another_size_than_its_boxes_is_refused(tmp_path: Path) -> None:
    boxes = write_pictures(tmp_path)
    write_encoder(tmp_path / "encoder.onnx")
    boxes.write_text(boxes.read_text().replace(f'"size_wh": [{SIDE}', '"size_wh": [65'))
    with pytest.raises(DataError, match="its boxes are for"):
        cache(tmp_path).read(0, 0)
