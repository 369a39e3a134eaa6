"""One file of a whole folder: COCO as its reference library reads it, and a Parquet table."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
from pycocotools.coco import COCO

from maskery.core.settings import Settings
from maskery.jobs.folder.answer_options import AnswerOptions
from maskery.jobs.folder.answers import PictureAnswerer
from maskery.jobs.folder.collect import write_coco, write_parquet
from maskery.jobs.folder.listing import ListedPicture
from maskery.jobs.folder.places import LocalPlace, StoredFile
from maskery.jobs.folder.result_lines import Line
from maskery.models.segmenter import load
from tests.material import encoded, photo

NAMES = ("astronaut", "chelsea", "coffee")


@pytest.fixture(scope="module")
def answerer(tmp_path_factory: pytest.TempPathFactory) -> PictureAnswerer:
    folder = tmp_path_factory.mktemp("folder")
    for name in NAMES:
        (folder / f"{name}.jpg").write_bytes(encoded(photo(name), "JPEG", (180, 120)))
    (folder / "broken.jpg").write_bytes(b"x")
    options = AnswerOptions(model="everyday", formats=("mask",), options={}, coco=True)
    return PictureAnswerer(Settings(threads=1), options, LocalPlace(folder), LocalPlace(folder / "out"))


@pytest.fixture(scope="module")
def lines(answerer: PictureAnswerer) -> list[Line]:
    files = [StoredFile(f"{name}.jpg", 1, 1) for name in ("astronaut", "broken", "chelsea", "coffee")]
    return [answerer.line(ListedPicture(file)) for file in files]


@pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")  # of pycocotools
def test_coco(answerer: PictureAnswerer, lines: list[Line], tmp_path: Path) -> None:
    assert write_coco(tmp_path / "coco.json", lambda: iter(lines), answerer.model) == 3
    read = COCO(str(tmp_path / "coco.json"))
    assert {image["file_name"]: image["id"] for image in read.imgs.values()} == {
        "astronaut.jpg": 1, "chelsea.jpg": 2, "coffee.jpg": 3,
    }  # fmt: skip
    result = load("everyday", threads=1).segment(encoded(photo("chelsea"), "JPEG", (180, 120)))
    mask = result.masks()["cat"]
    (annotation,) = [one for one in read.imgToAnns[2] if read.cats[one["category_id"]]["name"] == "cat"]
    assert np.array_equal(read.annToMask(annotation), mask)
    ids = [one["id"] for one in json.loads((tmp_path / "coco.json").read_text())["annotations"]]
    assert ids == list(range(1, len(ids) + 1))


def test_parquet(answerer: PictureAnswerer, lines: list[Line], tmp_path: Path) -> None:
    def again() -> Iterator[Line]:
        return iter(lines)

    count = write_parquet(tmp_path / "t.parquet", again, answerer.model)
    rows = pyarrow.parquet.read_table(tmp_path / "t.parquet").to_pylist()
    assert len(rows) == count
    (broken,) = [row for row in rows if row["picture"] == "broken.jpg"]
    assert (broken["status"], broken["name"]) == ("failed", None)
    (cat,) = [row for row in rows if row["picture"] == "chelsea.jpg" and row["name"] == "cat"]
    (expected,) = [one for one in lines[2]["classes"] if one["name"] == "cat"]
    assert (cat["pixels"], cat["left"], cat["class_id"]) == (expected["pixels"], expected["box"][0], 8)
    assert (cat["width"], cat["height"], cat["model"]) == (180, 120, "everyday@1.0.0")


def test_of_nothing(answerer: PictureAnswerer, tmp_path: Path) -> None:
    assert write_coco(tmp_path / "coco.json", lambda: iter([]), answerer.model) == 0
    assert not COCO(str(tmp_path / "coco.json")).imgs
    assert write_parquet(tmp_path / "t.parquet", lambda: iter([]), answerer.model) == 0
