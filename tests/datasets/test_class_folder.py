"""Classification sets: folders, zip files, splits."""

import io
import pickle
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from maskery.core.errors import DataError
from maskery.core.labels import CIFAR10
from maskery.datasets import class_folder
from maskery.datasets.class_folder import ClassFolder
from tests.material import shared

COLOURS = {"cat": (250, 0, 0), "dog": (0, 250, 0)}


def png(colour: tuple[int, int, int]) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (3, 2), colour).save(file, "PNG")
    return file.getvalue()


def fill(root: Path, *folders: str, count: int = 5) -> Path:
    for folder in folders or ("",):
        for name, colour in COLOURS.items():
            (root / folder / name).mkdir(parents=True)
            for i in range(count):
                (root / folder / name / f"{i}.png").write_bytes(png(colour))
    return root


def zipped(root: Path, file: Path) -> Path:
    with zipfile.ZipFile(file, "w") as archive:
        for path in sorted(root.rglob("*.png")):
            archive.write(path, path.relative_to(root).as_posix())
    return file


def check(data: ClassFolder, count: int) -> None:
    assert (data.labels, len(data)) == (("cat", "dog"), count)
    for i in range(len(data)):
        name = data.labels[data.label(i)]
        assert data.name(i).startswith(name + "/")
        assert data.picture(i).getpixel((1, 1)) == COLOURS[name]


def test_folders_with_and_without_splits(tmp_path: Path) -> None:
    plain, parted = fill(tmp_path / "plain"), fill(tmp_path / "parted", "train", "test")
    check(ClassFolder(parted, "train"), 10)
    check(ClassFolder(plain, "all"), 10)
    check(ClassFolder(plain, "train"), 8)
    check(ClassFolder(plain, "val"), 2)
    assert class_folder.splits(parted) == ["test", "train"]
    assert class_folder.splits(plain) == ["train", "val"]
    names = {ClassFolder(plain, split).name(i) for split in ("train", "val") for i in range(2)}
    assert len(names) == 4


def test_zip_files_with_and_without_splits_and_top_folder(tmp_path: Path) -> None:
    check(ClassFolder(zipped(fill(tmp_path / "a"), tmp_path / "a.zip"), "all"), 10)
    check(ClassFolder(zipped(fill(tmp_path / "b", "train", "val"), tmp_path / "b.zip"), "val"), 10)
    check(ClassFolder(zipped(fill(tmp_path / "c", "top"), tmp_path / "c.zip"), "all"), 10)
    check(ClassFolder(zipped(fill(tmp_path / "d", "top/train", "top/val"), tmp_path / "d.zip"), "train"), 10)


def test_a_zip_file_a_split(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    for split in ("train", "test"):
        zipped(fill(tmp_path / split), home / f"{split}.zip")
    assert class_folder.recognised(home)
    assert class_folder.splits(home) == ["test", "train"]
    check(ClassFolder(home, "test"), 10)
    with pytest.raises(DataError, match=r"no split 'tset'\. Did you mean 'test'"):
        ClassFolder(home, "tset")


def test_a_reader_of_a_zip_file_survives_pickling(tmp_path: Path) -> None:
    data = ClassFolder(zipped(fill(tmp_path / "a"), tmp_path / "a.zip"), "all")
    data.picture(0)
    check(pickle.loads(pickle.dumps(data)), 10)


def test_labels_decide_the_order_and_must_have_every_class(tmp_path: Path) -> None:
    fill(tmp_path)
    data = ClassFolder(tmp_path, "all", ("dog", "Cat"))
    assert data.label(0) == 1
    with pytest.raises(
        DataError, match=r"dog/0.png is of class 'dog', which is not among the labels. Did you mean 'do'"
    ):
        ClassFolder(tmp_path, "all", ("cat", "do"))


def test_what_is_missing_or_damaged_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has no class folders with pictures\. Expected"):
        ClassFolder(tmp_path, "all")
    fill(tmp_path)
    with pytest.raises(DataError, match=r"no folder for the split 'vla'. Did you mean 'val'"):
        ClassFolder(tmp_path, "vla")
    (tmp_path / "cat" / "0.png").write_bytes(png((0, 0, 0))[:30])
    with pytest.raises(DataError, match=r"cat/0.png is not a readable picture: .* Replace or remove"):
        ClassFolder(tmp_path, "all").picture(0)
    (tmp_path / "bad.zip").write_bytes(b"PK\x03\x04 nonsense")
    with pytest.raises(DataError, match=r"bad.zip is no zip file that can be read"):
        ClassFolder(tmp_path / "bad.zip", "all")


def test_a_damaged_entry_of_a_zip_file_is_named(tmp_path: Path) -> None:
    path = zipped(fill(tmp_path / "a"), tmp_path / "a.zip")
    raw = bytearray(path.read_bytes())
    start = raw.index(b"\x89PNG")
    raw[start + 20] ^= 0xFF
    path.write_bytes(raw)
    with pytest.raises(DataError, match=r"a.zip/cat/0.png cannot be read: Bad CRC-32"):
        ClassFolder(path, "all").picture(0)


def test_cifar10() -> None:
    root = shared("data/cifar10")
    data = ClassFolder(root, "test")
    assert data.labels == CIFAR10
    assert len(data) == 3000
    assert data.picture(2999).size == (32, 32)
