"""Pascal VOC, Cityscapes and CamVid as their publishers lay them out."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maskery.core.errors import DataError
from maskery.core.labels import CAMVID, CITYSCAPES, IGNORE, PALETTES, VOC, voc_palette
from maskery.datasets.cityscapes import IDS
from maskery.datasets.formats import describe, open_dataset


def save(path: Path, pixels: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.array(pixels, np.uint8)).save(path)


@pytest.fixture
def voc(tmp_path: Path) -> Path:
    save(tmp_path / "JPEGImages" / "2007_1.jpg", np.zeros((1, 3, 3)))
    save(tmp_path / "SegmentationClass" / "2007_1.png", [[0, 12, 255]])
    lists = tmp_path / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "val.txt").write_text("2007_1\n\n")
    return tmp_path


def test_voc(voc: Path) -> None:
    assert (describe(voc).format, describe(voc).labels) == ("voc", VOC)
    assert open_dataset(voc, "val").mask(0).tolist() == [[0, 12, IGNORE]]
    assert open_dataset(voc, "val", ("background", "dog")).mask(0).tolist() == [[0, 1, IGNORE]]
    save(voc / "SegmentationClass" / "2007_1.png", [[(0, 0, 0), voc_palette()[12], (224, 224, 192)]])
    assert open_dataset(voc, "val").mask(0).tolist() == [[0, 12, IGNORE]]


def test_voc_errors(voc: Path) -> None:
    with pytest.raises(DataError, match=r"vall.txt is not there. Did you mean 'val'"):
        open_dataset(voc, "vall")
    (voc / "ImageSets" / "Segmentation" / "val.txt").write_text("2007_1\n2007_2\n")
    with pytest.raises(DataError, match=r"2007_2.jpg, named in .*val.txt, is missing. Add it or remove 2007_2"):
        open_dataset(voc, "val")
    (voc / "ImageSets" / "Segmentation" / "val.txt").write_text("")
    with pytest.raises(DataError, match=r"val.txt is empty"):
        open_dataset(voc, "val")


@pytest.fixture
def cityscapes(tmp_path: Path) -> Path:
    save(tmp_path / "leftImg8bit" / "val" / "ulm" / "ulm_0_1_leftImg8bit.png", np.zeros((1, 5, 3)))
    save(tmp_path / "gtFine" / "val" / "ulm" / "ulm_0_1_gtFine_labelIds.png", [[7, 33, 0, 29, 255]])
    return tmp_path


def test_cityscapes(cityscapes: Path) -> None:
    assert (describe(cityscapes).format, describe(cityscapes).palette) == ("cityscapes", PALETTES["cityscapes"])
    assert open_dataset(cityscapes, "val").mask(0).tolist() == [[0, 18, IGNORE, IGNORE, IGNORE]]
    assert len(IDS) == len(CITYSCAPES)
    save(cityscapes / "gtFine" / "val" / "ulm" / "ulm_0_1_gtFine_labelTrainIds.png", [[0, 18, 255, 255, 13]])
    assert open_dataset(cityscapes, "val").mask(0).tolist() == [[0, 18, IGNORE, IGNORE, 13]]


def test_cityscapes_errors(cityscapes: Path) -> None:
    path = cityscapes / "gtFine" / "val" / "ulm" / "ulm_0_1_gtFine_labelIds.png"
    save(path, [[7, 34, 0, 29, 255]])
    with pytest.raises(DataError, match="has the value 34, which is of no class"):
        open_dataset(cityscapes, "val").mask(0)
    path.unlink()
    with pytest.raises(DataError, match=r"leftImg8bit.png has no mask. Add .*labelIds.png"):
        open_dataset(cityscapes, "val")
    with pytest.raises(DataError, match="no split 'train'"):
        open_dataset(cityscapes, "train")


def test_camvid_in_both_forms(tmp_path: Path) -> None:
    tutorial, folders = tmp_path / "tutorial", tmp_path / "folders"
    for images, masks in (
        (tutorial / "train", tutorial / "trainannot"),
        (folders / "images" / "train", folders / "masks" / "train"),
    ):
        save(images / "0001TP_006690.png", np.zeros((1, 3, 3)))
        save(masks / "0001TP_006690.png", [[0, 10, 11]])
    for root in (tutorial, folders):
        assert (describe(root).format, describe(root).splits, describe(root).labels) == ("camvid", ("train",), CAMVID)
        assert open_dataset(root, "train").mask(0).tolist() == [[0, 10, IGNORE]]
        with pytest.raises(DataError, match="no split 'test'"):
            open_dataset(root, "test")


@pytest.mark.parametrize("name", ["a b", " a", "a 1", "comma, 'q'", "caf\udce9", "caf\u00e9"])
def test_pascal_voc_lists_names_of_any_kind(tmp_path: Path, name: str) -> None:
    for folder, file in (("JPEGImages", f"{name}.jpg"), ("SegmentationClass", f"{name}.png")):
        (tmp_path / folder).mkdir()
        Image.new("L" if file.endswith("png") else "RGB", (4, 3)).save(tmp_path / folder / file)
    (tmp_path / "ImageSets" / "Segmentation").mkdir(parents=True)
    listed = tmp_path / "ImageSets" / "Segmentation" / "train.txt"
    listed.write_text(f"{name}\n", errors="surrogateescape")
    assert open_dataset(tmp_path, "train").name(0) == name
