"""CVAT for images 1.1: our writer's files read back, subsets, every shape."""

from pathlib import Path

import numpy as np
import pytest

from maskery.core.errors import DataError
from maskery.datasets.formats import describe, open_dataset
from maskery.encode.annotations.cvat_xml import encode_cvat
from maskery.encode.options import Options
from tests.datasets.exports import class_map, opened, picture
from tests.encode.results import LABELS, semantic

META = "<meta><project><labels>{}</labels></project></meta>"


def write(root: Path, images: str, *labels: str) -> Path:
    named = "".join(f"<label><name>{label}</name><color>#ff0000</color></label>" for label in labels)
    head = '<?xml version="1.0" encoding="utf-8"?>\n<annotations><version>1.1</version>'
    (root / "annotations.xml").write_text(f"{head}{META.format(named)}{images}</annotations>")
    return root


def image(name: str, shapes: str, more: str = "") -> str:
    return f'<image id="0" name="{name}" width="16" height="12" {more}>{shapes}</image>'


@pytest.mark.parametrize("shape", ["mask", "polygon"])
def test_what_we_write_is_read_back_to_the_pixel(tmp_path: Path, shape: str) -> None:
    picture(tmp_path / "images" / "a.jpg")
    data = encode_cvat(semantic(class_map()), Options(file_name="a.jpg", shape=shape))
    (tmp_path / "annotations.xml").write_bytes(data)
    data_set = opened(tmp_path, "cvat-images")
    table = np.array([data_set.labels.index(label) if label in data_set.labels else 0 for label in LABELS])
    np.testing.assert_array_equal(data_set.mask(0), table[class_map()])


def test_every_shape_that_has_an_area_by_its_height(tmp_path: Path) -> None:
    shapes = (
        '<box label="box" xtl="1" ytl="1" xbr="5" ybr="3" z_order="1"/>'
        '<polygon label="tri" points="0,0;8,0;8,4;0,4" z_order="0"/>'
        '<ellipse label="disc" cx="12" cy="8" rx="3" ry="2" z_order="0"/>'
        '<mask label="tri" rle="0, 1, 1, 2" left="0" top="10" width="2" height="2" z_order="0"/>'
        '<polyline label="box" points="0,0;9,9" z_order="4"/><tag label="box"/>'
    )
    picture(tmp_path / "images" / "deep" / "a.jpg")
    data = opened(write(tmp_path, image("deep/a.jpg", shapes), "background", "box", "tri", "disc"), "cvat-images")
    assert data.labels == ("background", "box", "tri", "disc")
    mask = data.mask(0)
    assert (mask[1:3, 1:5] == 1).all()
    assert (mask == 1).sum() == 8
    assert mask[10:, :2].tolist() == [[2, 0], [2, 2]]
    assert 16 <= (mask == 3).sum() <= 22  # pi times 6


def test_subsets_are_splits_and_what_is_wrong_is_named(tmp_path: Path) -> None:
    for name in ("a", "b"):
        picture(tmp_path / "images" / f"{name}.jpg")
    wrong = '<box label="box" xtl="x" ytl="1" xbr="5" ybr="3"/>'
    other = '<box label="tree" xtl="0" ytl="1" xbr="5" ybr="3"/>'
    images = image("a.jpg", wrong, 'subset="Train"') + image("b.jpg", other, 'subset="Validation"')
    write(tmp_path, images, "box")
    assert describe(tmp_path).splits == ("Train", "Validation")
    with pytest.raises(DataError, match=r"box of a\.jpg: could not convert string to float"):
        open_dataset(tmp_path, "Train").mask(0)
    with pytest.raises(DataError, match="has the class 'tree', which is not listed"):
        open_dataset(tmp_path, "Validation").mask(0)
    with pytest.raises(DataError, match=r"no subset 'train'\. Did you mean 'Train'"):
        open_dataset(tmp_path, "train")
    (tmp_path / "annotations.xml").write_text('<!DOCTYPE a [<!ENTITY x "y">]><annotations>&x;</annotations>')
    with pytest.raises(DataError, match="it declares entities"):
        describe(tmp_path)
