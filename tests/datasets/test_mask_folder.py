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


@pytest.mark.parametrize(
    ("images", "masks"),
    [
        ("imgs", "masks"),
        ("images", "labels"),
        ("data", "labels"),
        ("JPEGImages", "SegmentationClassPNG"),
        ("train/imgs", "train/masks"),
        ("imgs/train", "masks/train"),
    ],
)
def test_folders_by_the_names_that_tools_give_them(tmp_path: Path, images: str, masks: str) -> None:
    (tmp_path / "classes.txt").write_text("x\ny\n")
    put(tmp_path, images, masks)
    split = "train" if "train" in images else "all"
    assert describe(tmp_path).format == "mask-folder"
    assert open_dataset(tmp_path, split).mask(0).tolist() == [[0, 1]]


@pytest.mark.parametrize("folder", ["", "train"])
def test_masks_as_segment_writes_them_beside_their_pictures(tmp_path: Path, folder: str) -> None:
    for i in range(5):
        put(tmp_path, folder, "kept", f"{i}")
        (tmp_path / "kept" / f"{i}.png").rename(tmp_path / folder / f"{i}-mask.png")
    (tmp_path / "kept").rmdir()
    assert describe(tmp_path).format == "mask-folder"
    data = open_dataset(tmp_path, folder or "all", ("x", "y"))
    assert [data.name(i) for i in range(len(data))] == ["0", "1", "2", "3", "4"]
    assert data.mask(4).tolist() == [[0, 1]]


def test_masks_as_segment_writes_them_in_a_folder_of_their_own(tmp_path: Path) -> None:
    put(tmp_path, "images", "masks", "a")
    (tmp_path / "masks" / "a.png").rename(tmp_path / "masks" / "a-mask.png")
    put(tmp_path, "images", "masks", "b-mask")  # a picture of that name has a mask of its own
    assert [p.name for p in open_dataset(tmp_path, "all", ("x", "y")).masks] == ["a-mask.png", "b-mask.png"]  # type: ignore[attr-defined]


SYSTEM = (".ipynb_checkpoints", "@eaDir", "__MACOSX", ".thumbnails", "Thumbs.db", ".DS_Store", "._a.jpg", "._a.png")


@pytest.mark.parametrize("name", SYSTEM)
def test_what_systems_leave_behind_counts_nowhere(tmp_path: Path, name: str) -> None:
    put(tmp_path, "images", "masks")
    for folder in ("", "images", "masks"):
        here = tmp_path / folder / name
        if "." in name[1:]:
            here.write_bytes(b"\0\5\26\7")
        elif not here.exists():
            here.mkdir()
            Image.new("RGB", (2, 1)).save(here / "a.jpg")
            Image.new("L", (2, 1)).save(here / "b.png")
    assert describe(tmp_path).splits == ("train", "val")
    assert len(open_dataset(tmp_path, "all", ("x", "y"))) == 1


def test_accents_may_be_composed_or_apart(tmp_path: Path) -> None:
    put(tmp_path, "images", "masks", "caf\u00e9")
    (tmp_path / "images" / "caf\u00e9.jpg").rename(tmp_path / "images" / "cafe\u0301.jpg")
    assert len(open_dataset(tmp_path, "all", ("x", "y"))) == 1


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA"])
def test_a_grey_mask_that_was_saved_with_more_channels(tmp_path: Path, mode: str) -> None:
    put(tmp_path, "images", "masks")
    Image.fromarray(np.array([[0, 1]], np.uint8)).convert(mode).save(tmp_path / "masks" / "a.png")
    assert open_dataset(tmp_path, "all", ("x", "y")).mask(0).tolist() == [[0, 1]]
    if mode != "RGB":
        Image.new(mode, (2, 1), (1, 3) if mode == "LA" else (1, 1, 1, 3)).save(tmp_path / "masks" / "a.png")
        with pytest.raises(DataError, match=f"has mode {mode} .*transparency"):
            open_dataset(tmp_path, "all", ("x", "y")).mask(0)


def with_palette(path: Path, values: object, palette: list[int]) -> None:
    mask = Image.fromarray(np.array(values, np.uint8)).convert("P")
    mask.putdata([value for row in np.array(values).tolist() for value in row])
    mask.putpalette(palette)
    mask.save(path)


def test_a_palette_in_another_order_is_read_by_its_colours(tmp_path: Path) -> None:
    put(tmp_path, "images", "masks")
    (tmp_path / "classes.txt").write_text("background 0 0 0\nbox 255 0 0\nignore 9 9 9\n")
    for values, palette, expected in (
        ([[1, 0]], [255, 0, 0, 0, 0, 0], [[0, 1]]),
        ([[0, 1]], [0, 0, 0, 255, 0, 0], [[0, 1]]),
        ([[0, 1]], [0, 0, 0, 7, 7, 7], [[0, 1]]),  # a palette of other colours: values
        ([[0, 1]], [5, 5, 5, 7, 7, 7], [[0, 1]]),
        ([[2, 0]], [255, 0, 0, 0, 0, 0, 9, 9, 9], [[IGNORE, 1]]),
    ):
        with_palette(tmp_path / "masks" / "a.png", values, palette)
        assert open_dataset(tmp_path, "all").mask(0).tolist() == expected, palette
    with_palette(tmp_path / "masks" / "a.png", [[0, 1]], [255, 0, 0, 7, 7, 7])
    with pytest.raises(DataError, match="a palette whose colours say other classes"):
        open_dataset(tmp_path, "all").mask(0)


def test_black_and_white_classes_are_read_by_their_colours(tmp_path: Path) -> None:
    put(tmp_path, "images", "masks", mask=((0, 255),))
    (tmp_path / "classes.txt").write_text("background 0 0 0\nperson 255 255 255\n")
    assert open_dataset(tmp_path, "all").mask(0).tolist() == [[0, 1]]
    put(tmp_path, "images", "masks", mask=((0, 1),))
    assert open_dataset(tmp_path, "all").mask(0).tolist() == [[0, 1]]


def test_the_names_that_labelme_writes(tmp_path: Path) -> None:
    put(tmp_path, "JPEGImages", "SegmentationClassPNG")
    (tmp_path / "class_names.txt").write_text("_background_\ncell\n")
    assert open_dataset(tmp_path, "all").labels == ("_background_", "cell")


def test_a_folder_that_fits_two_formats_says_both(tmp_path: Path) -> None:
    put(tmp_path, "images", "masks")
    (tmp_path / "annotations.xml").write_text("<annotations><version>1.1</version></annotations>")
    with pytest.raises(DataError, match=r"several data sets: cvat-images, mask-folder\. Say which it is"):
        describe(tmp_path)
    assert describe(tmp_path, "mask-folder").format == "mask-folder"


def test_a_split_without_pictures_is_refused(tmp_path: Path) -> None:
    put(tmp_path, "images", "masks")
    with pytest.raises(DataError, match=r"split .val. of .* has no pictures"):
        open_dataset(tmp_path, "val", ("x", "y"))
