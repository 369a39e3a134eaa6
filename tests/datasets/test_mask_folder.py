"""Arrangements of folders, and what classes.toml and classes.txt say of mask values and colours."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maskery.core.errors import DataError
from maskery.core.labels import IGNORE
from maskery.datasets.formats import describe, open_dataset

BINARY = """
[[classes]]
name = "nothing"
value = 0
[[classes]]
name = "cell"
value = 255
"""
COLOURED = """
ignore = [255, [9, 9, 9]]
[[classes]]
name = "road"
colour = [128, 64, 128]
[[classes]]
name = "car"
colour = [0, 0, 142]
"""


def put(root: Path, images: str, masks: str, name: str = "a", mask: object = ((0, 1),)) -> None:
    (root / images).mkdir(parents=True, exist_ok=True)
    (root / masks).mkdir(parents=True, exist_ok=True)
    pixels = np.array(mask, np.uint8)
    Image.new("RGB", (pixels.shape[1], pixels.shape[0])).save(root / images / f"{name}.jpg")
    Image.fromarray(pixels).save(root / masks / f"{name}.png")


@pytest.mark.parametrize(("images", "masks"), [("images/train", "masks/train"), ("train/images", "train/masks")])
def test_split_folders_below_or_above(tmp_path: Path, images: str, masks: str) -> None:
    put(tmp_path, images, masks)
    assert (describe(tmp_path).format, describe(tmp_path).splits) == ("mask-folder", ("train",))
    assert open_dataset(tmp_path, "train", ("x", "y")).mask(0).tolist() == [[0, 1]]
    with pytest.raises(DataError, match="no split 'val'"):
        open_dataset(tmp_path, "val", ("x", "y"))


def test_without_split_folders_every_fifth_picture_is_val(tmp_path: Path) -> None:
    for i in range(10):
        put(tmp_path, "images", "masks", f"{i}")
    names = {}
    for split in ("train", "val", "all"):
        data = open_dataset(tmp_path, split, ("x", "y"))
        names[split] = [data.name(i) for i in range(len(data))]
    assert names["val"] == ["4", "9"]
    assert sorted(names["train"] + names["val"]) == names["all"]
    with pytest.raises(DataError, match=r"no folder for the split 'vals'\. Did you mean 'val'"):
        open_dataset(tmp_path, "vals", ("x", "y"))


def test_values_of_its_own(tmp_path: Path) -> None:
    put(tmp_path, "images", "masks", mask=[[0, 255]])
    (tmp_path / "classes.toml").write_text(BINARY)
    data = open_dataset(tmp_path, "all")
    assert (data.labels, data.mask(0).tolist()) == (("nothing", "cell"), [[0, 1]])
    put(tmp_path, "images", "masks", mask=[[0, 254]])
    with pytest.raises(DataError, match=r"a.png has the value 254, which is of no class\. Known are 0, 255"):
        open_dataset(tmp_path, "all").mask(0)


@pytest.mark.parametrize(
    ("file", "text"), [("classes.toml", COLOURED), ("classes.txt", "road 128 64 128\ncar 0,0,142\nignore 9 9 9\n")]
)
def test_coloured_masks(tmp_path: Path, file: str, text: str) -> None:
    put(tmp_path, "images", "masks", mask=[[[128, 64, 128], [0, 0, 142], [9, 9, 9]]])
    (tmp_path / file).write_text(text)
    data = open_dataset(tmp_path, "all")
    assert data.mask(0).tolist() == [[0, 1, IGNORE]]
    assert describe(tmp_path).palette == ((128, 64, 128), (0, 0, 142))
    put(tmp_path, "images", "masks", mask=[[[128, 64, 128], [0, 0, 143], [9, 9, 9]]])
    with pytest.raises(DataError, match=r"a.png has the colour \[0, 0, 143\], which is of no class \(1 pixels"):
        data.mask(0)


def test_one_bit_masks_and_palettes(tmp_path: Path) -> None:
    put(tmp_path, "images", "masks")
    path = tmp_path / "masks" / "a.png"
    Image.fromarray(np.array([[False, True]])).save(path)
    assert open_dataset(tmp_path, "all", ("x", "y")).mask(0).tolist() == [[0, 1]]
    palette = Image.fromarray(np.array([[1, 0]], np.uint8), mode="P")
    palette.putpalette([9, 9, 9, 200, 0, 0])
    palette.save(path)
    assert open_dataset(tmp_path, "all", ("x", "y")).mask(0).tolist() == [[1, 0]]


@pytest.mark.parametrize(
    ("mode", "words"), [("RGBA", "colours with transparency"), ("I;16", "16 bits"), ("LA", "grey")]
)
def test_wrong_modes_are_named(tmp_path: Path, mode: str, words: str) -> None:
    put(tmp_path, "images", "masks")
    Image.new(mode, (2, 1)).save(tmp_path / "masks" / "a.png")
    with pytest.raises(DataError, match=rf"a.png has mode {mode} \({words}.*Save it as an 8-bit grey or palette PNG"):
        open_dataset(tmp_path, "all", ("x", "y")).mask(0)


def test_a_jpeg_is_no_mask(tmp_path: Path) -> None:
    put(tmp_path, "images", "masks")
    (tmp_path / "masks" / "a.png").rename(tmp_path / "masks" / "a.jpg")
    put(tmp_path, "images", "masks", "b")
    with pytest.raises(DataError, match=r"a.jpg has no mask\. Make .*a.png anew, not from the JPEG"):
        open_dataset(tmp_path, "all", ("x", "y"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[classes]]\nnme = 'a'", r"classes.toml: unknown key 'classes\[0\].nme'. Did you mean 'name'"),
        ("classes = []", "names 0 classes"),
        ("[[classes]]\nname = 'a'\n[[classes]]\nname = 'a'", "the name 'a' is given twice"),
        ("ignore = 0\n[[classes]]\nname = 'a'", "the value 0 is given twice"),
        ("[[classes]]\nname = 'a'\nvalue = 256", "not within 0 to 255"),
        ("[[classes]]\nname = 'a'\ncolour = [0, 0, 0]\n[[classes]]\nname = 'b'", "class 'b' has no colour"),
        ("[[classes]", "is not valid TOML"),
    ],
)
def test_a_wrong_classes_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    put(tmp_path, "images", "masks")
    (tmp_path / "classes.toml").write_text(text)
    with pytest.raises(DataError, match=message):
        open_dataset(tmp_path, "all")


def test_names_of_several_words_and_comments(tmp_path: Path) -> None:
    put(tmp_path, "images", "masks")
    (tmp_path / "classes.txt").write_text("\ufeff# ours\ntraffic light 250 170 30\n\ntraffic sign 220 220 0 # yellow\n")
    assert describe(tmp_path).labels == ("traffic light", "traffic sign")
    (tmp_path / "classes.toml").write_text(BINARY)
    with pytest.raises(DataError, match=r"both classes.toml and classes.txt\. Remove one"):
        describe(tmp_path)
