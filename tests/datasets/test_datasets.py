"""The readers on small folders made here, and on the real ones where they are."""

from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from maskery.core.errors import BadRequest, DataError
from maskery.core.labels import CAMVID, IGNORE, VOC
from maskery.datasets.base import read_rgb
from maskery.datasets.formats import describe, open_dataset, recognise
from tests.material import shared


@pytest.fixture
def masks(tmp_path: Path) -> Path:
    for kind in ("images", "masks"):
        (tmp_path / kind / "train").mkdir(parents=True)
    Image.new("RGB", (6, 4)).save(tmp_path / "images" / "train" / "a.jpg")
    mask = np.zeros((4, 6), np.uint8)
    mask[0, 0], mask[3, 5] = 2, IGNORE
    Image.fromarray(mask).save(tmp_path / "masks" / "train" / "a.png")
    return tmp_path


def test_mask_folder(masks: Path) -> None:
    data = open_dataset(masks, "train", VOC)
    assert recognise(masks) == "mask-folder"
    assert (len(data), data.name(0)) == (1, "a")
    assert data.mask(0)[0, 0] == 2
    assert data.mask(0)[3, 5] == IGNORE


def test_mask_folder_errors_name_file_and_cure(masks: Path) -> None:
    with pytest.raises(DataError, match=r"no split 'tran'\. Did you mean 'train'"):
        open_dataset(masks, "tran", VOC)
    with pytest.raises(DataError, match="class id 2, but there are only 2 classes"):
        open_dataset(masks, "train", ("a", "b")).mask(0)
    Image.new("RGB", (6, 4), "red").save(masks / "masks" / "train" / "a.png")
    with pytest.raises(DataError, match="mode RGB"):
        open_dataset(masks, "train", VOC).mask(0)
    (masks / "masks" / "train" / "a.png").write_bytes(b"\x89PNG nonsense")
    with pytest.raises(DataError, match="not a readable mask"):
        open_dataset(masks, "train", VOC).mask(0)
    (masks / "masks" / "train" / "a.png").unlink()
    with pytest.raises(DataError, match=r"a.jpg has no mask\. Add .*masks/train/a.png or remove"):
        open_dataset(masks, "train", VOC)
    with pytest.raises(BadRequest, match="Unknown data set format"):
        open_dataset(masks, "train", VOC, "mask-foldr")
    with pytest.raises(DataError, match="form of no known data set"):
        open_dataset(masks / "images", "train", VOC)


def test_where_nobody_says_the_classes_it_is_an_error(masks: Path) -> None:
    assert describe(masks).labels is None
    with pytest.raises(DataError, match=r"does not say what its classes are\. Put a classes.txt there"):
        open_dataset(masks, "train")


def test_many_missing_files_are_one_error_that_names_the_first(masks: Path) -> None:
    for name in "bcd":
        Image.new("RGB", (6, 4)).save(masks / "images" / "train" / f"{name}.jpg")
    with pytest.raises(DataError, match=r"3 files are missing, the first: .*b.jpg has no mask.* maskery data check"):
        open_dataset(masks, "train", VOC)


def test_a_mask_of_another_size_is_named(masks: Path) -> None:
    Image.new("L", (4, 6)).save(masks / "masks" / "train" / "a.png")
    with pytest.raises(DataError, match=r"mask of .*a.jpg is 4 x 6 pixels, its picture 6 x 4. Make the mask as large"):
        open_dataset(masks, "train", VOC).mask(0)


def test_the_mask_fits_the_upright_picture(masks: Path) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    Image.new("RGB", (4, 6)).save(masks / "images" / "train" / "a.jpg", exif=exif)
    data = open_dataset(masks, "train", VOC)
    assert data.mask(0).shape == (4, 6)
    assert read_rgb(data.image_path(0)).size == (6, 4)


def test_a_set_that_names_its_classes_is_matched_to_labels_by_name(masks: Path) -> None:
    (masks / "classes.txt").write_text("background\nnothing\nairplane\n")
    assert open_dataset(masks, "train").labels == ("background", "nothing", "airplane")
    assert open_dataset(masks, "train", VOC).mask(0)[0, 0] == VOC.index("aeroplane")
    assert open_dataset(masks, "train", ("background", "dog")).mask(0).tolist()[0][0] == 0
    assert open_dataset(masks, "train", ("airplane", "dog")).mask(0).tolist()[0][:2] == [0, IGNORE]
    with pytest.raises(DataError, match="no class name in common"):
        open_dataset(masks, "train", ("dog", "cat"))


def test_classes_of_a_set_can_be_ignored_instead_of_becoming_background(masks: Path) -> None:
    (masks / "classes.txt").write_text("background\nnothing\nairplane\n")
    plain = open_dataset(masks, "train", VOC).mask(0)
    own = open_dataset(masks, "train").mask(0)
    mask = open_dataset(masks, "train", VOC, ignored=["airplane"]).mask(0)
    assert (own == 2).any()
    assert (mask[own == 2] == IGNORE).all()
    assert (mask[own != 2] == plain[own != 2]).all()
    with pytest.raises(DataError, match="no class 'airplan' to ignore") as caught:
        open_dataset(masks, "train", VOC, ignored=["airplan"])
    assert "airplane" in caught.value.cure
    (masks / "classes.txt").unlink()
    with pytest.raises(DataError, match="does not name its classes"):
        open_dataset(masks, "train", VOC, ignored=["airplane"])


def test_hostile_files_are_named(masks: Path) -> None:
    bomb = bytearray((masks / "masks" / "train" / "a.png").read_bytes())
    bomb[16:24] = (60_000).to_bytes(4, "big") * 2
    for kind, name in (("masks", "a.png"), ("images", "a.jpg")):
        kept = (masks / kind / "train" / name).read_bytes()
        (masks / kind / "train" / name).write_bytes(bomb)
        with pytest.raises(DataError, match=rf"{name} is not a readable .*: The picture has 60000 x 60000 pixels"):
            open_dataset(masks, "train", VOC).mask(0)
        (masks / kind / "train" / name).write_bytes(kept)


def test_the_real_ones_open() -> None:
    voc = open_dataset(shared("data/voc2012-part"), "val", VOC)
    assert len(voc) == 460
    assert set(np.unique(voc.mask(0))) <= {*range(21), IGNORE}
    coco = open_dataset(shared("data/coco2017-part"), "val2017", VOC)
    assert len(coco) == 100
    assert coco.mask(3).shape == np.asarray(Image.open(coco.image_path(3)).convert("L")).shape


def test_the_real_camvid_is_recognised_by_its_names() -> None:
    root = shared("data/camvid")
    found = describe(root)
    assert (found.format, found.splits, found.labels) == ("camvid", ("test", "train", "val"), CAMVID)
    data = open_dataset(root, "test")
    assert len(data) == 233
    assert set(np.unique(data.mask(5))) <= {*range(11), IGNORE}
