"""Damaged and hostile files of a data set: a ``DataError`` that names the file, and nothing else."""

import io
import os
import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maskery.core.errors import DataError
from maskery.datasets import pictures
from maskery.datasets.formats import open_dataset


def encoded(format: str) -> bytes:
    file = io.BytesIO()
    grey = Image.fromarray(np.random.default_rng(0).integers(0, 3, (40, 30)).astype(np.uint8))
    grey.save(file, format)
    return file.getvalue()


def damaged(data: bytes, seed: int) -> bytes:
    """Cut off, with some bytes changed."""
    chance = random.Random(seed)
    changed = bytearray(data[: chance.randint(1, len(data))] if seed % 2 else data)
    for _ in range(chance.randint(0, 6)):
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed)


@pytest.mark.parametrize("format", ["PNG", "BMP", "GIF", "TIFF"])
@pytest.mark.filterwarnings("ignore:.*:UserWarning")  # Pillow's, of damaged TIFF tags
def test_a_damaged_mask_is_read_or_named(tmp_path: Path, format: str) -> None:
    path, errors = tmp_path / "mask", list[DataError]()
    for seed in range(60):
        path.write_bytes(damaged(encoded(format), seed))
        try:
            pictures.values(pictures.read_mask(path), path)
        except DataError as error:
            errors.append(error)
    assert len(errors) > 10
    assert all(str(path) in error.message and error.cure for error in errors)


def test_a_damaged_picture_is_read_or_named(tmp_path: Path) -> None:
    path, errors = tmp_path / "picture", list[DataError]()
    for seed in range(60):
        path.write_bytes(damaged(encoded("JPEG"), seed))
        try:
            pictures.rgb(pictures.open_picture(path, str(path)), str(path))
        except DataError as error:
            errors.append(error)
    assert len(errors) > 10
    assert all(str(path) in error.message and error.cure for error in errors)


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no.png cannot be read: No such file"):
        pictures.read_mask(tmp_path / "no.png")
    with pytest.raises(DataError, match=r"no.png is not a readable picture: .*No such file"):
        pictures.open_picture(tmp_path / "no.png", "no.png")


def test_a_pipe_is_no_picture(tmp_path: Path) -> None:
    for kind in ("images", "masks"):
        (tmp_path / kind).mkdir()
        Image.new("L", (3, 2)).save(tmp_path / kind / "a.png")
        os.mkfifo(tmp_path / kind / "b.png")
    assert len(open_dataset(tmp_path, "all", ("x", "y"))) == 1


@pytest.mark.parametrize(
    ("stored", "called"),
    [
        ("a.jpg", "photos\\a.jpg"),
        ("back\\slash.jpg", "back\\slash.jpg"),
        ("a b.jpg", "/data/upload/1/a%20b.jpg"),
        ("a%20b.jpg", "a%20b.jpg"),
        ("caf\udce9.jpg", "/data/upload/1/caf%E9.jpg"),
        ("caf\u00e9.jpg", "cafe\u0301.jpg"),
        ("deep/a.jpg", "deep/a.jpg"),
        ("\u00e9" * 120 + ".jpg", "%C3%A9" * 120 + ".jpg"),
    ],
)
def test_pictures_by_the_names_that_tools_give_them(tmp_path: Path, stored: str, called: str) -> None:
    (tmp_path / stored).parent.mkdir(exist_ok=True)
    (tmp_path / stored).write_bytes(b"x")
    assert pictures.picture_of(called, [tmp_path / "nowhere", tmp_path]) == tmp_path / stored
    assert pictures.picture_of("", [tmp_path]) is None
    assert pictures.picture_of("..", [tmp_path]) is None
    assert pictures.picture_of("a\0b.jpg", [tmp_path]) is None
